"""The files a kernel is made of, as make can use them, and their hashes."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from kgpt_build import paths
from kgpt_build.errors import KgptError

# make splits at white space, and some characters mean something to it, to the shell, or to -ffile-prefix-map=OLD=NEW.
_SAFE = re.compile(r"[\w./+@-]+")


def safe_for_make(path: Path) -> bool:
    """Can ``path`` stand in a makefile as it is?"""
    return _SAFE.fullmatch(str(path)) is not None


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(root: Path) -> dict[str, str]:
    """Path relative to ``root`` -> SHA-256, of every file a kernel may be made of."""
    files = sorted(path for name in paths.SOURCE_FOLDERS for path in (root / name).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): file_sha256(path) for path in files}


def combined(digests: dict[str, str]) -> str:
    """One SHA-256 for many."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def folder_for_make(out: Path) -> Path:
    """Where objects for the output folder ``out`` are made: there, or in the cache if make cannot work with its path.

    Raises KgptError if neither will do.
    """
    if safe_for_make(out):
        return out
    folder = paths.make_cache_dir("elsewhere", hashlib.sha256(str(out).encode()).hexdigest()[:16])
    if not safe_for_make(folder):
        raise KgptError(
            f"make can work neither in {out} nor in {folder}: only letters, digits and . _ - + @ may be in a path",
            "choose another folder with -o, or set KGPT_CACHE to one",
        )
    return folder


def root_for_make() -> Path:
    """The folder of the sources; a copy in the cache where make could not work with its path. Raises KgptError."""
    root = paths.source_root()
    return root if safe_for_make(root) else _copy(root)


def _copy(root: Path) -> Path:
    folder = paths.make_cache_dir("sources")
    target = folder / combined(hashes(root))[:16]
    if not target.is_dir():
        with paths.write_errors(f"the sources to {target}"):
            temporary = Path(tempfile.mkdtemp(dir=folder))
            for name in paths.SOURCE_FOLDERS:
                shutil.copytree(root / name, temporary / name)
            try:
                temporary.rename(target)
            except OSError:  # another build was faster
                shutil.rmtree(temporary)
                if not target.is_dir():
                    raise
    return target
