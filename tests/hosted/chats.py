"""A chat with a model that says nothing sensible, but knows every byte, quickly and with a long context."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_tiny
from hosted import Hosted, Run
from shell_models import bpe_tokenizer, with_tokenizer
from terminal import Terminal
from tiny_lm import CHATML

from kgpt_build.chat import chat_blob

N_CTX = 16384
PROMPT = r"^> $"
PASTE, PASTED = "\x1b[200~", "\x1b[201~"
HERE = "\x1b[0n"
"""What a terminal answers that is asked whether it is there."""


def write_talker(folder: Path, *, n_ctx: int = N_CTX, words: Sequence[str] = (), template: str = "") -> Path:
    """Its GGUF file; the chat template lies beside it: ``template``, or ChatML's."""
    tokenizer = bpe_tokenizer(range(256), ["user", "assistant", "system", " line", " of", " the", " number", *words])
    tokenizer["tokenizer.chat_template"] = template or CHATML
    shape: dict[str, Any] = {"n_embd": 4, "n_layer": 1, "n_head": 2, "n_head_kv": 1, "n_ff": 3, "head_dim": 4}
    path = lm_tiny.write(
        folder / "talker.gguf",
        lm_tiny.TINY["llama"],
        n_vocab=len(tokenizer["tokenizer.ggml.tokens"]),
        fields={"context_length": n_ctx},
        **shape,
    )
    path.write_bytes(with_tokenizer(path.read_bytes(), tokenizer))
    blob = chat_blob(template, "", "") if template else chat_blob("", "", "", family="chatml")
    path.with_suffix(".kgct").write_bytes(blob.blob())
    return path


@dataclass(frozen=True)
class Talker:
    """A hosted program, and the model it is brought."""

    program: Hosted
    model: Path

    @property
    def modules(self) -> tuple[str, ...]:
        """Options of the program."""
        return ("--module", str(self.model), "--module", str(self.model.with_suffix(".kgct")))

    def says(self, typed: bytes, words: str = "") -> Run:
        """A chat over a pipe."""
        return self.program.run(f"max_tokens=3 cpus=1 stats=on ctx={N_CTX} {words}", typed, self.modules)

    @contextmanager
    def terminal(self, words: str = "", term: str = "xterm") -> Iterator[Terminal]:
        """A chat on a terminal."""
        argv = [str(self.program.path), "--cmdline", f"max_tokens=3 cpus=1 stats=on ctx={N_CTX} {words}", *self.modules]
        with Terminal(argv, {**os.environ, "TERM": term}, self.model.parent) as terminal:
            yield terminal


def replies(text: str) -> int:
    """How many there were, by what is said of their speed."""
    return text.count("kgpt: prompt ")


def asked(console: str) -> list[str]:
    """The messages, as /history shows them, the newest conversation's last."""
    turns = console.split("<|im_start|>user\n")[1:]
    return [turn.split("<|im_end|>\n<|im_start|>assistant")[0] for turn in turns]
