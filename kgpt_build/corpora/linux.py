"""The kernel source that Debian ships: found on this machine, in the cache, or downloaded with apt-get."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Protocol

from kgpt_build import paths, process
from kgpt_build.corpora.archives import files_in, packed
from kgpt_build.corpora.collect import File, in_order
from kgpt_build.corpora.trees import files_of
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.sizes import file_text
from kgpt_build.toolchain import AptCache, AptGet

DEFAULT_PART = "kernel/module"
LICENSE = "the kernel source is GPL-2.0 (some files GPL-2.0-or-later): so is a text that holds it"
_INSTALLED = Path("/usr/src")
_FOLDER = "corpora"  # in the cache
_META = "linux-source"  # the package that depends on the newest one
_ARCHIVE = re.compile(r"linux-source-[^/]+\.tar\.(?:xz|bz2|gz)")
_INNER = re.compile(rf"(?:\./)?usr/src/(?:[^/]+/)?{_ARCHIVE.pattern}")
_PACKAGE = re.compile(r"linux-source(?:-[a-z0-9.+-]+)?(?:=[A-Za-z0-9.+~:-]+)?")
_SHARED_UNIT = "kernel"


class Stages(Protocol):
    """Gets the stages of the work."""

    def stage(self, text: str) -> None:
        """A new stage begins."""


@dataclass(frozen=True)
class Source:
    """Files of a kernel source: ``name`` says which source and version."""

    name: str
    files: Sequence[File]


def linux_source(part: str, given: str, stages: Stages) -> Source:
    """The files of ``part`` of the kernel source, sorted.

    ``part`` is a path in the source; ``*`` in it stands for any name. ``given`` is a folder, an archive (.tar.xz,
    .deb), or a package, with ``=VERSION`` or without. Empty: an archive in /usr/src, else what the cache has, else
    the package that apt has. Raises KgptError, also if there are no such files; ToolMissing; UsageError.
    """
    parts = PurePosixPath(part).parts
    if not parts or ".." in parts or parts[0] == "/":
        raise UsageError(f"--part {part!r} names no part of the kernel source", f"such as --part {DEFAULT_PART}")
    source = _from(given, part, stages)
    if not source.files:
        raise KgptError(f"{source.name} has no files {part}", f"name a folder of it, such as --part {DEFAULT_PART}")
    by_name = {file.name: file for file in source.files}
    return Source(source.name, [by_name[name] for name in in_order(by_name)])


def _from(given: str, part: str, stages: Stages) -> Source:
    if _PACKAGE.fullmatch(given) and not Path(given).exists():
        return _of_package(given, part, stages)
    if given:
        return _of_path(Path(given), part, stages)
    if (installed := _installed()) is not None:
        return _of_path(installed, part, stages)
    if (cached := _cached(part)) is not None:
        return cached
    return _of_package(_META, part, stages)


def is_in(part: str, name: str) -> bool:
    """Is the file ``name`` in ``part``? Part by part; ``*`` matches within a name."""
    pattern, path = PurePosixPath(part).parts, PurePosixPath(name).parts
    return len(path) >= len(pattern) and all(map(fnmatchcase, path, pattern))


def _of_path(path: Path, part: str, stages: Stages) -> Source:
    if path.is_dir():
        return Source(str(path), list(_of_folder(path, part)))
    stages.stage(f"reading {path}")
    return Source(str(path), files_in(path, lambda name: is_in(part, name), _is_inner))


def _of_folder(folder: Path, part: str) -> Iterator[File]:
    for found in files_of(sorted(folder.glob(part))):
        yield File(str(Path(found.name).relative_to(folder)), found.data, found.skipped)


def _is_inner(name: str) -> bool:
    return _INNER.fullmatch(name) is not None


def _installed() -> Path | None:
    """The newest archive that an installed package brought."""
    found = [path for path in _INSTALLED.glob("**/linux-source-*.tar.*") if _ARCHIVE.fullmatch(path.name)]
    return max(found, key=lambda path: _numbers(path.name), default=None)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


# --- Packages ---


def _of_package(wanted: str, part: str, stages: Stages) -> Source:
    """``part`` of the package ``wanted`` (NAME or NAME=VERSION): from the cache if it is there, else downloaded."""
    name, _, version = wanted.partition("=")
    if version and (cached := _read_cached(name, version, part)) is not None:
        return cached
    if name == _META:
        name = _newest()
    version, size = _described(f"{name}={version}" if version else name)
    if (cached := _read_cached(name, version, part)) is not None:
        return cached
    unit = _unit(part)
    folder = paths.make_cache_dir(_FOLDER)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".get-") as temporary:
        stages.stage(f"downloading {name} {version} ({file_text(size)}) with apt-get")
        package = _download(f"{name}={version}", Path(temporary))
        stages.stage(f"reading {unit}/ in it")
        files = files_in(package, lambda path: is_in(unit, path), _is_inner)
    by_name = {file.name: file for file in files}
    data = packed((by_name[path] for path in in_order(by_name)), name)
    paths.write_atomically(_cache_file(name, version, unit), data, durable=False)
    return Source(f"{name} {version}", [file for file in files if is_in(part, file.name)])


def _newest() -> str:
    """The package of the newest source that this system's release has."""
    said = _ask_apt("depends", _META)
    found = re.findall(rf"^\s*\|?Depends: ({_META}-[\w.+-]+)", said, re.MULTILINE)
    if not found:
        raise KgptError(f"the package {_META} depends on no source", "name one: --source linux-source-VERSION")
    return str(max(found, key=_numbers))


