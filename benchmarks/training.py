"""``python -m benchmarks.training``: measure the time per training sample, the loss, and the share of one core's peak.

A sample is the forward and backward pass of one document, and its share of Adam. Peers and kgpt run in turn, so that
other load affects all of them. The figures are medians of all rounds, and the ratios medians of ratios.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import exact
import numpy as np
from reference_autograd import Settings

from benchmarks.c_library import ISAS
from benchmarks.fast_library import Documents, FastLibrary, Options, Trainer, build
from benchmarks.machine import machine_line
from benchmarks.training_peers import Peer, numpy_peer, scalar_peer, torch_peer
from kgpt_build.models import CharTokenizer, Hyperparameters
from kgpt_build.reference import corpus

BATCH = 16
LAST = 100
RATES = {16: 0.01, 64: 0.005}
"""Learning rates by width: microgpt's own for its width, half of it for the larger width."""
AIMS = {16: (2.0, 2.17), 64: (25.0, 2.14)}
"""The aims by width: microseconds per sample, and loss (nats)."""
EXACT_AIM = 50.0
"""The aim for exact training at microgpt's shape: microseconds per step."""
AIMED_CORPUS = "816d2a728695db28a20e17eae61c9c423091a511b3df09a06a489dccbf0876c7"
"""SHA-256 of the documents, one per line, to which the loss aims apply: microgpt's names.txt."""


@dataclass(frozen=True)
class Task:
    """A width of the model, and the documents to train on."""

    hparams: Hyperparameters
    tokenizer: CharTokenizer
    texts: Sequence[str]
    documents: Documents

    @property
    def has_loss_aim(self) -> bool:
        """Do the aims for the loss apply? Losses of other texts are not comparable."""
        lines = "".join(f"{text}\n" for text in self.texts)
        return hashlib.sha256(lines.encode()).hexdigest() == AIMED_CORPUS

    def trainer(self, library: FastLibrary, isa: str, steps: int, seed: int) -> Trainer:
        """kgpt's trainer for this task."""
        rate = RATES.get(self.hparams.n_embd, 0.01)
        options = Options(batch=BATCH, steps=steps, seed=seed, isa=isa, lr=rate)
        return Trainer(library, self.hparams, self.documents, options)


