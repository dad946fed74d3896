"""Builds a kernel: generates headers, runs make, checks the result, writes the manifest. A failed build leaves none."""

from __future__ import annotations

import contextlib
import hashlib
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import kgpt_build
from kgpt_build import headers, models, paths, toolchain
from kgpt_build.arch import DEFAULT, Arch, of_host
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import combined, sha256_of
from kgpt_build.headers import Corpus, LmBlob
from kgpt_build.kernel import addresses, check, efi, manifest, sources
from kgpt_build.kernel.content import content_of
from kgpt_build.kernel.elf import read_elf
from kgpt_build.kernel.makefile import MakeRun
from kgpt_build.kernel.prefill import check_chats, compute_prefill
from kgpt_build.kernel.settings import TARGETS, BuildResult, BuildSettings, Progress, Silent
from kgpt_build.models import NO_MODEL, GgufModel, Model, NoModel
from kgpt_build.plain_names import plain_name
from kgpt_build.toolchain import Make, Toolchain

__all__ = ["BuildResult", "BuildSettings", "Progress", "build", "build_cached", "content_key"]

_CACHED_KERNELS = 16
_CACHED_BYTES = 2 << 30


@dataclass(frozen=True)
class _Inputs:
    """The inputs, all found before anything is written: afterwards only the compiler can fail."""

    content: Model | LmBlob
    model_path: Path | None
    tools: Toolchain
    root: Path
    versions: dict[str, str]

    @property
    def model(self) -> Model | GgufModel | NoModel:
        """The model in ``content``."""
        return self.content.model if isinstance(self.content, LmBlob) else self.content

    @property
    def is_lm(self) -> bool:
        """Is the kernel one for language models?"""
        return isinstance(self.content, LmBlob)


def build(settings: BuildSettings, progress: Progress | None = None) -> BuildResult:
    """Build into ``settings.out``.

    Bad settings, a bad model or a missing tool leave the folder as it is. The old kernel and manifest are removed
    before compiling, so a failed build leaves none. Raises KgptError, ToolMissing.
    """
    progress = progress or Silent()
    inputs = _inputs(settings, progress)
    out = _output_folder(settings)
    with _locked(out, progress):
        result = _build(replace(settings, out=out), inputs, progress)
        _generate(settings, inputs, out)
    return result


def build_cached(
    model: Path | Model | GgufModel | NoModel | None = None,
    *,
    toolchain: str = toolchain.DEFAULT,
    target: str = "bare",
    debug: bool = False,
    cmdline: str = "",
    sanitize: str = "",
    corpus: Corpus | None = None,
    chat_template: str | None = None,
    prefill: str | None = None,
    drivers: bool = False,
    with_efi: bool = False,
    arch: Arch = DEFAULT,
    progress: Progress | None = None,
) -> Path:
    """The kernel of these settings from the cache, or built into it. The key is a hash of all inputs.

    Raises KgptError, ToolMissing.
    """
    progress = progress or Silent()
    asked = BuildSettings(
        model,
        toolchain=toolchain,
        target=target,
        debug=debug,
        cmdline=cmdline,
        sanitize=sanitize,
        corpus=corpus,
        chat_template=chat_template,
        prefill=prefill,
        drivers=drivers,
        efi=with_efi,
        arch=arch,
    )
    inputs = _inputs(asked, progress)
    kept = paths.cache_dir() / "images"
    settings = replace(asked, out=kept / _key(asked, inputs))
    output = settings.out / TARGETS[target]
    if _is_whole(output):
        with contextlib.suppress(OSError):  # the cache is read-only
            os.utime(settings.out)
        return output
    with _locked(paths.make_cache_dir(kept.name, settings.out.name), progress):
        if not _is_whole(output):
            _build(settings, inputs, progress)
            paths.prune(
                [path for path in kept.iterdir() if path.is_dir()], most=_CACHED_KERNELS, most_bytes=_CACHED_BYTES
            )
    return output


