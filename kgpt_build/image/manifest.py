"""manifest.json of an image: its files with hashes, its menu entries, and the versions of the tools that made it.

One copy lies in the image at PLACE. Another one, with the hash of the whole image, lies beside the image.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kgpt_build
from kgpt_build.errors import KgptError
from kgpt_build.image.contents import Item
from kgpt_build.image.menu import EFI_CONFIG, SAFE, SAFE_WORDS, Entry, chosen
from kgpt_build.image.needs import memory_of
from kgpt_build.kernel.manifest import as_json

if TYPE_CHECKING:
    from kgpt_build.image.make import ImageSettings

PLACE = "/kgpt/manifest.json"
FORMAT = 1
# xorriso writes the core's position on the disc into these bytes of the core.
_PATCHED = ((8, 64), (2548, 2556))


def content(
    settings: ImageSettings,
    ident: str,
    epoch: int,
    items: Sequence[Item],
    boot: Mapping[str, bytes],
    menus: Mapping[str, bytes],
    entries: Sequence[Entry],
    tools: Mapping[str, str],
) -> dict[str, Any]:
    """The manifest of an image. ``boot`` are the parts of GRUB, ``menus`` are the files of
    the menus; memory is in MiB."""
    memory, usb = memory_of(entries, items, keeps=settings.memory > 0), settings.kind == "usb"
    program = settings.wanted.arch.uefi.program
    files = [
        *({"path": i.path, "role": i.role, "about": i.about, "size": i.size, "sha256": i.sha256} for i in items),
        *(_described(path, data, "boot loader", efi=usb and path == program) for path, data in boot.items()),
        *(_described(path, data, "menu") for path, data in menus.items()),
    ]
    return {
        "format": FORMAT,
        "generator": f"kgpt {kgpt_build.__version__}",
        "kind": settings.kind,
        "arch": settings.wanted.arch.name,
        "id": ident,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
        "cmdline": settings.menu.cmdline,
        "timeout": settings.menu.timeout,
        "default": chosen(entries, settings.menu.default),
        "entries": [{**_entry(entry), "memory": memory[entry.id]} for entry in entries],
        "safe": {"id": SAFE, "words": " ".join(SAFE_WORDS)},
        "files": files,
        "toolchain": settings.wanted.toolchain,
        "tools": dict(tools),
    }


def _described(path: str, data: bytes, role: str, *, efi: bool = False) -> dict[str, Any]:
    about = "kgpt.efi" if efi or path == EFI_CONFIG else "GRUB"
    return {"path": path, "role": role, "about": about, "size": len(data), "sha256": digest_of(path, data)}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title,
        "kernel": entry.kernel,
        "firmware": ["BIOS", "UEFI"] if entry.bios else ["UEFI"],
        "cmdline": entry.cmdline,
        "modules": [{"path": module.path, "words": " ".join(module.words)} for module in entry.modules],
    }


def digest_of(path: str, data: bytes) -> str:
    """The SHA-256 (hex) of a file of GRUB in a manifest; bytes that depend on its position count as zeros."""
    blank = bytearray(data)
    if path.endswith("/bios.img"):
        for begin, end in _PATCHED:
            blank[begin:end] = bytes(end - begin)
    return hashlib.sha256(blank).hexdigest()


def encoded(described: Mapping[str, Any]) -> bytes:
    """The bytes of manifest.json."""
    return as_json(described)


def beside(image: Path) -> Path:
    """The path of the manifest beside ``image``."""
    return image.with_name(f"{image.name}.manifest.json")


def parse(data: bytes, where: str) -> dict[str, Any]:
    """Parse the manifest ``data``. Raises KgptError that names ``where``."""
    try:
        described = json.loads(data)
    except ValueError as error:
        raise KgptError(f"{where}: the manifest is damaged: {error}", "make the image again: kgpt image") from error
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise KgptError(f"{where}: the manifest is of another version of kgpt", "make the image again: kgpt image")
    return described
