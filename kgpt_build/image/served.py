"""Makes a folder that a server gives to PCs without a disk: kgpt.efi, its menu, other kernels, models."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from kgpt_build import paths
from kgpt_build.errors import UsageError
from kgpt_build.image.contents import EFI_KERNEL, LM_KERNEL, gather
from kgpt_build.image.fs.volumes import Source, pieces_of
from kgpt_build.image.make import ImageSettings, efi_programs
from kgpt_build.image.menu import EFI_CONFIG, efi_menu, with_cmdline
from kgpt_build.kernel.efi import NAME as EFI_NAME
from kgpt_build.kernel.settings import Progress


@dataclass(frozen=True)
class Served:
    """What was written: paths below the folder, bytes of all files, entries of the menu."""

    files: tuple[str, ...]
    size: int
    entries: tuple[str, ...]


def make_served(settings: ImageSettings, progress: Progress, brother: Path | None = None) -> Served:
    """Write the folder ``settings.out``, which is new or empty.

    ``brother``: the folder for another architecture with the same models, which this one links to. Raises KgptError,
    ToolMissing, UsageError.
    """
    out = settings.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty folder", "name a new folder with -o")
    contents = gather(replace(settings.wanted, large=True), progress, any_lm=True, cmdline=settings.menu.cmdline)
    entries = with_cmdline(contents.entries, settings.menu.cmdline)
    kernels, program = efi_programs(contents, settings, progress)
    files: dict[str, Source] = {f"/{EFI_NAME}": program}
    files[EFI_CONFIG] = efi_menu(entries, settings.menu, LM_KERNEL).encode()
    files |= {item.path: item.source for item in kernels if item.role == EFI_KERNEL}
    shared = {item.path: item.source for item in contents.items}
    files |= {} if brother else shared
    progress.stage(f"writing {out}")
    with paths.write_errors(str(out)):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=out.absolute().parent, prefix=".kgpt-image."))
        try:
            size = _write(files, work)
            if brother:
                _link(shared, work, out, brother)
            work.chmod(0o755)
            work.replace(out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return Served((*files, *(shared if brother else ())), size, tuple(entry.id for entry in entries))


def _write(files: dict[str, Source], folder: Path) -> int:
    """Write the files below ``folder``; returns their bytes."""
    size = 0
    for path, source in files.items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            for piece in pieces_of(source):
                size += file.write(piece)
    return size


def _link(paths_in: Iterable[str], work: Path, out: Path, brother: Path) -> None:
    """Give ``work``, which becomes ``out``, links to files of ``brother``."""
    for path in paths_in:
        name = path.lstrip("/")
        place = work / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(brother / name, (out / name).parent))
