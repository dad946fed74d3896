"""The value in the place of a model, for a kernel whose language models come as boot modules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NoModel:
    """No model: the loader brings one as a boot module."""

    name: str = "none"
    arch: str = "none"
    sha256: str = "0" * 64
    n_parameters: int = 0


NO_MODEL = NoModel()