def content_key(settings: BuildSettings) -> str:
    """A hash of all inputs that decide a kernel's bytes: sources, generator, tools, flags, model. Raises KgptError."""
    return _key(settings, _inputs(settings, Silent()))


def prefill_file(content: Model | LmBlob, system: str, cmdline: str, toolchain: str, progress: Progress) -> Path:
    """The file with the prefill of ``content``'s chats, which have the system prompt ``system``.

    It may be empty: the template's own. ``cmdline`` is that of the kernel. Raises UsageError, KgptError, ToolMissing.
    """
    content = check_chats(content)
    engine = build_cached(NO_MODEL, toolchain=toolchain, target="hosted", arch=of_host(), progress=progress)
    progress.stage(f"computing how every chat with {content.name} begins")
    return compute_prefill(content, system, cmdline, engine)


def prefilled(content: Model | LmBlob, system: str, cmdline: str, toolchain: str, progress: Progress) -> LmBlob:
    """``content`` with the prefill of prefill_file."""
    path = prefill_file(content, system, cmdline, toolchain, progress)
    return replace(check_chats(content), prefill=path.read_bytes())


def _inputs(settings: BuildSettings, progress: Progress) -> _Inputs:
    settings.validate()
    given = settings.model
    model = models.load(given) if given is None or isinstance(given, Path) else given
    tools = toolchain.get(settings.toolchain, settings.arch)
    versions = {**tools.versions(), "make": Make().version()}
    path = model.path if isinstance(model, GgufModel) else given if isinstance(given, Path) else None
    content = content_of(model, settings.chat_template, train=settings.corpus is not None)
    if settings.prefill is not None:
        content = prefilled(content, settings.prefill, settings.cmdline, settings.toolchain, progress)
    return _Inputs(content, path, tools, sources.root_for_make(), versions)


def _output_folder(settings: BuildSettings) -> Path:
    out = settings.out.absolute()
    if out.exists() and not out.is_dir():
        raise KgptError(f"{settings.out} is a file, not a folder", "choose another folder with -o")
    output = out / TARGETS[settings.target]
    if output.is_dir():
        raise KgptError(f"{output} is a folder: the kernel cannot be written there", "choose another folder with -o")
    return paths.make_dir(out)


def _build(settings: BuildSettings, inputs: _Inputs, progress: Progress) -> BuildResult:
    """Make the kernel and its manifest in ``settings.out``, which exists and is locked."""
    output = settings.out / TARGETS[settings.target]
    with paths.write_errors(f"to {settings.out}"):
        for stale in (settings.out / manifest.NAME, output, settings.out / efi.NAME):
            stale.unlink(missing_ok=True)
    progress.stage(_describe(inputs.model, trains=settings.corpus is not None))
    with sources.workshop(settings.out) as work:
        generated = _generate(settings, inputs, work)
        own = replace(settings, efi=settings.efi and _has_drivers(settings, inputs))
        run = MakeRun(own, inputs.tools, inputs.root, plain_name(work), inputs.versions, inputs.is_lm)
        linked, compiled = run.make(progress)
        memory_for = check.check_kernel if settings.target == "bare" else check.check_hosted
        memory_for(linked, inputs.content)
        if settings.efi:
            compiled += _make_efi(settings, inputs, run, linked, progress)
        paths.move_atomically(linked, output, mode=0o755)
        used = {
            "sources": sources.hashes(inputs.root),
            "headers": {path.name: models.cached_sha256(path) for path in generated},
        }
        flags = run.flags()
    model_path = _kept_model(settings, inputs)
    settings = _with_kept_corpus(settings)
    described = manifest.content(settings, inputs.model, model_path, output, used, inputs.versions, flags)
    written = manifest.write(settings.out, described)
    made = settings.out / efi.NAME if described["efi"] else None
    return BuildResult(output, written, described["output"]["size"], described["output"]["sha256"], compiled, made)


