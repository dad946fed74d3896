"""``python -m benchmarks.host_training TEXT``: kgpt's host trainer beside a plain PyTorch loop of the same size.

``python -m benchmarks.plain_torch TEXT > LOG`` makes the peer's lines; ``--plain LOG`` reads them. ``--ours LOG`` reads
what an earlier run of this program printed, instead of training. Times are seconds of
processor time, which other programs disturb less than a clock's. Both sides run with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import re
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.machine import machine_line
from kgpt_build.training.corpus import read_corpus
from kgpt_build.training.torch.arguments import given_settings, parser
from kgpt_build.training.torch.report import Told, Validation
from kgpt_build.training.torch.settings import TorchSettings
from kgpt_build.training.torch.text import tokens_of
from kgpt_build.training.torch.trainer import Trainer
from kgpt_build.training.torch.world import World

RECIPE = "--block llama --steps 600 --lr 3e-3 --warmup 50 --dropout 0 --eval-every 50 --sample-every 0"
"""The options that are measured, beside the preset cpu."""
_PLAIN_LINE = re.compile(
    r"step (\d+): train ([\d.]+), val ([\d.]+), ([\d.]+) s training, ([\d.]+) s evaluating", re.ASCII
)
_OUR_LINE = re.compile(r"step (\d+): train ([\d.]+), val ([\d.]+), ([\d.]+) s$", re.ASCII | re.MULTILINE)


@dataclass(frozen=True)
class Evaluated:
    """Losses in nats after ``step``, and the processor time until then."""

    step: int
    training: float
    validation: float
    seconds: float


class Clock:
    """A report that keeps the validations with the processor time."""

    def __init__(self) -> None:
        self.evaluated: list[Evaluated] = []
        self._began = time.process_time()

    def tell(self, told: Told) -> None:
        """Keep and print a validation."""
        if isinstance(told, Validation):
            seconds = time.process_time() - self._began
            self.evaluated.append(Evaluated(told.step, told.training, told.loss, seconds))
            print(f"step {told.step}: train {told.training:.4f}, val {told.loss:.4f}, {seconds:.1f} s", flush=True)

    def close(self) -> None:
        """Nothing is left to do."""


def settings_of(text: Path, words: str) -> TorchSettings:
    """The settings by the options ``words``."""
    return TorchSettings(**given_settings(parser().parse_args([str(text), *shlex.split(words)])))


def run_ours(text: Path, settings: TorchSettings) -> list[Evaluated]:
    """Train on ``text``; the validations."""
    corpus = read_corpus(text, int(settings.block_size or 0))
    clock = Clock()
    tokens = tokens_of(corpus, settings.val_fraction, int(settings.block_size or 0))
    trainer = Trainer(settings, tokens, World(0, 1, torch.device("cpu")))
    trainer.run(clock, lambda: False, lambda _: None)
    return clock.evaluated


def read_ours(log: Path) -> list[Evaluated]:
    """The validations in what this program printed."""
    return [Evaluated(int(row[0]), *map(float, row[1:])) for row in _OUR_LINE.findall(log.read_text())]


def read_plain(log: Path) -> list[Evaluated]:
    """The evaluations in what benchmarks.plain_torch printed."""
    return [
        Evaluated(int(step), float(training), float(validation), float(seconds) + float(evaluating))
        for step, training, validation, seconds, evaluating in _PLAIN_LINE.findall(log.read_text())
    ]


def draw(path: Path, curves: dict[str, list[Evaluated]]) -> None:
    """Draw validation (solid) and training losses (dashed) over steps and over processor time."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "kgpt"
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    sides = figure.subplots(1, 2, sharey=True)
    for color, (name, evaluated) in zip(("#6b7280", "#c2410c", "#1f4e9c"), curves.items(), strict=False):
        shown = [point for point in evaluated if point.step]
        for axes, x in zip(sides, ("step", "seconds"), strict=True):
            places = [getattr(point, x) for point in shown]
            axes.plot(places, [point.validation for point in shown], color=color, marker="o", markersize=3, label=name)
            axes.plot(places, [point.training for point in shown], color=color, linestyle="--", linewidth=1)
    for axes, label in zip(sides, ("step", "seconds of processor time"), strict=True):
        axes.set_xlabel(label)
        axes.grid(color="#e5e7eb")
        axes.spines[["top", "right"]].set_visible(False)
    sides[0].set_ylabel("loss (nats per character)")
    sides[1].legend(frameon=False, title="solid: validation, dashed: training")
    figure.savefig(path, format=path.suffix[1:], metadata={"Date": None, "Creator": None})


def main() -> None:
    """Print both sides, and draw them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("text", type=Path)
    options.add_argument("--options", default=RECIPE, help="of kgpt train --target torch")
    options.add_argument("--ours", type=Path, metavar="LOG", help="what this program printed")
    options.add_argument("--plain", type=Path, help="what benchmarks.plain_torch printed")
    options.add_argument("--plot", type=Path, help="a .svg")
    given = options.parse_args()
    print(f"on {machine_line()}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"kgpt train {given.text} --target torch {given.options}", flush=True)
    settings = settings_of(given.text, given.options)
    ours = read_ours(given.ours) if given.ours else run_ours(given.text, settings)
    best = min(ours, key=lambda point: point.validation)
    print(f"ours: best val {best.validation:.4f} at step {best.step}; {ours[-1].seconds:.1f} s in all")
    curves = {f"kgpt, {settings.block}, lr {settings.lr:g}, {settings.n_steps} steps": ours}
    if given.plain:
        plain = read_plain(given.plain)
        peer = min(plain, key=lambda point: point.validation)
        passed = next((point for point in ours if point.validation < peer.validation), None)
        print(f"plain: best val {peer.validation:.4f} at step {peer.step}; {plain[-1].seconds:.1f} s in all")
        print(f"time of ours over that of the plain loop: {ours[-1].seconds / plain[-1].seconds:.3f}")
        if passed:
            print(f"ours is below the plain loop's best from step {passed.step} on, after {passed.seconds:.1f} s")
        curves = {f"plain loop, lr 3e-4, {plain[-1].step} steps": plain, **curves}
    if given.plot:
        draw(given.plot, curves)


if __name__ == "__main__":
    main()
