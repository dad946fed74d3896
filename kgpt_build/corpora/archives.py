"""Reads files out of source archives as streams: a tar file, compressed or not, or one inside a Debian package."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from kgpt_build import process
from kgpt_build.corpora.collect import File
from kgpt_build.errors import KgptError
from kgpt_build.sizes import MIB
from kgpt_build.toolchain import DpkgDeb

_BLOCK = 512  # of a tar file
_CHUNK = 1 << 20
_MOST_BYTES = 1024 * MIB  # of the files that are taken
_DAMAGED = (tarfile.TarError, lzma.LZMAError, EOFError, zlib.error, ValueError)


def files_in(archive: Path, wanted: Callable[[str], bool], inner: Callable[[str], bool]) -> list[File]:
    """The regular files of ``archive`` whose name below its top folder is ``wanted``, by that name.

    A ``.deb`` holds the tar file to read: the first one that is ``inner``. Raises KgptError for a damaged archive, and
    for one without such a file; ToolMissing.
    """
    with _errors_of(archive):
        if _begins_with(archive, b"!<arch>\n"):
            return _files_in_package(archive, wanted, inner)
        with archive.open("rb") as file:
            return list(_files_in_tar(file, archive, wanted))


@contextmanager
def _errors_of(archive: Path) -> Iterator[None]:
    hint = "get it again"
    try:
        yield
    except process.CommandFailed as error:
        raise KgptError(f"{archive} is no whole Debian package: {error.message}", error.hint) from error
    except FileNotFoundError:
        raise KgptError(f"{archive}: no such file", "check the path") from None
    except _DAMAGED as error:
        raise KgptError(f"{archive} is damaged, or no archive of sources: {error}", hint) from error
    except OSError as error:  # bz2 and gzip have no exception of their own for damaged data
        raise KgptError(f"{archive} cannot be read: {error.strerror or error}", hint) from error


def _begins_with(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def _files_in_package(package: Path, wanted: Callable[[str], bool], inner: Callable[[str], bool]) -> list[File]:
    with closing(process.stream([DpkgDeb().require(), "--fsys-tarfile", package])) as pieces:
        # The outer tar file is read as a stream, so the inner one never lies on the disk.
        with tarfile.open(fileobj=io.BufferedReader(_Pieces(pieces), _CHUNK), mode="r|") as outer:
            for member in outer:
                if member.isreg() and inner(member.name):
                    file = outer.extractfile(member)
                    assert file is not None  # it is a regular file
                    return list(_files_in_tar(file, package, wanted))
        for _ in pieces:  # so that dpkg-deb ends, and its fault is named
            pass
    raise KgptError(f"{package} holds no kernel source (usr/src/linux-source-….tar.xz)", "give another package")


def _files_in_tar(file: IO[bytes], archive: Path, wanted: Callable[[str], bool]) -> Iterator[File]:
    whole = _Checked(_decompressed(file))
    size = 0
    with tarfile.open(fileobj=whole, mode="r|") as tar:
        for member in tar:
            name = member.name.removeprefix("./").partition("/")[2]
            if not member.isreg() or not wanted(name):
                continue
            size += member.size
            if size > _MOST_BYTES:
                raise KgptError(
                    f"{archive}: the files to take have more than {_MOST_BYTES // MIB} MB", "name a smaller --part"
                )
            content = tar.extractfile(member)
            assert content is not None  # it is a regular file
            yield File(name, content.read())
    whole.finish()


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    """``file`` without its compression. These classes refuse truncated data; the stream modes of tarfile do not."""
    assert isinstance(file, io.BufferedReader)
    start = file.peek(8)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    return file


class _Checked(io.BufferedIOBase):
    """A tar file that knows whether it ends as one: with zeros."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._last = b""

    def read(self, size: int | None = -1) -> bytes:
        """As any file does."""
        data = self._file.read(-1 if size is None else size)
        if data:
            self._last = (self._last + data)[-_BLOCK:]
        return data

    def finish(self) -> None:
        """Read to the end, which checks sums, and raise EOFError if the end is missing."""
        while self.read(_CHUNK):
            pass
        if self._last.strip(b"\0"):
            raise EOFError("its end is missing")


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``, or a part of it; 0 at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


def packed(files: Iterable[File], top: str) -> bytes:
    """A tar.xz of ``files`` below the folder ``top``; the same files give the same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            info = tarfile.TarInfo(f"{top}/{file.name}")
            info.size = len(file.data)
            tar.addfile(info, io.BytesIO(file.data))
    return lzma.compress(out.getvalue(), preset=0)
