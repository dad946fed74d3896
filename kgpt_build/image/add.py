"""Adds models to a mounted stick of kgpt image usb. Existing files and entries do not change."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kgpt_build import paths
from kgpt_build.arch import DEFAULT, of_name
from kgpt_build.boot_modules import DRAFT
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.file_hash import sha256_of
from kgpt_build.image import manifest
from kgpt_build.image.contents import LM_KERNEL, Item, Wanted, built, gather
from kgpt_build.image.fs.volumes import pieces_of
from kgpt_build.image.menu import EFI_ENDING, STOPPED, Entry, efi_lines, entry_lines, with_cmdline
from kgpt_build.kernel.settings import Progress
from kgpt_build.models import GgufModel
from kgpt_build.sizes import file_text

MENU_FOLDER = "/models"
"""The folder where grub.cfg looks for more entries, in files with the ending .cfg."""


@dataclass(frozen=True)
class Added:
    """The result: the ids of the new entries, and the bytes of all files written."""

    entries: tuple[str, ...]
    size: int


def add(wanted: Wanted, folder: Path, progress: Progress) -> Added:
    """Copy the models of ``wanted``, and the files that they need, to the stick that is mounted at ``folder``.

    Their entries get the command line of the stick's other entries. Raises KgptError, UsageError.
    """
    described = _manifest(folder)
    arch = of_name(described.get("arch", DEFAULT.name))
    wanted = replace(wanted, large=True, draft_slug=_draft_slug(wanted.draft), arch=arch)
    contents = gather(wanted, progress, taken=_names(described, folder), cmdline=described["cmdline"])
    entries = with_cmdline([entry for entry in contents.entries if entry.of_model], described["cmdline"])
    plans = [plan for plan in contents.kernels if plan.corpus is None and not _is_there(plan.path, folder)]
    items = (
        *built(plans, wanted, progress, efi=True),
        *(item for item in contents.items if not _is_known_draft(item, folder)),
    )
    _check_room(folder, items)
    for item in items:
        progress.stage(f"copying {item.path}, {item.size:,} bytes")
        _copy(item, folder)
    for slug, of_model in _by_model(entries).items():
        lines = [f"{line}\n" for entry in of_model if entry.bios for line in entry_lines(entry)]
        if arch.has_bios:
            paths.write_atomically(_place(folder, f"{MENU_FOLDER}/{slug}.cfg"), (STOPPED + "".join(lines)).encode())
        efi = "".join(f"{line}\n" for line in efi_lines(of_model, LM_KERNEL))
        paths.write_atomically(_place(folder, f"{MENU_FOLDER}/{slug}{EFI_ENDING}"), efi.encode())
    return Added(tuple(entry.id for entry in entries), sum(item.size for item in items))


def _manifest(folder: Path) -> dict[str, Any]:
    path = _place(folder, manifest.PLACE)
    try:
        described = manifest.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise KgptError(
            f"{folder} is not the root of a stick that kgpt image usb made: {path} cannot be read",
            "mount the stick, and give the folder where it is mounted",
        ) from error
    if described["kind"] != "usb":
        raise UsageError(f"{folder} holds a disc, which cannot be changed", "make a stick: kgpt image usb")
    return described


def _names(described: dict[str, Any], folder: Path) -> set[str]:
    """The labels of the models on the stick."""
    there = {Path(file["path"]).stem for file in described["files"]}
    return there | {path.stem for path in _place(folder, MENU_FOLDER).glob(f"*{EFI_ENDING}")}


def _place(folder: Path, path: str) -> Path:
    return folder / path.strip("/")


def _is_there(path: str, folder: Path) -> bool:
    return path == LM_KERNEL and _place(folder, path).is_file()


def _draft_slug(draft: GgufModel | None) -> str:
    """The name of a draft model's file, from its contents: models that are added one by one share the file."""
    return DRAFT if draft is None else f"{DRAFT}-{sha256_of(draft.path)[:12]}"


def _is_known_draft(item: Item, folder: Path) -> bool:
    """Does the stick have this draft model, undamaged?"""
    place = _place(folder, item.path)
    return item.role == DRAFT and place.is_file() and sha256_of(place) == item.sha256


def _check_room(folder: Path, items: Sequence[Item]) -> None:
    size, free = sum(item.size for item in items), shutil.disk_usage(folder).free
    if size > free:
        raise KgptError(
            f"{folder} has {file_text(free, 1)} free, and the model takes {file_text(size, 1)}",
            "remove something, or make the stick with more room: kgpt image usb --room MB",
        )


def _copy(item: Item, folder: Path) -> None:
    place = _place(folder, item.path)
    with paths.write_errors(str(place)):
        place.parent.mkdir(parents=True, exist_ok=True)
    paths.write_pieces_atomically(place, pieces_of(item.source))


def _by_model(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Label of a model -> its entries."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.id.rpartition("-")[0], []).append(entry)
    return found