def main() -> None:
    """Parse the command line, and print the tables."""
    options = _parser().parse_args()
    texts = _documents(options.corpus)
    with tempfile.TemporaryDirectory(prefix="kgpt-bench-") as folder:
        library = FastLibrary(build(Path(folder)))
        exact_library = exact.build(Path(folder))
    isa = options.isa or library.isas()[-1]
    print(f"on {machine_line()}")
    print(f"{len(texts):,} documents, batch {BATCH}, one core, {isa}")
    for width in options.widths:
        task = _task(texts, width)
        _speed(library, task, isa, options.rounds)
        if options.seeds:
            _losses(library, task, isa, options.steps, options.seeds)
    _exact_speed(exact_library, _task(texts, 16), isa, max(3, options.rounds // 3))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--corpus", type=Path, help="one document a line (default: the package names)")
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64], help="n_embd (default: 16 64)")
    parser.add_argument("--rounds", type=int, default=21, help="of which the median is taken (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=3000, help="of the trainings (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=4, help="trainings for the loss; 0: none (default: %(default)s)")
    parser.add_argument("--isa", choices=ISAS, help="the highest to use (default: the best of this machine)")
    return parser


def _documents(path: Path | None) -> list[str]:
    if path is None:
        return list(corpus.first_names().documents)
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _task(texts: Sequence[str], width: int) -> Task:
    tokenizer = CharTokenizer.from_documents(texts)
    hparams = Hyperparameters(
        n_vocab=tokenizer.n_vocab, n_ctx=16, n_embd=width, n_layer=1, n_head=4, n_head_kv=4, n_ff=4 * width
    )
    ids = [tokenizer.encode(text) for text in texts]
    return Task(hparams, tokenizer, texts, Documents(ids, tokenizer.n_vocab))


def _speed(library: FastLibrary, task: Task, isa: str, rounds: int) -> None:
    width = task.hparams.n_embd
    trainer = task.trainer(library, isa, 1_000_000, 1)
    peers = [peer for peer in (torch_peer(task.hparams), numpy_peer(task.hparams)) if peer]
    steps = max(1, int(20_000 / AIMS.get(width, (10.0, 0.0))[0] / BATCH))
    trainer.seconds(steps)
    ours, peaks, reads = list[float](), list[float](), list[float]()
    theirs: dict[str, list[float]] = {peer.name: [] for peer in peers}
    memory = np.ones(1 << 25, dtype=np.float64)
    for at in range(rounds):
        peaks.append(library.c.driver_multiply_adds(ISAS.index(isa)) / 1e9)
        ours.append(trainer.seconds(steps) / steps / BATCH * 1e6)
        reads.append(library.read_rate(memory) / 1e9)
        for peer in peers:
            theirs[peer.name].append(_peer_round(peer, task, at, BATCH))
    _print_speed(task, ours, peaks, reads)
    _print_peers(theirs, ours)


def _print_peers(theirs: dict[str, list[float]], ours: list[float]) -> None:
    for name, figures in theirs.items():
        ratio = statistics.median(their / our for their, our in zip(figures, ours, strict=True))
        print(f"  {name:34} {statistics.median(figures):10,.1f} µs/sample   {ratio:8,.1f} times ours")


def _peer_round(peer: Peer, task: Task, at: int, batch: int) -> float:
    """Microseconds per sample; making the batches is not timed."""
    rng = np.random.default_rng(at)
    chosen = [task.texts[i] for i in rng.integers(0, len(task.texts), peer.steps * batch)]
    batches = [chosen[i : i + batch] for i in range(0, len(chosen), batch)]
    return peer.seconds(task.tokenizer, batches) / peer.steps / batch * 1e6


def _print_speed(task: Task, ours: list[float], peaks: list[float], reads: list[float]) -> None:
    positions, rows = _positions(task)
    weights = _multiplied_weights(task.hparams)
    median, peak = statistics.median(ours), statistics.median(peaks)
    shares = [6e-3 * weights * rows / our / top for our, top in zip(ours, peaks, strict=True)]
    aim = AIMS.get(task.hparams.n_embd)
    print(f"n_embd {task.hparams.n_embd}")
    text = f"{median:10.2f} µs/sample   fastest round {min(ours):.2f}"
    print(f"  {'kgpt, fast mode':34} {text}" + (f"   aim {aim[0]:g}" if aim else ""))
    print(
        f"  this core: {peak:.0f} GFLOP/s multiply-add, {statistics.median(reads):.0f} GB/s read from memory"
        f" (rounds from {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s: far apart where others took part of it)"
    )
    plain = 6e-3 * weights * positions / median
    print(
        f"  a sample has {positions:.2f} positions, {rows:.2f} after sharing beginnings; products of matrices alone:"
        f" {100 * statistics.median(shares):.0f} % of peak done, {100 * plain / peak:.0f} % as a plain trainer counts"
    )


def _multiplied_weights(hparams: Hyperparameters) -> int:
    layer = 4 * hparams.n_embd**2 + 2 * hparams.n_embd * hparams.n_ff
    return hparams.n_vocab * hparams.n_embd + hparams.n_layer * layer


def _positions(task: Task) -> tuple[float, float]:
    """(positions per document, rows per document if equal beginnings within a batch share their rows)."""
    rng, n_ctx, batches = np.random.default_rng(0), task.hparams.n_ctx, 1000
    positions = rows = 0
    for _ in range(batches):
        drawn = [task.texts[i] for i in rng.integers(0, len(task.texts), BATCH)]
        positions += sum(min(n_ctx, len(text) + 1) for text in drawn)
        rows += len({text[:i] for text in drawn for i in range(min(n_ctx, len(text) + 1))})
    return positions / batches / BATCH, rows / batches / BATCH


def _losses(library: FastLibrary, task: Task, isa: str, steps: int, seeds: int) -> None:
    lasts, wholes = [], []
    for seed in range(1, seeds + 1):
        trainer = task.trainer(library, isa, steps, seed)
        lasts.append(float(np.mean([trainer.step() for _ in range(steps)][-LAST:])))
        wholes.append(trainer.evaluate(0, len(task.texts)))
    listed = " ".join(f"{loss:.3f}" for loss in lasts)
    aim = AIMS.get(task.hparams.n_embd)
    print(
        f"  loss after {steps} steps at lr {RATES.get(task.hparams.n_embd, 0.01):g}, mean of the last {LAST} batches:"
        f" {np.mean(lasts):.3f} ({listed})" + (f"   aim {aim[1]:g}" if aim and task.has_loss_aim else "")
    )
    if aim and not task.has_loss_aim:
        print(f"  (the aim for the loss, {aim[1]:g}, is for microgpt's names.txt: --corpus)")
    print(f"  the same models on all documents: {np.mean(wholes):.3f}")


def _exact_speed(library: ctypes.CDLL, task: Task, isa: str, rounds: int) -> None:
    """Measure one document per step in double precision. Only kgpt's arithmetic equals microgpt's to the bit."""
    settings = Settings(steps=1_000_000)
    trainer = exact.Exact(library, task.texts, settings, isa="c" if isa == "c" else "avx2")
    candidates = (scalar_peer(task.hparams), torch_peer(task.hparams, double=True), numpy_peer(task.hparams))
    peers, steps = [peer for peer in candidates if peer], 500
    trainer.steps(steps)
    ours, theirs = list[float](), {peer.name: list[float]() for peer in peers}
    for at in range(rounds):
        start = time.perf_counter()
        trainer.steps(steps)
        ours.append((time.perf_counter() - start) / steps * 1e6)
        for peer in peers:
            theirs[peer.name].append(_peer_round(peer, task, at, 1))
    print(f"n_embd {task.hparams.n_embd}, exact mode: f64, one document a step")
    text = f"{statistics.median(ours):10.1f} µs/sample   fastest round {min(ours):.1f}   aim {EXACT_AIM:g}"
    print(f"  {'kgpt, exact mode':34} {text}")
    _print_peers(theirs, ours)


if __name__ == "__main__":
    main()
