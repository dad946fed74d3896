"""The settings of a build, its result, and the interface for its progress."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kgpt_build import toolchain
from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.errors import UsageError
from kgpt_build.headers import Corpus
from kgpt_build.media import KERNEL_NAME
from kgpt_build.models import GgufModel, Model, NoModel
from kgpt_build.settings import text_size

TARGETS = {"bare": KERNEL_NAME, "hosted": "kgpt-hosted"}
"""Target -> the name of the file that it makes."""


@dataclass(frozen=True)
class BuildSettings:
    """The settings of one build. ``model`` is a file, a loaded model, NO_MODEL, or None for the default model.

    ``sanitize`` is a list for -fsanitize=, such as ``address,undefined``. ``cmdline`` is built into the kernel. With
    ``corpus`` the kernel can train (mode=train) on this text; if the text is empty, on the loader's. ``chat_template``
    is a family of templates that replaces a language model's own, or "none". ``prefill`` is the system prompt that is
    computed now and begins every chat; empty: the template's own; None: nothing is computed. ``drivers``: a kernel with
    only a microgpt gets drivers of devices on a bus, such as USB keyboards; other kernels have them in any case.
    ``efi``: with kgpt.efi, whose kernel has drivers.
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
    prefill: str | None = None
    drivers: bool = False
    efi: bool = False
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
        self._validate_arch()
        if self.sanitize and self.target != "hosted":
            raise UsageError("a bare kernel has no runtime for sanitizers", "add --target hosted")
        if self.sanitize and self.toolchain == "zig":
            raise UsageError("zig comes without the sanitizers' runtimes", "add --toolchain clang or --toolchain gcc")
        text_size("the kernel's command line", self.cmdline)
        if any(ord(char) < 32 or ord(char) == 127 for char in self.cmdline):
            raise UsageError("the kernel's command line holds a control character", r'write \n inside "…" instead')

    def _validate_arch(self) -> None:
        arch = self.arch
        if self.target == "bare" and not arch.loaders:
            raise UsageError(f"kgpt builds no kernels for {arch.title} yet, only programs", "add --target hosted")
        if self.toolchain not in arch.toolchains:
            raise UsageError(
                f"{self.toolchain} does not build for {arch.title} here",
                f"choose --toolchain {' or '.join(arch.toolchains)}",
            )

    @property
    def lm(self) -> bool:
        """Does the build need the engine for language models though the model is none or a microgpt?"""
        model = self.model
        return isinstance(model, NoModel) or (isinstance(model, GgufModel) and model.arch == "microgpt")

    @property
    def variant(self) -> str:
        """A name for the settings that change all objects."""
        words = [self.arch.name, self.target, self.toolchain, "debug" if self.debug else "", *self.sanitize.split(",")]
        words += ["train"] if self.corpus is not None else []
        words += ["drivers"] if self.drivers else []
        words += ["efi"] if self.efi else []
        return "-".join(word for word in words if word)


@dataclass(frozen=True)
class BuildResult:
    """The result of a build; ``compiled`` names the source files that were compiled."""

    output: Path
    manifest: Path
    size: int
    sha256: str
    compiled: tuple[str, ...]
    efi: Path | None = None
    """kgpt.efi, if it was made."""


class Progress(Protocol):
    """Gets the progress of a build."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def compiling(self, source: str, done: int, total: int) -> None:
        """``source`` is being compiled, as number ``done`` of ``total``."""


class Silent:
    """Progress that is not shown."""

    def stage(self, text: str) -> None:
        """Not shown."""

    def compiling(self, source: str, done: int, total: int) -> None:
        """Not shown."""
