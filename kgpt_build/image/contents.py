"""Collects the files of an image (kernels built here, language models, texts) and the entries of its menu."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kgpt_build import models
from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.boot_modules import DRAFT, FILE, BootModule, Text, check_modules
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.file_hash import sha256_of
from kgpt_build.headers import Corpus, LmBlob
from kgpt_build.image.fs.volumes import Slice, Source, pieces_of
from kgpt_build.image.menu import Entry, MenuModule, efi_path
from kgpt_build.kernel.build import build_cached, prefill_file
from kgpt_build.kernel.efi import NAME as EFI_NAME
from kgpt_build.kernel.settings import Progress
from kgpt_build.models import NO_MODEL, GgufModel, Model, NoModel
from kgpt_build.models.catalog import SHIPPED, pulled
from kgpt_build.models.gguf.vocab import check_same
from kgpt_build.models.model import clean_name
from kgpt_build.settings import SERVE_SLOTS, quoted
from kgpt_build.sizes import file_text
from kgpt_build.words import counted

MAX_MODEL = (1 << 32) - (256 << 20)
"""A boot module lies below 4 GiB, together with firmware, devices and the kernel."""
PART = (1 << 32) - (1 << 20)
"""Bytes of the parts in which a stick holds a larger file: FAT32 has no files of 4 GiB."""
MAX_MODELS = 16  # KG_MAX_MODELS
EFI_KERNEL = "UEFI kernel"
"""The role of a kgpt.efi."""
TRAIN_KERNEL = "/kgpt/train.elf"
LM_KERNEL = "/kgpt/lm.elf"
_MAX_SLUG = 32
_RESERVED = {"train", "lm", "safe", "selftest", DRAFT}  # of entries and kernels that are no model's


@dataclass(frozen=True)
class Item:
    """A file of the image: its path, its bytes or the file with them, their SHA-256 (hex) and size."""

    path: str
    source: Source
    sha256: str
    size: int
    role: str
    about: str = ""


@dataclass(frozen=True)
class Named:
    """A model, and its label in the menu."""

    label: str
    model: Model | GgufModel


@dataclass(frozen=True)
class Wanted:
    """What the user wants in an image: ``models`` in the menu's order; ``corpus``: the text for trainings."""

    models: tuple[Named, ...]
    corpus: Corpus
    toolchain: str
    chat_template: str | None = None
    files: tuple[Text, ...] = ()
    """Text files for /read in chats."""
    draft: GgufModel | None = None
    """A model that drafts tokens for each language model."""
    prefill: str | None = None
    """The system prompt that is computed for each language model (BuildSettings.prefill)."""
    large: bool = False
    """May models be larger than GRUB can load? kgpt.efi loads them."""
    draft_slug: str = DRAFT
    """The name of the draft model's file in the image, without the ending."""
    arch: Arch = DEFAULT


@dataclass(frozen=True)
class KernelPlan:
    """A kernel to build: its path in the image, and the model in it (None: the model that ships)."""

    path: str
    model: Model | NoModel | None
    corpus: Corpus | None = None

    @property
    def about(self) -> str:
        """The purpose of the kernel, for the manifest."""
        if self.corpus is not None:
            return f"trains on {_corpus_name(self.corpus)}"
        return self.model.name if isinstance(self.model, Model) else "any language model"

    @property
    def is_small(self) -> bool:
        """A kernel with only a microgpt, which has drivers (of USB keyboards, for one) only if asked for."""
        return self.corpus is None and not isinstance(self.model, NoModel)


@dataclass(frozen=True)
class Contents:
    """The plan of an image: files that exist, kernels to build, and the menu entries that boot them."""

    items: tuple[Item, ...]
    kernels: tuple[KernelPlan, ...]
    entries: tuple[Entry, ...]


def load_models(names: Sequence[Path | None]) -> tuple[Named, ...]:
    """The models in these files; None is the model that ships. Raises UsageError for a model that is named twice.

    Raises KgptError for a file that is no model.
    """
    if len(names) > MAX_MODELS:
        raise UsageError(f"{counted(len(names), 'model')} are too many for an image", f"give at most {MAX_MODELS}")
    found: dict[str, Named] = {}
    for name in names:
        model = models.load(name)
        if model.sha256 in found:
            raise UsageError(f"the model {name or SHIPPED} is given twice", "name each model once")
        found[model.sha256] = Named(_label(name), model)
    return tuple(found.values())