def _has_drivers(settings: BuildSettings, inputs: _Inputs) -> bool:
    return inputs.is_lm or settings.corpus is not None or settings.drivers


def _make_efi(
    settings: BuildSettings, inputs: _Inputs, run: MakeRun, linked: Path, progress: Progress
) -> tuple[str, ...]:
    """Write kgpt.efi, whose kernel has drivers; returns the source files that were compiled for it."""
    kernel = linked
    compiled: tuple[str, ...] = ()
    if not _has_drivers(settings, inputs):
        run = replace(run, settings=replace(settings, drivers=True), work=paths.make_dir(run.work / "drivers"))
        _generate(settings, inputs, run.work)
        kernel, compiled = run.make(progress)
    if kernel.stat().st_size > efi.MOST_BYTES:
        progress.stage(f"no {efi.NAME}: firmware loads files below 2 GiB; a model can be a file beside the kernel")
        return compiled
    elf, loader = check.check_kernel(kernel, inputs.content), read_elf(run.work / efi.LOADER)
    held = addresses.kernel_addresses(elf, run.work / addresses.FILE)
    made = efi.make_efi(elf, held, loader, settings.out / efi.NAME)
    paths.write_atomically(settings.out / efi.NAME, made)
    return compiled


def _describe(model: Model | GgufModel | NoModel, *, trains: bool) -> str:
    if isinstance(model, NoModel):
        return "no model: the engine for language models that the loader brings"
    before = "a kernel that can train; until then it has the " if trains else ""
    return f"{before}model {model.name}: {model.arch}, {model.n_parameters:,} parameters"


def _generate(settings: BuildSettings, inputs: _Inputs, folder: Path) -> list[Path]:
    return headers.generate(
        inputs.content,
        folder / "include",
        cmdline=settings.cmdline,
        version=kgpt_build.__version__,
        training=settings.corpus,
    )


def _kept_model(settings: BuildSettings, inputs: _Inputs) -> Path | None:
    """The model's file. A model in memory is saved first, so that the manifest can name a file."""
    if not isinstance(settings.model, Model):
        return inputs.model_path
    path = settings.out / "model.gguf"
    models.save_gguf(settings.model, path)
    return path


def _with_kept_corpus(settings: BuildSettings) -> BuildSettings:
    """The settings; a corpus in memory is saved to a file, so that the manifest can name it."""
    corpus = settings.corpus
    if corpus is None or corpus.path or not corpus.data:
        return settings
    path = settings.out / "corpus.txt"
    paths.write_atomically(path, corpus.data)
    return replace(settings, corpus=replace(corpus, path=path))


def _key(settings: BuildSettings, inputs: _Inputs) -> str:
    generator = Path(headers.__file__).parent
    parts = {
        "version": kgpt_build.__version__,
        "sources": combined(sources.hashes(inputs.root)),
        "generator": combined({path.name: sha256_of(path) for path in generator.glob("*.py")}),
        "tools": repr(sorted(inputs.versions.items())),
        "settings": repr((settings.variant, settings.cmdline)),
        "model": inputs.model.sha256,
        "name": inputs.model.name,
        "lm": repr(isinstance(inputs.content, LmBlob) and inputs.content.chat),
        "prefill": hashlib.sha256(inputs.content.prefill if isinstance(inputs.content, LmBlob) else b"").hexdigest(),
        "corpus": repr(settings.corpus and (settings.corpus.source, settings.corpus.sha256)),
    }
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:32]


def _is_whole(output: Path) -> bool:
    """Does ``output`` exist with the SHA-256 of its manifest, which is written last?"""
    try:
        described = manifest.read(output.parent)
        return bool(described["output"]["sha256"] == sha256_of(output))
    except (KgptError, OSError, KeyError, TypeError):
        return False


def _locked(folder: Path, progress: Progress) -> AbstractContextManager[None]:
    return paths.locked(folder, lambda: progress.stage(f"waiting for another build in {folder}"))
