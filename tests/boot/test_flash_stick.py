"""kgpt flash of a stick's image without a manifest beside it: mtools reads the one inside."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
from boots import need
from refusals import refused

from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.flash import image as flash_image
from kgpt_build.image import manifest
from kgpt_build.image.fs import fat
from kgpt_build.image.fs.fat import Names
from kgpt_build.image.fs.volumes import lay_out
from kgpt_build.media import SECTOR

START = 8


def stick(folder: Path, changed: bytes = b"words") -> Path:
    """An image with a FAT partition and a manifest inside, which says that a file holds b"words"."""
    need("mtools")
    file = {"path": "/file", "role": "text", "about": "", "size": 5, "sha256": hashlib.sha256(b"words").hexdigest()}
    inside = json.dumps({"format": manifest.FORMAT, "files": [file]}).encode()
    files: dict[str, Path | bytes] = {manifest.PLACE: inside, "/file": changed, "/EFI/BOOT/BOOTX64.EFI": b"MZ"}
    shape, path, tree = fat.shape(files, bits=16), folder / "kgpt.img", folder / "tree"
    table = struct.pack("<B3sB3sII", 0x80, b"", 0x0C, b"", START, shape.total)
    path.write_bytes((b"code".ljust(446, b"\0") + table).ljust(SECTOR - 2, b"\0") + b"\x55\xaa")
    lay_out(files, tree)
    fat.write(path, START, shape, Names("KGPT", 1), tree, 1735689600)
    return path


def test_it_is_compared_with_the_manifest_inside(tmp_path: Path) -> None:
    path = stick(tmp_path)
    assert flash_image.check(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_is_not_what_the_manifest_inside_says(tmp_path: Path) -> None:
    with refused(KgptError, "kgpt.img damaged: /file written: SHA-256"):
        flash_image.check(stick(tmp_path, b"wards"))


def test_without_mtools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stick(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with refused(ToolMissing, "mtools there") as caught:
        flash_image.check(path)
    assert caught.value.hint == "apt-get install mtools"
