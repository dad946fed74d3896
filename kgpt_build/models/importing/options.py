"""What a user may say about a source besides its path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImportOptions:
    """``name``: the model's, instead of the source's own; ``tokenizer``: the file of its tokenizer or characters."""

    name: str = ""
    tokenizer: Path | None = None
