"""What a build is asked for, what it gives back, and how it tells how far it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kgpt_build import toolchain
from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.errors import UsageError
from kgpt_build.headers import Corpus
from kgpt_build.models import GgufModel, Model, NoModel
from kgpt_build.settings import text_size

TARGETS = {"bare": "kernel.elf", "hosted": "kgpt-hosted"}
"""Target -> the file that it makes."""


@dataclass(frozen=True)
class BuildSettings:
    """One build. ``model`` is a file, a model that is loaded, NO_MODEL, or None for the default model.

    ``sanitize`` is a list for -fsanitize=, such as ``address,undefined``; ``cmdline`` is built into the kernel; with
    ``corpus`` it can also train (mode=train): on that text, or with an empty one on what the loader brings.
    ``chat_template`` is a family of templates in the place of a language model's own, or "none".
    """

    model: Path | Model | GgufModel | NoModel | None = None
    out: Path = Path("build")
    toolchain: str = toolchain.DEFAULT
    target: str = "bare"
    debug: bool = False
    cmdline: str = ""
    sanitize: str = ""
    corpus: Corpus | None = None
    chat_template: str | None = None
    arch: Arch = DEFAULT
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)

    def validate(self) -> None:
        """Raise UsageError for a combination that cannot be built."""
        if self.target not in TARGETS:
            raise UsageError(f"there is no target {self.target!r}", f"choose one of: {', '.join(TARGETS)}")
        if self.toolchain not in toolchain.NAMES:
            raise UsageError(
                f"there is no toolchain {self.toolchain!r}", f"choose one of: {', '.join(toolchain.NAMES)}"
            )
        if self.sanitize and self.target != "hosted":
            raise UsageError("a bare kernel has no runtime for sanitizers", "add --target hosted")
        if self.sanitize and self.toolchain == "zig":
            raise UsageError("zig comes without the sanitizers' runtimes", "add --toolchain clang or --toolchain gcc")
        text_size("the kernel's command line", self.cmdline)
        if any(ord(char) < 32 or ord(char) == 127 for char in self.cmdline):
            raise UsageError("the kernel's command line holds a control character", r'write \n inside "…" instead')

    @property
    def lm(self) -> bool:
        """Is it asked for what only the engine for language models does, of no model or of a microgpt?"""
        model = self.model
        return isinstance(model, NoModel) or (isinstance(model, GgufModel) and model.arch == "microgpt")

    @property
    def variant(self) -> str:
        """The folder for objects that nothing but these settings can share."""
        words = [self.arch.name, self.target, self.toolchain, "debug" if self.debug else "", *self.sanitize.split(",")]
        words += ["train"] if self.corpus is not None else []
        return "-".join(word for word in words if word)


@dataclass(frozen=True)
class BuildResult:
    """What a build has made; ``compiled`` names the source files that had to be compiled."""

    output: Path
    manifest: Path
    size: int
    sha256: str
    compiled: tuple[str, ...]


class Progress(Protocol):
    """Hears how far a build is."""

    def stage(self, text: str) -> None:
        """Something new begins."""

    def compiling(self, source: str, done: int, total: int) -> None:
        """``source`` is being compiled: the ``done``-th of ``total``."""


class Silent:
    """Nobody listens."""

    def stage(self, text: str) -> None:
        """Not shown."""

    def compiling(self, source: str, done: int, total: int) -> None:
        """Not shown."""
