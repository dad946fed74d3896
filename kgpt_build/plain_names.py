"""Paths for programs that interpret characters in names: make, compilers, QEMU.

make splits at white space. A shell, make and -ffile-prefix-map=OLD=NEW treat some characters specially. QEMU reads
options behind a comma, a protocol before a colon, and words for the kernel behind a space. Such programs get a plain
path: other paths are replaced by a link in a private folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from kgpt_build.errors import KgptError

_PLAIN = re.compile(r"[\w./+@][\w./+@-]*")
_HINT = "set TMPDIR to a folder of your own, with only letters, digits and . _ - + @ in its path"


def is_plain(path: Path) -> bool:
    """Does every program read ``path`` as a path?"""
    return _PLAIN.fullmatch(str(path)) is not None


def plain_name(path: Path) -> Path:
    """A plain path of ``path``: itself, its absolute path, or a new link to it, which stays.

    Raises KgptError.
    """
    target = path.absolute()
    for name in (path, target):
        if is_plain(name):
            return name
    digest = hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
    link = private_folder("links", digest) / (safe_name(target.name) or "root")
    try:
        with contextlib.suppress(OSError):
            if link.readlink() == target:
                return link
        # Rename over the link, which another process may be using: so it always exists.
        temporary = Path(tempfile.mkdtemp(dir=link.parent))
        (temporary / "link").symlink_to(target)
        (temporary / "link").replace(link)
        temporary.rmdir()
    except OSError as error:
        raise KgptError(f"cannot make a link to {target} in {link.parent}: {error.strerror}", _HINT) from error
    return link


def safe_name(name: str) -> str:
    """The last 64 characters of ``name``, with ``_`` for all but letters, digits and ``.-_+``.

    The result is one word for loaders, and plain for all programs.
    """
    return re.sub(r"[^\w.+-]", "_", name)[-64:]


def private_folder(*parts: str) -> Path:
    """A folder with a plain path, writable only by this user, in the system's folder for temporary files.

    Raises KgptError if there is no such place, or another user has taken its name.
    """
    roots = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    root = next((root for root in roots if is_plain(root) and os.access(root, os.W_OK | os.X_OK)), None)
    if root is None:
        raise KgptError(f"there is no folder for temporary files with a plain path: not {roots[0]}, nor /tmp", _HINT)
    top = root / f"kgpt-{os.getuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            top.mkdir(mode=0o700)
        status = top.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise KgptError(f"{top} is not a folder of yours that only you can write to", f"remove it, or {_HINT}")
        folder = top.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KgptError(f"cannot make the folder {top}: {error.strerror}", _HINT) from error
    return folder


def temporary_root() -> Path:
    """The system's folder for temporary files, or a private folder if its path is not plain. Raises KgptError."""
    root = Path(tempfile.gettempdir())
    return root if is_plain(root) else private_folder("tmp")
