"""Compiled files that all builds share: each lies in the cache under the hash of all that decides its bytes.

A kept object begins with a SHA-256 of its key and the rest. A damaged one is compiled again, and a cache that cannot be
used costs time only.
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
_EMBEDDED = re.compile(rb"\.inc(?:bin|lude)|^[ \t]*#[ \t]*embed", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One file that make compiles: ``flags`` in words that do not depend on this machine's folders."""

    flags: str
    folders: tuple[Path, ...]
    """Where the compiler looks for headers, in this order."""
    source: Path
    """Relative to the root of the sources, as all paths below it."""
    target: Path


@dataclass(frozen=True)
class Key:
    """What an object is kept under: ``name`` in hex, and the ``files`` whose content is in it."""

    name: str
    files: frozenset[Path]
    is_common: bool
    """Made of no generated header: the same for every model."""

    def seal(self, data: bytes) -> bytes:
        """What shows that ``data`` is whole, and this object's."""
        return hashlib.sha256(self.name.encode() + data).digest()

    def covers(self, listed: Path) -> bool:
        """Does the compiler's own list, a makefile of dependencies, name no other files? The root is our folder."""
        try:
            _, _, words = listed.read_text().replace("\\\n", " ").partition("\n")[0].partition(": ")
        except OSError:
            return False
        return bool(words.split()) and {Path(os.path.normpath(word)) for word in words.split()} <= self.files


@dataclass(frozen=True)
class _Text:
    """What matters of one source file or header."""

    sha256: str
    quoted: tuple[str, ...]
    angled: tuple[str, ...]
    is_known: bool
    """False if the compiler may read more than its includes name: .incbin, or a name that a macro makes."""


class Keys:
    """Finds keys: hashes of the compiler, the flags, the source, and every header that may be included."""

    def __init__(self, root: Path, headers: Path, compiler: str) -> None:
        """``root`` holds the sources, ``headers`` those generated; ``compiler`` names it with its version."""
        self._root = root
        self._headers = headers
        self._compiler = compiler
        self._texts: dict[Path, _Text] = {}
        self._found: dict[tuple[str, tuple[Path, ...]], Path | None] = {}

    def key(self, step: Step) -> Key | None:
        """The key of the object; None if that depends on more than can be seen."""
        found: dict[Path, str] = {}
        waiting = [step.source]
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
        """The header that the compiler takes for ``name``; None: one of its own, or one that is not there."""
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
        """Keep other builds from compiling the same files at the same time, where the cache can be used.

        Builds that lack other files, such as those of other sources, do not wait for each other.
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
        """Put the objects that are kept into their places; those that are not."""
        return {step: key for step, key in wanted.items() if not self.take(key, step.target)}

    def put_all(self, made: Mapping[Step, Key]) -> None:
        """Keep what was made of these, and let go of what was not used for long."""
        for step, key in made.items():
            if step.target.is_file():
                self.put(key, step.target)
        if made and self._is_writable:
            with contextlib.suppress(OSError):
                paths.prune(list(self._folder.glob("??/*")), most=_KEPT, most_bytes=_KEPT_BYTES)

    def take(self, key: Key, target: Path) -> bool:
        """Write the object of this key to ``target``; False if there is none, or a damaged one."""
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
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        with contextlib.suppress(OSError):
            os.utime(path)
        return True

    def put(self, key: Key, source: Path) -> None:
        """Keep the object ``source`` under this key; a cache that is full or read-only keeps nothing.

        An object whose compiler has read more files than the key knows is not kept either.
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
