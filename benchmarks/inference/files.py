"""The files that are measured: a pulled model in other types, and synthetic models, kept in FOLDER."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.inference import synthetic
from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models import GgufModel
from kgpt_build.models.catalog import resolve

FOLDER = Path(os.environ.get("KGPT_BENCH", Path(__file__).parents[2] / "build" / "bench"))


def load(name: str) -> GgufModel:
    """The model ``name``: a file, a pulled model, ``MODEL:TYPE`` for another type of it, or a synthetic one.

    ``MODEL:TYPE`` and synthetic models are written first, unless they lie in FOLDER. Raises KgptError.
    """
    if name in synthetic.NAMES:
        path = synthetic.path_of(name, FOLDER)
    else:
        source, _, kind = name.partition(":")
        path = _quantized(resolve(Path(source)), kind) if kind else resolve(Path(source))
    model = models.load(path)
    if not isinstance(model, GgufModel):
        raise KgptError(f"{name} is no language model", "benchmarks.training measures microgpts")
    return model


def _quantized(source: Path, kind: str) -> Path:
    path = FOLDER / f"{source.stem}-{kind}.gguf"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "kgpt_build", "quantize", str(source), kind, "-o", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KgptError(f"{source.name} cannot be written as {kind}: {done.stderr.strip()}", "see kgpt quantize")
    return path
