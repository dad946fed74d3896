"""What goes into an image: kernels, which are built here, language models as they are; and what its menu offers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kgpt_build import models
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.headers import Corpus
from kgpt_build.image.menu import Entry, MenuModule
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.settings import Progress
from kgpt_build.kernel.sources import file_sha256
from kgpt_build.models import NO_MODEL, GgufModel, Model, NoModel
from kgpt_build.models.catalog import pulled

MAX_MODEL = (1 << 32) - (256 << 20)
"""A boot module lies below 4 GiB, where firmware, devices and the kernel want some room too."""
MAX_MODELS = 16  # KG_MAX_MODELS
TRAIN_KERNEL = "/kgpt/train.elf"
LM_KERNEL = "/kgpt/lm.elf"
_MB = 1_000_000
_MAX_SLUG = 32
_RESERVED = {"train", "lm", "safe", "selftest"}


@dataclass(frozen=True)
class Item:
    """A file of the image: where, its bytes or the file that has them, their SHA-256 (hex) and size."""

    path: str
    source: Path | bytes
    sha256: str
    size: int
    role: str
    about: str = ""


@dataclass(frozen=True)
class Contents:
    """All that is wanted in an image, and what can be booted of it."""

    items: tuple[Item, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Wanted:
    """``models`` in the menu's order; ``corpus`` is what is trained on."""

    models: tuple[Model | GgufModel, ...]
    corpus: Corpus
    toolchain: str
    chat_template: str | None = None


def gather(wanted: Wanted, progress: Progress) -> Contents:
    """Build the kernels and check the models. Raises KgptError, ToolMissing."""
    items: list[Item] = []
    entries: list[Entry] = []
    taken: set[str] = set()
    for model in wanted.models:
        name = _slug(model.name, taken)
        if isinstance(model, Model):
            kernel = _kernel(f"/kgpt/{name}.elf", model, wanted, progress)
            items.append(kernel)
            entries += _microgpt_entries(name, model, kernel)
        else:
            brought = list(_lm_items(name, model, wanted.chat_template, progress))
            items += brought
            entries += _lm_entries(name, model, brought)
    tests = []
    if any(isinstance(model, Model) for model in wanted.models):
        items.append(_kernel(TRAIN_KERNEL, None, wanted, progress, corpus=wanted.corpus))
        title = f"Train a new model: {wanted.corpus.source}"
        entries.append(Entry("train", title, TRAIN_KERNEL, ("mode=train",)))
        tests.append(Entry("selftest", "Self-test", TRAIN_KERNEL, ("mode=selftest",)))
    if any(isinstance(model, GgufModel) for model in wanted.models):
        items.append(_kernel(LM_KERNEL, NO_MODEL, wanted, progress))
        tests.append(Entry("selftest-lm", "Self-test: language models", LM_KERNEL, ("mode=selftest",)))
    return Contents(tuple(items), (*entries, *tests))


def load_models(names: Sequence[Path | None]) -> tuple[Model | GgufModel, ...]:
    """The models in these files, None being the one that ships; none twice. Raises KgptError, UsageError."""
    if len(names) > MAX_MODELS:
        raise UsageError(f"{len(names)} models are too many for an image", f"give at most {MAX_MODELS}")
    found: dict[str, Model | GgufModel] = {}
    for name in names:
        model = models.load(name)
        if model.sha256 in found:
            raise UsageError(f"the model {name} is given twice", "name each model once")
        found[model.sha256] = model
    return tuple(found.values())


def _kernel(
    path: str,
    model: Model | NoModel | None,
    wanted: Wanted,
    progress: Progress,
    *,
    corpus: Corpus | None = None,
) -> Item:
    """A kernel that holds ``model`` (None: the default one)."""
    file = build_cached(model, toolchain=wanted.toolchain, corpus=corpus, progress=progress)
    return Item(path, file, file_sha256(file), file.stat().st_size, "kernel", _about(model, corpus))


def _about(model: Model | NoModel | None, corpus: Corpus | None) -> str:
    if corpus is not None:
        return f"trains on {corpus.source}"
    return model.name if isinstance(model, Model) else "any language model"


def _microgpt_entries(name: str, model: Model, kernel: Item) -> Iterator[Entry]:
    for mode in ("generate", "shell"):
        yield Entry(f"{name}-{mode}", f"{model.name}: {mode}", kernel.path, (f"mode={mode}",))


def _lm_items(name: str, model: GgufModel, template: str | None, progress: Progress) -> Iterator[Item]:
    """The file as it is, and its chat template if it has one."""
    if model.size > MAX_MODEL:
        raise KgptError(
            f"{model.path} has {model.size / _MB:,.0f} MB: a boot module may have {MAX_MODEL / _MB:,.0f} MB",
            "use a smaller model, or one whose weights are quantised to fewer bits",
        )
    progress.stage(f"model {model.name}: {model.arch}, {model.n_parameters:,} parameters, {model.size / _MB:,.0f} MB")
    digest = file_sha256(model.path)
    _check_catalog(model.path, digest)
    yield Item(f"/models/{name}.gguf", model.path, digest, model.size, "model", model.name)
    if chat := model.chat_blob(template):
        digest = hashlib.sha256(chat).hexdigest()
        yield Item(f"/models/{name}.kgct", chat, digest, len(chat), "chat template", model.name)


def _check_catalog(path: Path, digest: str) -> None:
    """Refuse a pulled model that is no longer what was pulled. Raises KgptError."""
    for known in pulled():
        if known.path.resolve() == path.resolve() and known.sha256 != digest:
            raise KgptError(
                f"{path} is damaged: its SHA-256 is {digest}, but that of {known.name} is {known.sha256}",
                f"get it again: kgpt models --remove {known.name}, then kgpt pull {known.name}",
            )


def _lm_entries(name: str, model: GgufModel, brought: Sequence[Item]) -> Iterator[Entry]:
    modules = tuple(MenuModule(item.path, (Path(item.path).name, f"sha256={item.sha256}")) for item in brought)
    note = f"Loading {model.name}, {model.size / _MB:,.0f} MB: a slow medium takes a while."
    chats = len(brought) > 1
    for mode in ("chat", "generate", "shell") if chats else ("generate", "shell"):
        yield Entry(f"{name}-{mode}", f"{model.name}: {mode}", LM_KERNEL, (f"mode={mode}",), modules, note)


def _slug(name: str, taken: set[str]) -> str:
    """A name for files and entries, which is not in ``taken`` and goes there."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_MAX_SLUG].strip("-") or "model"
    slug, number = plain, 2
    while slug in taken or slug in _RESERVED:
        slug, number = f"{plain}-{number}", number + 1
    taken.add(slug)
    return slug
