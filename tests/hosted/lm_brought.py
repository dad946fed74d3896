"""Runs of the hosted program with a tiny language model that is brought to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hosted import Hosted, Run
from tiny_lm import write_lm

from kgpt_build import models


class Brought:
    """A model of random weights that says a, b, c, ab and abc, with the template ChatML."""

    def __init__(
        self, program: Hosted, folder: Path, *, n_ctx: int = 256, fields: Mapping[str, Any] | None = None
    ) -> None:
        self._program = program
        self.path = write_lm(folder / "tiny.gguf", fields={"llama.context_length": n_ctx, **(fields or {})}, kind="F16")
        chat = folder / "tiny.kgct"
        chat.write_bytes(models.load_lm(self.path).chat_blob())
        self._modules = ("--module", str(self.path), "--module", str(chat))

    def run(self, words: str, *lines: str) -> Run:
        """With ``lines`` typed."""
        return self._program.run(words, "".join(f"{line}\n" for line in lines).encode(), self._modules)
