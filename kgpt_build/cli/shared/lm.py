"""Language models for commands: which kernels take them, and the boot modules that bring them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kgpt_build.boot_modules import DRAFT, BootModule
from kgpt_build.cli.shared.options import imported_first
from kgpt_build.errors import UsageError

if TYPE_CHECKING:
    from kgpt_build.models import GgufModel, Model, NoModel


def is_language_model(kernel: Path) -> bool:
    """Is ``kernel`` a kernel for language models, with or without a model in it? Raises KgptError if it is damaged."""
    from kgpt_build.headers.blob import read_blob
    from kgpt_build.kernel.elf import read_elf

    blob = read_elf(kernel).model_bytes()
    return blob is not None and read_blob(blob).is_lm


def load_brought(name: Path) -> GgufModel:
    """Load the model of a boot module from its file or its pulled name. Raises KgptError."""
    from kgpt_build.models import load_lm
    from kgpt_build.models.catalog import resolve

    return load_lm(imported_first(resolve(name)))


def modules_of(models: Sequence[GgufModel], prefill: str | None = None, cmdline: str = "") -> tuple[BootModule, ...]:
    """The boot modules of these models: for each its file, then its chat template if it has one, then its prefill.

    ``prefill`` is the system prompt to compute, empty for the template's own, None for no prefill; ``cmdline`` is that
    of the run.
    """
    from kgpt_build.paths import make_cache_dir, write_atomically

    modules: list[BootModule] = []
    for model in models:
        # A prefill is compared with the hash of its model: then the kernel computes it in any case.
        modules.append(BootModule(model.path, () if prefill is None else (f"sha256={model.sha256}",)))
        if blob := model.chat_blob():
            path = make_cache_dir("chat") / f"{model.sha256}.kgct"
            write_atomically(path, blob)
            modules.append(BootModule(path))
        if prefill is not None:
            modules.append(BootModule(_prefill_of(model, blob, prefill, cmdline)))
    return tuple(modules)


def _prefill_of(model: GgufModel, chat: bytes, system: str, cmdline: str) -> Path:
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.headers import LmBlob
    from kgpt_build.kernel.build import prefill_file
    from kgpt_build.toolchain import DEFAULT

    with shown_progress() as progress:
        return prefill_file(LmBlob(model, chat), system, cmdline, DEFAULT, progress)


@dataclass(frozen=True)
class Draft:
    """The model of ``--draft``, or None without one."""

    model: GgufModel | None

    def check(self, model: Model | GgufModel | NoModel) -> None:
        """Refuse a draft for ``model`` if their vocabularies differ. The kernel refuses what is not known here.

        Raises KgptError, UsageError.
        """
        from kgpt_build.models import GgufModel, Model
        from kgpt_build.models.gguf.vocab import check_same

        if self.model is None:
            return
        if isinstance(model, Model):
            raise UsageError(f"--draft is for language models, and {model.name} is a microgpt", "leave it out")
        if isinstance(model, GgufModel):
            check_same(model.vocabulary, self.model.vocabulary)

    @property
    def modules(self) -> tuple[BootModule, ...]:
        """Its boot module."""
        return () if self.model is None else (BootModule(self.model.path, (f"kind={DRAFT}",)),)
