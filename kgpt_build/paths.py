"""The folder of the C sources, the cache, and atomic writes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.plain_names import private_folder

SOURCE_FOLDERS = ("kernel_c", "boot", "linker")
"""The folders with the sources of a kernel; pyproject.toml ships the same three in the wheel."""

_IN_USE_SECONDS = 3600


def source_root() -> Path:
    """The folder that holds ``kernel_c``, ``boot`` and ``linker``: inside an installed package, or the checkout.

    The package's own copy comes first: beside an installed package, a folder ``boot`` may belong to something else.
    Raises KgptError if neither is complete.
    """
    package = Path(__file__).resolve().parent
    for root in (package / "_source", package.parent):
        if all((root / name).is_dir() for name in SOURCE_FOLDERS):
            return root
    raise KgptError(
        f"the kernel's sources ({', '.join(SOURCE_FOLDERS)}) are not in {package / '_source'}, nor beside {package}",
        "install kgpt again: pip install --force-reinstall kgpt, or pip install -e . in a checkout",
    )


def cache_dir() -> Path:
    """The cache folder: ``KGPT_CACHE``, else ``$XDG_CACHE_HOME/kgpt``, else ``~/.cache/kgpt``. It is not created.

    A relative XDG_CACHE_HOME is ignored, as the XDG specification demands. Raises KgptError for a folder where another
    user could place kernels that kgpt would run.
    """
    folder = _cache_place()
    _check_trust(folder)
    return folder


def _cache_place() -> Path:
    if own := os.environ.get("KGPT_CACHE"):
        return Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(xdg) if xdg.startswith("/") else _home() / ".cache"
    return base / "kgpt"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # no HOME, and no entry in the password file
        return private_folder()


def _check_trust(folder: Path) -> None:
    """Raise KgptError if another user than root can write to ``folder``, or owns it or a folder above it.

    Root may use a folder of another user (sudo keeps HOME on some systems), unless everybody could have created it.
    """
    ours = {os.geteuid(), 0}
    hint = "set KGPT_CACHE to a folder of your own"
    for place in (folder, *folder.parents):
        try:
            owners = {place.lstat().st_uid, place.stat().st_uid}
            is_open = bool(place.parent.stat().st_mode & stat.S_IWOTH)
        except OSError:  # it does not exist yet, or creating it will report the fault
            continue
        if owners - ours and (is_open or (place == folder and os.geteuid() != 0)):
            raise KgptError(f"the cache {folder} cannot be trusted: {place} belongs to another user", hint)
    if folder.is_dir() and folder.stat().st_mode & stat.S_IWOTH:
        raise KgptError(f"the cache {folder} cannot be trusted: every user may write to it", f"chmod o-w, or {hint}")


@contextmanager
def write_errors(what: str) -> Iterator[None]:
    """Turn an OSError from writing ``what`` into a KgptError with a hint."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.EACCES: "choose another place with -o, or change the permissions",
            errno.EPERM: "choose another place with -o, or change the permissions",
            errno.EROFS: "the file system is read-only: choose another place with -o",
            errno.ENOSPC: "the disk is full: make room, or choose another place with -o",
            errno.EDQUOT: "your disk quota is used up: make room, or choose another place with -o",
            errno.ENOENT: "make the folder first, or choose another place",
            errno.ENOTDIR: "a part of the path is a file: choose another place with -o",
            errno.EEXIST: "a file is in the way: remove it, or choose another place with -o",
            errno.EISDIR: "a folder is in the way: choose another name with -o",
        }
        reason = error.strerror or str(error)
        raise KgptError(f"cannot write {what}: {reason}", hints.get(error.errno or 0, "")) from error


def check_place(path: Path) -> None:
    """Check before long work that a file can be written at ``path``. Raises KgptError."""
    with write_errors(str(path)):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass


def make_cache_dir(*parts: str) -> Path:
    """Create a folder in the cache, and test that it is writable. Raises KgptError."""
    try:
        return make_dir(cache_dir().joinpath(*parts))
    except KgptError as error:
        raise KgptError(
            f"the cache cannot be used: {error.message}", "set KGPT_CACHE to a folder you can write to"
        ) from error


def make_dir(path: Path) -> Path:
    """Create the folder ``path`` with its parents, and test that it is writable; returns its absolute path.

    Raises KgptError if it cannot be created, is a file, or is not writable.
    """
    with write_errors(f"to {path}"):
        path.mkdir(parents=True, exist_ok=True)
        # Write a file: root passes every permission check, and a read-only mount fails only on writing.
        with tempfile.TemporaryFile(dir=path):
            pass
    return path.absolute()


@contextmanager
def locked(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Lock ``folder``; if another process holds the lock, call ``on_wait`` and wait. Raises KgptError."""
    with write_errors(f"to {folder}"):
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def prune(entries: Sequence[Path], *, most: int, most_bytes: int) -> None:
    """Remove the least recently used of these files and folders, until their number and size are within the limits.

    Entries used within the last hour stay: a process that has their path may still open them. Another process may
    remove entries at the same time.
    """
    now, size = time.time(), 0
    present = [(path, used) for path in entries if (used := _mtime(path)) is not None]
    for count, (path, used) in enumerate(sorted(present, key=lambda entry: -entry[1]), 1):
        size += _size_of(path)
        if (count > most or size > most_bytes) and used < now - _IN_USE_SECONDS:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _mtime(path: Path) -> float | None:
    """The time of the last change in seconds; None if there is no such file or folder."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _size_of(path: Path) -> int:
    """The bytes of a file, or of all files of a folder; those that vanish meanwhile do not count."""
    size = 0
    for folder, _, names in os.walk(path) if path.is_dir() else [(str(path.parent), [], [path.name])]:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += Path(folder, name).stat().st_size
    return size


def move_atomically(source: Path, path: Path, mode: int = 0o644) -> None:
    """Move the file ``source`` to ``path``, atomically like write_atomically; copies only if necessary.

    Raises KgptError.
    """
    target = Path(os.path.realpath(path))
    with write_errors(str(path)):
        source.chmod(mode)
        try:
            if not target.exists() or target.is_file():
                with source.open("rb") as file:
                    os.fsync(file.fileno())
                source.replace(target)
                _sync_folder(target.parent)
                return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    write_atomically(path, source.read_bytes(), mode)
    source.unlink()


def write_atomically(path: Path, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old bytes or the new, never a part.

    ``durable``: also after a power cut; slow, and not needed for files that are checked before use. A symlink is
    followed: its target is replaced, not the link. Raises KgptError.
    """
    write_pieces_atomically(path, [data], mode, durable=durable)


def write_pieces_atomically(path: Path, pieces: Iterable[bytes], mode: int = 0o644, *, durable: bool = True) -> None:
    """Like write_atomically, for bytes in pieces."""
    with replaced_atomically(path, mode, durable=durable) as temporary, temporary.open("wb") as file:
        for piece in pieces:
            file.write(piece)


@contextmanager
def replaced_atomically(path: Path, mode: int = 0o644, *, durable: bool = True) -> Iterator[Path]:
    """Give the path of an empty file to write to; it takes the place of ``path`` at the end, as write_atomically says.

    If an exception ends it, ``path`` stays as it was. Raises KgptError.
    """
    target = Path(os.path.realpath(path))
    with write_errors(str(path)):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # Renaming onto a device such as /dev/null would replace it.
        if target.exists() and not target.is_file():
            raise OSError(errno.EINVAL, "it is neither a file nor free")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".kgpt-")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(mode)
            if durable:
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())  # else the new name may reach the disk before the bytes do
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Flush the entries of ``folder`` to the disk, if its file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
