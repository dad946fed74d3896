"""Finds or builds the kernel or image that the user means."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from kgpt_build.arch import DEFAULT, Arch, of_host, of_name
from kgpt_build.cli.shared.options import MODEL_HERE, imported_first, model_or_here
from kgpt_build.cli.shared.progress import shown_progress
from kgpt_build.errors import KgptError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kgpt_build.headers import Corpus
    from kgpt_build.models import GgufModel, Model, NoModel

BUILD_FOLDER = Path("build")
_BEGINS = ("prefill", "cmdline")
Check: TypeAlias = "Callable[[Model | GgufModel | NoModel], None]"


@dataclasses.dataclass(frozen=True)
class Beginning:
    """How the chats of a kernel that is built shall begin: BuildSettings.prefill, and its built-in command line."""

    system: str
    cmdline: str


def boot_file_for(
    named: Path | None,
    *,
    default: bool = False,
    target: str = "bare",
    check: Check | None = None,
    begins: Beginning | None = None,
    efi: bool = False,
    drivers: bool = False,
    arch: Arch | None = None,
) -> Path:
    """The kernel or image to boot, or with the ``target`` hosted the program to run.

    A named kernel or image is itself. For a named model the kernel comes from the cache, and is built if it is not
    there. Without a name it is the kernel in ``./build``, if today's model, sources and tools would build the same one,
    else a cached build of the manifest's settings; without ``./build`` a build of options.model_or_here. ``default``
    asks for the default model, whatever is here. ``check`` may refuse a model before its kernel is built. ``begins`` is
    for a kernel that is built. ``efi``: one that is built gets kgpt.efi, and the drivers of its kernel. ``drivers``:
    it gets the drivers alone. ``arch``: the architecture of one that is built; None: of_host(). Raises KgptError.
    """
    from kgpt_build.kernel import manifest
    from kgpt_build.models.catalog import is_shipped, resolve

    more: dict[str, Any] = {"prefill": begins.system, "cmdline": begins.cmdline} if begins else {}
    if drivers or efi:
        more["drivers"] = True
    if efi:
        more["with_efi"] = True
    more |= _arch_words(arch or of_host())
    if default:
        return _checked(model_or_here(named, default=True), check, target=target, **more)
    if named is not None and is_shipped(named):
        return _checked(None, check, target=target, **more)
    if named is not None:
        named = resolve(named)
        if not _is_boot_file(named):
            return _checked(imported_first(named), check, target=target, **more)
        if begins:
            raise UsageError(f"{named} is built already", "build another one: kgpt build MODEL --system TEXT --prefill")
        require_arch(named, arch)
        return _of_target(named, target)
    if (BUILD_FOLDER / manifest.NAME).is_file():
        return _kernel_here(BUILD_FOLDER, check, target, more, arch)
    return _checked(model_or_here(None, default=False), check, target=target, **more)


def arch_meant(named: Path | None, default: bool, asked: Arch | None) -> Arch:
    """The architecture of the machine that is to run: that of the file, else ``asked``, else of_host().

    Raises UsageError if the file is for another one than ``asked``.
    """
    from kgpt_build.kernel import manifest

    if named is not None:
        return require_arch(named, asked) or asked or of_host()
    if asked is None and not default and (BUILD_FOLDER / manifest.NAME).is_file():
        return of_name(manifest.read(BUILD_FOLDER).get("arch", DEFAULT.name))
    return asked or of_host()


def require_arch(path: Path, asked: Arch | None) -> Arch | None:
    """The architecture of a kernel, program or image; None: the file is none of ours, or is not there.

    Raises UsageError if it is another one than ``asked``.
    """
    from kgpt_build.media import arch_of_file, medium_of

    try:
        own = arch_of_file(path)
        if own is None and path.is_file() and medium_of(path) != "kernel":
            from kgpt_build.image.inspect import arch_of_image

            own = arch_of_image(path)
    except OSError:
        return None
    if own and asked and own is not asked:
        raise UsageError(f"{path} is for {own.title}, not for {asked.title}", "leave out --arch, or build it again")
    return own


def runs_hosted(named: Path | None, *, default: bool) -> bool:
    """Does the user mean a program for Linux? The file, or the manifest in ``./build``, says it. Raises KgptError."""
    from kgpt_build.cli.shared.hosted import is_hosted
    from kgpt_build.kernel import manifest

    if named is not None or default:
        return named is not None and is_hosted(named)
    return (BUILD_FOLDER / manifest.NAME).is_file() and manifest.read(BUILD_FOLDER)["target"] == "hosted"


def _of_target(path: Path, target: str) -> Path:
    from kgpt_build.cli.shared.hosted import is_hosted

    if is_hosted(path) != (target == "hosted"):
        if target == "hosted":
            raise UsageError(f"{path} is a kernel or an image, not a program for Linux", "leave out --target hosted")
        raise UsageError(f"{path} is a program for Linux, not a kernel", "kgpt run and kgpt smoke run it as it is")
    return path


def _arch_words(arch: Arch) -> dict[str, Any]:
    """The arguments of build_cached for an architecture."""
    return {} if arch is DEFAULT else {"arch": arch}


def kernel_without_model(target: str = "bare", *, efi: bool = False, arch: Arch | None = None) -> Path:
    """A kernel for language models that come as boot modules; ``efi``: with its kgpt.efi."""
    from kgpt_build.models import NO_MODEL

    more: dict[str, Any] = {"with_efi": True} if efi else {}
    more |= _arch_words(arch or of_host())
    return _build(NO_MODEL, target=target, **more)


def _is_boot_file(path: Path) -> bool:
    from kgpt_build.media import is_elf, medium_of

    if path.is_dir():
        return False
    try:
        return is_elf(path) or medium_of(path) != "kernel"
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "give a kernel, an image, or a model") from error


def _kernel_here(folder: Path, check: Check | None, target: str, more: dict[str, Any], arch: Arch | None) -> Path:
    from kgpt_build.kernel import manifest

    described = manifest.read(folder)
    if described["model"]["file"] is None and not described.get("lm") and MODEL_HERE.exists():
        click.echo(
            f"kgpt: {folder} was made of the default model, not of {MODEL_HERE} (kgpt build takes that)", err=True
        )
    output = folder / str(described["output"]["file"])
    own = of_name(described.get("arch", DEFAULT.name))
    wanted = arch or own
    asked = {k: more[k] for k in more if k in _BEGINS}
    if target == "bare" and not described.get("efi"):
        asked = {k: more[k] for k in more if k != "arch"}
    more = {k: more[k] for k in more if k != "arch"} | _arch_words(wanted)
    if described["target"] == target and wanted is own and not asked and _is_fresh(described, output):
        return output
    settings = {key: described.get(key) for key in ("toolchain", "debug", "cmdline", "chat_template", "prefill")}
    if described.get("drivers"):
        settings["drivers"] = True
    settings |= {key: more[key] for key in more if key not in _BEGINS}
    if "prefill" in more:
        settings["prefill"], settings["cmdline"] = more["prefill"], f"{settings['cmdline']} {more['cmdline']}".strip()
    if target == "hosted":
        settings["sanitize"] = described.get("sanitize", "")
    return _checked(_model(described), check, corpus=_corpus(described), target=target, **settings)


def _is_fresh(described: dict[str, Any], output: Path) -> bool:
    """Would a build with today's model, sources and tools give the same ``output``? The manifest says it."""
    from kgpt_build import toolchain
    from kgpt_build.file_hash import sha256_of
    from kgpt_build.kernel import sources
    from kgpt_build.toolchain import Make

    tools = toolchain.get(described["toolchain"], of_name(described.get("arch", DEFAULT.name)))
    return (
        output.is_file()
        and described["output"]["sha256"] == sha256_of(output)
        and described["inputs"]["sources"] == sources.hashes(sources.root_for_make())
        and described["model"]["sha256"] == _loaded(_model(described)).sha256
        and _has_fresh_corpus(described)
        and described["tools"] == {**tools.versions(), "make": Make().version()}
    )


