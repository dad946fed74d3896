"""The source files of a kernel: their hashes, and a folder that make can use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import combined, sha256_of
from kgpt_build.plain_names import is_plain, private_folder


def hashes(root: Path) -> dict[str, str]:
    """Path relative to ``root`` -> SHA-256 of every source file."""
    files = sorted(path for name in paths.SOURCE_FOLDERS for path in (root / name).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): sha256_of(path) for path in files}


@contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """An empty folder for the objects of one build into ``out``, which is locked; removed at the end.

    It lies in ``out``, so that the kernel can be renamed instead of copied. Raises KgptError.
    """
    folder = out / ".work"
    shutil.rmtree(folder, ignore_errors=True)  # left by a build that was killed
    try:
        yield paths.make_dir(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def root_for_make() -> Path:
    """The folder of the sources, or a copy of it, whose real path is plain: make and compilers resolve links.

    Raises KgptError.
    """
    root = paths.source_root().resolve()
    return root if is_plain(root) else _copy(root)


def _copy(root: Path) -> Path:
    try:
        folder = paths.make_cache_dir("sources").resolve()
    except KgptError:
        folder = private_folder("sources")
    if not is_plain(folder):
        folder = private_folder("sources")
    target = folder / combined(hashes(root))[:16]
    if not target.is_dir():
        with paths.write_errors(f"the sources to {target}"):
            temporary = Path(tempfile.mkdtemp(dir=folder))
            for name in paths.SOURCE_FOLDERS:
                shutil.copytree(root / name, temporary / name)
            try:
                temporary.rename(target)
            except OSError:  # another build has made the copy
                shutil.rmtree(temporary)
                if not target.is_dir():
                    raise
    return target
