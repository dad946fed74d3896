"""Which self-tests an image has: those of the sources that kernel.mk compiles into it."""

from __future__ import annotations

import re
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "kernel_c"


def _listed(variable: str) -> set[str]:
    """The files of the variables of kernel.mk whose names match."""
    text = (SOURCES / "kernel.mk").read_text().replace("\\\n", " ")
    return {
        word for values in re.findall(rf"^(?:{variable}) :?\+?= (.*)$", text, re.MULTILINE) for word in values.split()
    }


def _names(paths: list[Path]) -> list[str]:
    return sorted(
        f"{suite}.{name}"
        for path in paths
        for suite, name in re.findall(r"^KG_TEST\((\w+), (\w+)\)", path.read_text(), re.MULTILINE)
    )


_ALL = sorted(SOURCES.rglob("*_test.c"))
_TRAIN = [path for path in _ALL if str(path.relative_to(SOURCES)) in _listed("TRAIN_ENGINE")]
_LARGER = [path for path in _ALL if str(path.relative_to(SOURCES)) in _listed("MORE_TESTS|ENGINE_MODULES")]
_LM = [path for path in _ALL if str(path.relative_to(SOURCES)) in _listed(r"LM_\w+")]

DEFAULT = _names([path for path in _ALL if path not in _TRAIN + _LARGER + _LM])
"""Of every image."""
TRAINING = sorted(DEFAULT + _names(_LARGER + _TRAIN))
"""Of an image that can train."""
LANGUAGE_MODELS = _names(_LARGER + _LM)
"""What an image for language models has besides DEFAULT."""