def _has_fresh_corpus(described: dict[str, Any]) -> bool:
    corpus = _corpus(described)
    return corpus is None or bool(described["corpus"]["sha256"] == corpus.sha256)


def _corpus(described: dict[str, Any]) -> Corpus | None:
    """The corpus of the kernel, read again from its file. None: the kernel cannot train."""
    from kgpt_build.headers import BROUGHT
    from kgpt_build.training.corpus import read_corpus

    kept = described.get("corpus")
    if kept is None:
        return None
    if kept["file"] is None:
        return BROUGHT
    return dataclasses.replace(read_corpus(Path(kept["file"])).embedded(), source=kept["source"])


def _model(described: dict[str, Any]) -> Path | GgufModel | NoModel | None:
    """The model to build again."""
    from kgpt_build.models import NO_MODEL, load_lm

    name = described["model"]["file"]
    if described.get("lm"):
        return load_lm(Path(name)) if name else NO_MODEL
    return Path(name) if name else None


def _loaded(model: Path | GgufModel | NoModel | None) -> Model | GgufModel | NoModel:
    from kgpt_build.models import load

    return load(model) if model is None or isinstance(model, Path) else model


def _checked(model: Path | GgufModel | NoModel | None, check: Check | None, **settings: Any) -> Path:
    """The kernel of ``model``, after ``check`` has accepted the model."""
    if check is not None:
        check(_loaded(model))
    return _build(model, **settings)


def _build(model: Path | GgufModel | NoModel | None, **settings: Any) -> Path:
    from kgpt_build.kernel.build import build_cached

    with shown_progress() as progress:
        return build_cached(model, progress=progress, **settings)