def gather(
    wanted: Wanted, progress: Progress, *, any_lm: bool = False, taken: Iterable[str] = (), cmdline: str = ""
) -> Contents:
    """Check the models and plan their files and entries. Labels in ``taken`` are not used again.

    ``any_lm``: plan a kernel for language models even without one. ``cmdline``: words of every entry. Raises KgptError.
    """
    items: list[Item] = []
    kernels: list[KernelPlan] = []
    entries: list[Entry] = []
    names = {*taken, wanted.draft_slug}
    files = (*_draft_items(wanted, progress), *_file_items(wanted.files))
    for named in wanted.models:
        slug = _slug(named.label, names)
        if isinstance(named.model, Model):
            kernels.append(KernelPlan(f"/kgpt/{slug}.elf", named.model))
            entries += _microgpt_entries(slug, named.label, kernels[-1].path)
        else:
            brought = list(_lm_items(slug, named, wanted, cmdline, progress))
            items += [part for item in brought for part in parts_of(item)]
            entries += _lm_entries(slug, named, brought, files)
    kinds = {type(named.model) for named in wanted.models}
    if wanted.prefill is not None and GgufModel not in kinds:
        raise UsageError("a prefill is for the chats of a language model, and the image gets none", "leave it out")
    if files and GgufModel not in kinds:
        what = "a draft model is for" if wanted.draft else "files are for the chat of"
        option = "--draft" if wanted.draft else "--file"
        raise UsageError(f"{what} a language model, and the image gets none", f"leave out {option}")
    items += files
    tests = []
    if Model in kinds:
        kernels.append(KernelPlan(TRAIN_KERNEL, None, wanted.corpus))
        entries.append(
            Entry(
                "train",
                f"Train a new model on {_corpus_name(wanted.corpus)}",
                TRAIN_KERNEL,
                ("mode=train",),
                of_model=False,
            )
        )
        tests.append(Entry("selftest", "Self-test", TRAIN_KERNEL, ("mode=selftest",), of_model=False))
    if GgufModel in kinds or any_lm:
        kernels.append(KernelPlan(LM_KERNEL, NO_MODEL))
    if GgufModel in kinds:
        tests.append(
            Entry("selftest-lm", "Self-test of language models", LM_KERNEL, ("mode=selftest",), of_model=False)
        )
    by_bios = wanted.arch.has_bios
    return Contents(
        tuple(items),
        tuple(kernels),
        tuple(replace(entry, bios=entry.bios and by_bios) for entry in (*entries, *tests)),
    )


def parts_of(item: Item) -> Iterator[Item]:
    """The item, or its parts if a FAT file system cannot hold it in one file."""
    if item.size <= PART or not isinstance(item.source, Path):
        yield item
        return
    for number, offset in enumerate(range(0, item.size, PART), 1):
        part = Slice(item.source, offset, min(PART, item.size - offset))
        digest = hashlib.sha256()
        for piece in pieces_of(part):
            digest.update(piece)
        yield replace(item, path=f"{item.path}.{number}", source=part, sha256=digest.hexdigest(), size=part.size)


def built(plans: Sequence[KernelPlan], wanted: Wanted, progress: Progress, *, efi: bool = False) -> tuple[Item, ...]:
    """The kernels of the plan for ``wanted``, built or from the cache; ``efi``: for UEFI too.

    Raises KgptError, ToolMissing.
    """
    items = []
    for plan in plans:
        file = build_cached(
            plan.model,
            toolchain=wanted.toolchain,
            arch=wanted.arch,
            corpus=plan.corpus,
            drivers=plan.is_small,
            with_efi=efi,
            progress=progress,
        )
        if efi:
            program, place = file.with_name(EFI_NAME), efi_path(plan.path)
            items.append(Item(place, program, sha256_of(program), program.stat().st_size, EFI_KERNEL, plan.about))
        items.append(Item(plan.path, file, sha256_of(file), file.stat().st_size, "kernel", plan.about))
    return tuple(items)


def _corpus_name(corpus: Corpus) -> str:
    return clean_name(corpus.path.name) if corpus.path else "first names"


def _label(name: Path | None) -> str:
    """The name of a pulled model, else the name of its file."""
    if name is None:
        return SHIPPED
    known = next((model.name for model in pulled() if model.path.resolve() == name.resolve()), None)
    return known or clean_name(models.stem_of(name))


def _microgpt_entries(slug: str, label: str, kernel: str) -> Iterator[Entry]:
    for mode in ("generate", "shell"):
        yield Entry(f"{slug}-{mode}", f"{label}: {mode}", kernel, (f"mode={mode}",))


