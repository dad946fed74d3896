"""Measures the time of a clean build and of a build after a change of the model, and the size of the kernel."""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kgpt_build import models
from kgpt_build.kernel.build import build
from kgpt_build.kernel.inspect import inspect
from kgpt_build.kernel.settings import BuildResult, BuildSettings
from kgpt_build.models import Model


def other_model(seed: int) -> Model:
    """The default model with new random weights: the same shape, different bytes."""
    model = models.load_microgpt(None)
    random = np.random.default_rng(seed)
    tensors = {name: random.normal(0, 0.08, tensor.shape).astype(np.float32) for name, tensor in model.tensors.items()}
    return dataclasses.replace(model, name=f"other-{seed}", tensors=tensors)


def run(folder: Path, runs: int) -> Path:
    """Print the table; returns a kernel with the default model."""
    clean = [timed(lambda at=at: clean_build(folder / f"clean-{at}")) for at in range(runs)]  # type: ignore[misc]
    first = build(BuildSettings(out=folder / "image"))
    again = [timed(lambda at=at: build(BuildSettings(other_model(at), out=folder / f"{at}"))) for at in range(runs)]  # type: ignore[misc]
    unchanged = [timed(lambda: build(BuildSettings(other_model(runs - 1), out=folder / "image"))) for _ in range(runs)]
    build(BuildSettings(out=folder / "image"))
    found = inspect(first.output)
    print(f"build, clean, compiler's caches empty    median of {runs}: {statistics.median(clean):6.2f} s    aim < 10 s")
    print(f"build, another model, another folder     median of {runs}: {statistics.median(again):6.2f} s    aim < 2 s")
    print(f"build, nothing changed                   median of {runs}: {statistics.median(unchanged):6.2f} s")
    print(f"kernel text and rodata without the model              {found.kernel_size:8,} B   aim < 150,000 B")
    print(f"kernel.elf with its debugging information             {found.size:8,} B")
    return first.output


def clean_build(folder: Path) -> BuildResult:
    """Build without earlier objects, and without the compiler's cache."""
    with environment("KGPT_CACHE", str(folder / "cache")):
        return build(BuildSettings(out=folder / "image"))


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set the environment variable ``name`` to ``value`` within the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def timed(work: Callable[[], object]) -> float:
    """The wall time of ``work`` in seconds."""
    start = time.monotonic()
    work()
    return time.monotonic() - start
