"""``python -m benchmarks.dense_training``: the C trainer on a running text beside PyTorch, at the preset ``cpu``.

Each round does a few steps of every side in turn, so that other load affects all of them. Times are seconds of
processor time, on one core; the ratio is the median of the rounds' ratios. A step is forward, backward, clipping and
AdamW on both sides. PyTorch's model is that of benchmarks.plain_torch; ``--compile`` adds torch.compile.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks import plain_torch
from benchmarks.dense_library import DenseLibrary, Options, Trainer, build
from benchmarks.machine import machine_line
from kgpt_build.reference.draws import TextShape

N_VOCAB = 95
STEPS = 3
"""Of each side in a round."""


def ours(library: DenseLibrary, kind: str, dropout: float, isa: str) -> Callable[[], object]:
    """A step of the C trainer."""
    sizes = (plain_torch.LAYERS, plain_torch.HEADS, plain_torch.WIDTH, plain_torch.CONTEXT)
    shape = TextShape(kind, *sizes, N_VOCAB, dropout=dropout)
    tokens = np.random.default_rng(1).integers(0, N_VOCAB, 100_000).astype(np.uint32)
    return Trainer(library, shape, tokens, Options(batch=plain_torch.BATCH, isa=isa)).step


def torchs(dropout: float, compiled: bool) -> Callable[[], object]:
    """A step of PyTorch."""
    plain_torch.DROPOUT = dropout
    model = plain_torch.Gpt(N_VOCAB)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=plain_torch.RATE, fused=True)

    def step() -> None:
        plain_torch.DROPOUT = dropout
        rows = torch.randint(0, N_VOCAB, (plain_torch.BATCH, plain_torch.CONTEXT + 1))
        logits = run(rows[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def seconds_of(step: Callable[[], object]) -> float:
    """Processor time of a step."""
    began = time.process_time()
    for _ in range(STEPS):
        step()
    return (time.process_time() - began) / STEPS


def compare(title: str, sides: dict[str, Callable[[], object]], rounds: int) -> None:
    """Run ``sides`` in turn, and print milliseconds and the ratio of each to the first."""
    for step in sides.values():
        step()
        step()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            times[name].append(seconds_of(step))
    first = next(iter(times.values()))
    for name, taken in times.items():
        ratio = statistics.median(other / own for own, other in zip(first, taken, strict=True))
        print(f"{title} | {name:<14} | {statistics.median(taken) * 1e3:7.1f} ms a step | {ratio:5.2f}", flush=True)


def main() -> None:
    """Print a table for each dropout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dense_training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--isa", help="the highest instruction set (default: the best there is)")
    parser.add_argument("--compile", action="store_true", help="PyTorch's compiler too; it needs a C++ compiler")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="kgpt-bench-") as folder:
        library = DenseLibrary(build(Path(folder)))
    isa = options.isa or library.isas()[-1]
    print(f"on {machine_line()}, one core, {isa}, PyTorch {torch.__version__}")
    for dropout in (0.0, plain_torch.DROPOUT):
        sides = {f"kgpt {kind}": ours(library, kind, dropout, isa) for kind in ("nanogpt", "llama")}
        sides["torch eager"] = torchs(dropout, compiled=False)
        if options.compile:
            sides["torch.compile"] = torchs(dropout, compiled=True)
        compare(f"dropout {dropout:g}", sides, options.rounds)


if __name__ == "__main__":
    main()