def _lm_items(slug: str, named: Named, wanted: Wanted, cmdline: str, progress: Progress) -> Iterator[Item]:
    """The items of a language model: its file, its chat template if it has one, and its prefill if that is wanted."""
    model = named.model
    assert isinstance(model, GgufModel)
    yield _model_item(slug, named, progress, large=wanted.large)
    if chat := model.chat_blob(wanted.chat_template):
        digest = hashlib.sha256(chat).hexdigest()
        yield Item(f"/models/{slug}.kgct", chat, digest, len(chat), "chat template", model.name)
    if wanted.prefill is not None:
        path = prefill_file(LmBlob(model, chat), wanted.prefill, cmdline, wanted.toolchain, progress)
        yield Item(f"/models/{slug}.kgpf", path, sha256_of(path), path.stat().st_size, "prefill", model.name)


def _model_item(slug: str, named: Named, progress: Progress, *, large: bool = False) -> Item:
    """The file of a language model."""
    model = named.model
    assert isinstance(model, GgufModel)
    if model.size > MAX_MODEL and not large:
        raise KgptError(
            f"{model.path} has {file_text(model.size)}: a boot module may have {file_text(MAX_MODEL)}",
            "use a smaller model, or one whose weights are quantised to fewer bits",
        )
    progress.stage(f"model {named.label}: {model.arch}, {model.n_parameters:,} parameters, {file_text(model.size)}")
    digest = sha256_of(model.path)
    _check_catalog(model.path, digest)
    return Item(f"/models/{slug}.gguf", model.path, digest, model.size, "model", model.name)


def _check_catalog(path: Path, digest: str) -> None:
    """Raise KgptError if the file of a pulled model has changed since."""
    for known in pulled():
        if known.path.resolve() == path.resolve() and known.sha256 != digest:
            raise KgptError(
                f"{path} is damaged: its SHA-256 is {digest}, but that of {known.name} is {known.sha256}",
                f"get it again: kgpt models --remove {known.name}, then kgpt pull {known.name}",
            )


def _draft_items(wanted: Wanted, progress: Progress) -> Iterator[Item]:
    """The draft model, with the vocabulary of all language models. Raises KgptError."""
    draft = wanted.draft
    if draft is None:
        return
    for named in wanted.models:
        if isinstance(named.model, GgufModel):
            check_same(named.model.vocabulary, draft.vocabulary)
    yield replace(_model_item(wanted.draft_slug, Named("that drafts", draft), progress), role=DRAFT)


def _file_items(files: Sequence[Text]) -> Iterator[Item]:
    for text in files:
        digest = hashlib.sha256(text.data).hexdigest()
        yield Item(f"/files/{text.name}", text.path or text.data, digest, len(text.data), FILE, text.name)


def _lm_entries(slug: str, named: Named, brought: Sequence[Item], files: Sequence[Item]) -> Iterator[Entry]:
    modules = tuple(_module(item) for item in (*brought, *files))
    check_modules([BootModule(Path(module.path), module.words) for module in modules])
    note = f"Loading {named.label}, {file_text(brought[0].size)}: a slow medium takes a while."
    bios = sum(item.size for item in brought) <= MAX_MODEL
    chats = len(brought) > 1
    for mode in ("chat", "generate", "shell") if chats else ("generate", "shell"):
        words = (f"mode={mode}", f"modules={len(modules)}")
        yield Entry(f"{slug}-{mode}", f"{named.label}: {mode}", LM_KERNEL, words, modules, note, bios)
    # A server has no use for texts of /read, for the drafts of one reply, or for how a chat begins.
    served = tuple(_module(item) for item in brought if item.role in ("model", "chat template"))
    alias = f"alias={quoted(named.label)}"  # what clients call the model is what the menu calls it
    serves = ("mode=serve", f"slots={SERVE_SLOTS}", alias, f"modules={len(served)}")
    yield Entry(f"{slug}-serve", f"{named.label}: serve (API)", LM_KERNEL, serves, served, note, bios)


def _module(item: Item) -> MenuModule:
    words = (f"kind={item.role}",) if item.role in (DRAFT, FILE) else ()
    parts = -(-item.size // PART)
    if parts > 1:
        words = (*words, f"parts={parts}")
    return MenuModule(item.path, (Path(item.path).name, *words, f"sha256={item.sha256}"))


def _slug(label: str, taken: set[str]) -> str:
    """A label for files and entries that is not in ``taken``; it is added there."""
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:_MAX_SLUG].strip("-") or "model"
    slug, number = plain, 2
    while slug in taken or slug in _RESERVED:
        slug, number = f"{plain}-{number}", number + 1
    taken.add(slug)
    return slug
