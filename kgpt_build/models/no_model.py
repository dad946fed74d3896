"""What stands for a model in a kernel of the language-model engine that is given its models by the loader."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NoModel:
    """No model: the loader brings one, as a boot module."""

    name: str = "none"
    arch: str = "none"
    sha256: str = "0" * 64
    n_parameters: int = 0


NO_MODEL = NoModel()
