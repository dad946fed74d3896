"""FAT file systems: what is written can be read, by us and by mtools, and is the same bytes each time."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest

from kgpt_build.errors import KgptError
from kgpt_build.image import fat, fat_read
from kgpt_build.image.fat import Volume
from kgpt_build.image.volumes import content

VOLUME = Volume("KGPT", 0x1234ABCD, 1735689600, 64)
FILES: dict[str, Path | bytes] = {
    "/EFI/BOOT/BOOTX64.EFI": b"MZ" + bytes(3000),
    "/boot/grub/grub.cfg": b"set timeout=5\n",
    "/kgpt/0123456789abcdef.id": b"",
    "/models/a-name-that-is-longer-than-eight.gguf": bytes(range(256)) * 40,
    "/models/a-name-that-is-longer-than-eight.kgct": b"x",
    "/models/exactly13char": b"13",
    **{f"/many/file number {i}.txt": f"{i}\n".encode() for i in range(60)},
}


def written(bits: int, files: dict[str, Path | bytes] = FILES, room: int = 0) -> bytes:
    image = io.BytesIO(bytes(512))
    image.seek(512)
    fat.write(image, files, VOLUME, fat.plan(files, bits=bits, room=room))
    return image.getvalue()


@pytest.mark.parametrize("bits", [16, 32])
def test_what_is_written_can_be_read(bits: int) -> None:
    image = io.BytesIO(written(bits))
    system = fat_read.open_fat(image, 512)
    assert (system.bits, system.label) == (bits, "KGPT")
    found = fat_read.files(image, system)
    assert {path: content(image, file) for path, file in found.items()} == FILES


@pytest.mark.parametrize("bits", [16, 32])
def test_the_same_files_give_the_same_bytes(bits: int) -> None:
    assert written(bits) == written(bits, dict(reversed(FILES.items())))


def test_files_from_the_disk(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"a" * 5000)
    assert written(16, {"/a": source}) == written(16, {"/a": b"a" * 5000})


def test_room_is_kept_free() -> None:
    room = 50 << 20
    assert len(written(32, room=room)) >= room
    assert len(written(32)) < room


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(1 << 32)
    with pytest.raises(KgptError, match="/models/large has 4,294,967,296 bytes, and FAT holds files below 4 GiB"):
        fat.plan({"/models/large": source}, bits=32)


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(2000))
    place = fat.plan({"/a": source}, bits=16)

    class Shrinking(io.BytesIO):
        def write(self, data: object) -> int:
            source.write_bytes(b"short")
            return super().write(data)  # type: ignore[arg-type]

    with pytest.raises(KgptError, match="a has changed while it was read"):
        fat.write(Shrinking(), {"/a": source}, VOLUME, place)


@pytest.mark.skipif(shutil.which("mdir") is None, reason="mtools is only here to judge")
@pytest.mark.parametrize("bits", [16, 32])
def test_mtools_reads_it_too(tmp_path: Path, bits: int) -> None:
    image = tmp_path / "image"
    image.write_bytes(written(bits))
    name = "models/a-name-that-is-longer-than-eight.gguf"
    command = ["mtype", "-i", f"{image}@@512", f"::/{name}"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == FILES[f"/{name}"]
    listed = subprocess.run(
        ["mdir", "-b", "-/", "-i", f"{image}@@512", "::"], check=True, capture_output=True, text=True
    )
    assert {line.removeprefix("::") for line in listed.stdout.splitlines() if not line.endswith("/")} == set(FILES)


def test_a_damaged_file_system() -> None:
    with pytest.raises(KgptError, match="there is no FAT file system at byte 0"):
        fat_read.open_fat(io.BytesIO(bytes(4096)), 0)
    image = io.BytesIO(written(16)[:40000])
    with pytest.raises(KgptError, match="the image ends at byte"):
        fat_read.files(image, fat_read.open_fat(image, 512))


def test_a_chain_without_an_end() -> None:
    data = bytearray(written(16))
    first = 512 + 512  # the FAT begins behind the boot sector
    for cluster in range(2, 40):
        data[first + 2 * cluster : first + 2 * cluster + 2] = (2).to_bytes(2, "little")
    image = io.BytesIO(bytes(data))
    with pytest.raises(KgptError, match="a chain of clusters has no end"):
        fat_read.files(image, fat_read.open_fat(image, 512))