def _described(wanted: str) -> tuple[str, int]:
    """Version and size (bytes) of the package that apt would download."""
    said = _ask_apt("show", "--no-all-versions", wanted)
    version, size = (re.search(rf"^{field}: (\S+)", said, re.MULTILINE) for field in ("Version", "Size"))
    if not version or not size or not size[1].isdecimal():
        raise KgptError(f"apt-cache describes {wanted} without version and size", "give the source with --source FILE")
    return version[1], int(size[1])


def _ask_apt(*words: str) -> str:
    try:
        return process.run([AptCache().require(), *words], env=_plain_language()).output
    except process.CommandFailed as error:
        raise KgptError(
            f"apt knows no package {words[-1]}", "as root: apt-get update; or give the source: --source FILE"
        ) from error


def _download(wanted: str, folder: Path) -> Path:
    try:
        process.run([AptGet().require(), "-q", "download", wanted], cwd=folder, env=_plain_language())
    except process.CommandFailed as error:
        raise KgptError(
            f"apt-get cannot download {wanted}",
            f"as root: apt-get update, if the list of packages is old; or give the source: --source FILE\n{error.hint}",
        ) from error
    found = list(folder.glob("*.deb"))
    if not found:
        raise KgptError(f"apt-get downloaded no package for {wanted}", "give the source: --source FILE")
    return found[0]


def _plain_language() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


# --- The cache ---


def _unit(part: str) -> str:
    """What is kept of a package for ``part``: all of kernel/, which is small, or the folders before a ``*``."""
    literal: list[str] = []
    for name in PurePosixPath(part).parts:
        if re.search(r"[*?\[]", name):
            break
        literal.append(name)
    if not literal:
        raise UsageError(f"--part {part!r} begins with a pattern", f"name a folder, such as --part {DEFAULT_PART}")
    return _SHARED_UNIT if literal[0] == _SHARED_UNIT else "/".join(literal)


def _cache_file(name: str, version: str, unit: str) -> Path:
    return paths.cache_dir() / _FOLDER / f"{name}_{version}_{unit.replace('/', '+')}.tar.xz"


def _cached(part: str) -> Source | None:
    """``part`` of the newest source that the cache has."""
    pattern = _cache_file(f"{_META}-*", "*", _unit(part)).name
    found = [path.name.split("_") for path in (paths.cache_dir() / _FOLDER).glob(pattern)]
    newest = max(found, key=lambda names: _numbers(names[1]), default=None)
    return _read_cached(newest[0], newest[1], part) if newest else None


def _read_cached(name: str, version: str, part: str) -> Source | None:
    """None if it is not there. A damaged file is removed, so that the package is downloaded again."""
    path = _cache_file(name, version, _unit(part))
    if not path.is_file():
        return None
    try:
        files = files_in(path, lambda member: is_in(part, member), _is_inner)
    except KgptError:
        path.unlink(missing_ok=True)
        return None
    return Source(f"{name} {version} (from the cache)", files)
