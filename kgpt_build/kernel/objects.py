"""A cache of object files that all builds share. The key is a hash of everything that decides an object's bytes.

A cached object begins with a SHA-256 of its key and content. A damaged object is compiled again. Builds also work
without the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.kernel.settings import Progress

_FORMAT = 1
_KEPT = 8192
_KEPT_BYTES = 256 << 20
_DIGEST_SIZE = hashlib.sha256().digest_size
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|(\S))', re.MULTILINE)
_GIVEN = re.compile(r"(?:^| )-include (\S+)")
_EMBEDDED = re.compile(rb"\.inc(?:bin|lude)|^[ \t]*#[ \t]*embed", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One compilation by make: ``flags`` do not depend on this machine's folders."""

    flags: str
    folders: tuple[Path, ...]
    """The folders where the compiler looks for headers, in this order."""
    source: Path
    """The source file, relative to the root of the sources."""
    target: Path


@dataclass(frozen=True)
class Key:
    """The key of an object: ``name`` is the hash in hex, ``files`` are the files whose content is in the hash."""

    name: str
    files: frozenset[Path]
    is_common: bool
    """The object includes no generated header: it is the same for every model."""

    def seal(self, data: bytes) -> bytes:
        """The digest that a cached object ``data`` of this key begins with."""
        return hashlib.sha256(self.name.encode() + data).digest()

    def covers(self, listed: Path) -> bool:
        """Are all files in the compiler's list of dependencies in the key? The working directory is the root."""
        try:
            _, _, words = listed.read_text().replace("\\\n", " ").partition("\n")[0].partition(": ")
        except OSError:
            return False
        return bool(words.split()) and {Path(os.path.normpath(word)) for word in words.split()} <= self.files


@dataclass(frozen=True)
class _Text:
    """A source file or header, as far as keys need it."""

    sha256: str
    quoted: tuple[str, ...]
    angled: tuple[str, ...]
    is_known: bool
    """False if the compiler may read other files than the includes name: .incbin, or an include by a macro."""


class Keys:
    """Computes keys: hashes of the compiler, the flags, the source, and every header that may be included."""

    def __init__(self, root: Path, headers: Path, compiler: str) -> None:
        """``root`` holds the sources, ``headers`` the generated headers; ``compiler`` identifies the compiler."""
        self._root = root
        self._headers = headers
        self._compiler = compiler
        self._texts: dict[Path, _Text] = {}
        self._found: dict[tuple[str, tuple[Path, ...]], Path | None] = {}

    def key(self, step: Step) -> Key | None:
        """The key of the object; None if the object may depend on files that cannot be found."""
        found: dict[Path, str] = {}
        given = (self._find(name, step.folders) for name in _GIVEN.findall(step.flags))
        waiting = [step.source, *(header for header in given if header)]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            text = self._text(path)
            if not text.is_known:
                return None
            found[path] = text.sha256
            wanted = [(name, (path.parent, *step.folders)) for name in text.quoted]
            wanted += [(name, step.folders) for name in text.angled]
            waiting += [header for name, folders in wanted if (header := self._find(name, folders))]
        content = sorted((self._name(path), sha256) for path, sha256 in found.items())
        parts = (_FORMAT, self._compiler, step.flags, self._name(step.source), content)
        is_common = not any(path.is_relative_to(self._headers) for path in found)
        return Key(hashlib.sha256(repr(parts).encode()).hexdigest(), frozenset(found), is_common)

    def _find(self, name: str, folders: tuple[Path, ...]) -> Path | None:
        """The header that ``name`` includes; None: a header of the compiler, or a missing one."""
        if (name, folders) not in self._found:
            in_order = (Path(os.path.normpath(folder / name)) for folder in folders)
            self._found[name, folders] = next((path for path in in_order if (self._root / path).is_file()), None)
        return self._found[name, folders]

    def _name(self, path: Path) -> str:
        return f"generated/{path.relative_to(self._headers)}" if path.is_relative_to(self._headers) else str(path)

    def _text(self, path: Path) -> _Text:
        if path not in self._texts:
            data = (self._root / path).read_bytes()
            includes = _INCLUDE.findall(data)
            self._texts[path] = _Text(
                hashlib.sha256(data).hexdigest(),
                tuple(os.fsdecode(quoted) for quoted, _, _ in includes if quoted),
                tuple(os.fsdecode(angled) for _, angled, _ in includes if angled),
                not _EMBEDDED.search(data) and not any(other for _, _, other in includes),
            )
        return self._texts[path]


class Objects:
    """The objects in the cache."""

    def __init__(self) -> None:
        self._folder = paths.cache_dir() / "objects"

    @cached_property
    def _is_writable(self) -> bool:
        try:
            paths.make_cache_dir(self._folder.name)
        except KgptError:
            return False
        return True

    @contextlib.contextmanager
    def locked(self, absent: Mapping[Step, Key], progress: Progress) -> Iterator[None]:
        """Lock out other builds that would compile the same files; no lock without a usable cache.

        Builds that need different files do not wait for each other.
        """
        common = sorted(key.name for key in absent.values() if key.is_common)
        with contextlib.ExitStack() as stack:
            if common and self._is_writable:
                number = hashlib.sha256("".join(common).encode()).digest()[0]
                with contextlib.suppress(KgptError):
                    place = paths.make_cache_dir(self._folder.name, "locks", f"{number:02x}")
                    wait = paths.locked(place, lambda: progress.stage("waiting for another build of the same files"))
                    stack.enter_context(wait)
            yield

    def take_all(self, wanted: Mapping[Step, Key]) -> dict[Step, Key]:
        """Copy the cached objects into the build; returns the steps whose objects are missing."""
        return {step: key for step, key in wanted.items() if not self.take(key, step.target)}

    def put_all(self, made: Mapping[Step, Key]) -> None:
        """Cache the objects of these steps, and remove objects that were not used for long."""
        for step, key in made.items():
            if step.target.is_file():
                self.put(key, step.target)
        if made and self._is_writable:
            with contextlib.suppress(OSError):
                paths.prune(list(self._folder.glob("??/*")), most=_KEPT, most_bytes=_KEPT_BYTES)

    def take(self, key: Key, target: Path) -> bool:
        """Write the object of this key to ``target``; False if it is missing or damaged."""
        path = self._path(key)
        try:
            kept = path.read_bytes()
        except OSError:
            return False
        digest, data = kept[:_DIGEST_SIZE], kept[_DIGEST_SIZE:]
        if key.seal(data) != digest:
            with contextlib.suppress(OSError):
                path.unlink()
            return False
        with paths.write_errors(str(target)):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.write_bytes(data)
            except BaseException:
                target.unlink(missing_ok=True)  # make would take a part of it for the object
                raise
        with contextlib.suppress(OSError):
            os.utime(path)
        return True

    def put(self, key: Key, source: Path) -> None:
        """Cache the object ``source`` under this key, unless the cache is full or read-only.

        An object is not cached if the compiler has read files that are not in its key.
        """
        if not (self._is_writable and key.covers(source.with_suffix(".d"))):
            return
        data = source.read_bytes()
        path = self._path(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(key.seal(data))
                    file.write(data)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def _path(self, key: Key) -> Path:
        return self._folder / key.name[:2] / key.name[2:]
