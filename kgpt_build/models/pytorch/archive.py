"""The zip file that torch.save writes: a pickle, and the bytes of each storage as a member of its own."""

from __future__ import annotations

import errno
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models.pytorch.unpickle import MOST_BYTES
from kgpt_build.words import counted

ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number 0x1950a86a20f9469cfc6c, pickled
_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_MOST_MEMBERS = 200_000
_SAVE_AGAIN = "load it with torch and save it again: torch.save(torch.load(PATH, weights_only=True), NEW)"
_COPY_AGAIN = "copy the file again"


def looks_like(source: Path, beginning: bytes) -> bool:
    """Is ``source`` something that torch.save wrote, or is called so?"""
    return source.suffix.lower() in (".pt", ".pth") or beginning.startswith((ZIP, _LEGACY, *_PICKLE))


class Archive:
    """The members of the file ``source``. Constructing it checks that it is such a zip; raises KgptError, OSError."""

    def __init__(self, source: Path) -> None:
        self.source = source
        with source.open("rb") as file:
            _require_zip(file.read(512))
        self.size = source.stat().st_size
        with _damage(), zipfile.ZipFile(source) as opened:
            self._members = _members(opened)
        self._folder = self._find_pickle()
        if (order := self._member("byteorder")) is not None and self._bytes(order, 64).strip() != b"little":
            raise KgptError("its numbers are big-endian", "save it again on a little-endian machine")

    def pickle(self) -> bytes:
        """The bytes of data.pkl."""
        member = self._members[f"{self._folder}data.pkl"]
        if member.file_size > MOST_BYTES:
            raise KgptError(
                f"data.pkl has {member.file_size:,} bytes, more than the {MOST_BYTES:,} that are read",
                "save the weights alone, with torch.save(model.state_dict(), PATH)",
            )
        return self._bytes(member, MOST_BYTES)

    def check_storage(self, key: str, size: int) -> None:
        """Require a member with the ``size`` bytes of the storage ``key``. Raises KgptError."""
        member = self._member(f"data/{key}")
        if member is None:
            raise KgptError(f"the data of the storage {key[:32]!r} is missing", _COPY_AGAIN)
        if member.file_size != size:
            raise KgptError(
                f"the storage {key[:32]!r} has {counted(member.file_size, 'byte')} for values of {size:,}", _COPY_AGAIN
            )

    def storage(self, key: str) -> bytes:
        """The bytes of the storage ``key``, which was checked. Raises KgptError, OSError."""
        member = self._members[f"{self._folder}data/{key}"]
        return self._bytes(member, member.file_size)

    def _find_pickle(self) -> str:
        """The folder of the members, with its slash."""
        found = [name for name in self._members if name == "data.pkl" or name.endswith("/data.pkl")]
        if any(name.endswith("constants.pkl") for name in self._members):
            raise KgptError(
                "it is a TorchScript program, not a file of weights", "save its weights: torch.save(model.state_dict())"
            )
        if len(found) != 1:
            raise KgptError(
                f"a zip file with {len(found)} members data.pkl: torch.save writes one", "give a checkpoint of PyTorch"
            )
        return found[0].removesuffix("data.pkl")

    def _member(self, name: str) -> zipfile.ZipInfo | None:
        return self._members.get(self._folder + name)

    def _bytes(self, member: zipfile.ZipInfo, most: int) -> bytes:
        with _damage(), zipfile.ZipFile(self.source) as opened, opened.open(member) as data:
            found = data.read(most + 1)
        if len(found) != member.file_size:
            raise KgptError(f"the member {member.filename[:64]!r} is truncated", _COPY_AGAIN)
        return found


def _require_zip(beginning: bytes) -> None:
    if beginning.startswith(ZIP):
        return
    if not beginning:
        raise KgptError("the file is empty", "give a checkpoint that torch.save wrote")
    if beginning.startswith(_LEGACY):
        raise KgptError("it is in the format that torch.save wrote before PyTorch 1.6, which is not read", _SAVE_AGAIN)
    if beginning[257:262] == b"ustar":
        raise KgptError("it is a tar file, the first format of torch.save, which is not read", _SAVE_AGAIN)
    if beginning.startswith(_PICKLE):
        raise KgptError("it is a plain pickle, not the zip file that torch.save writes", _SAVE_AGAIN)
    raise KgptError("it is not the zip file that torch.save writes", "give a checkpoint of PyTorch 1.6 or later")


def _members(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members by name; each is stored as it is, once."""
    infos = opened.infolist()
    if len(infos) > _MOST_MEMBERS:
        raise KgptError(f"a zip file of {len(infos):,} members, more than {_MOST_MEMBERS:,}", "give a checkpoint")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        shown = repr(info.filename[:64])
        if info.filename in found:
            raise KgptError(f"the member {shown} is there twice", _COPY_AGAIN)
        if info.flag_bits & 1:
            raise KgptError(f"the member {shown} is encrypted", _SAVE_AGAIN)
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise KgptError(f"the member {shown} is compressed, which torch.save never does", _SAVE_AGAIN)
        found[info.filename] = info
    return found


@contextmanager
def _damage() -> Iterator[None]:
    """Turn what zipfile raises for a damaged file into a KgptError."""
    try:
        yield
    except zipfile.BadZipFile as error:
        raise KgptError(f"truncated or damaged: {_first_line(error)}", _COPY_AGAIN) from None
    except (NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError, struct.error) as error:
        raise KgptError(f"a damaged zip file: {_first_line(error)}", _COPY_AGAIN) from None
    except OSError as error:
        if error.errno not in (errno.EINVAL, None):
            raise
        raise KgptError("a damaged zip file: an offset lies outside it", _COPY_AGAIN) from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
