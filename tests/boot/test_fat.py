"""FAT file systems by mtools: what is written can be read, is the same bytes each time, and damage is told."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from boots import need
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.image import inspect
from kgpt_build.image.fs import fat
from kgpt_build.image.fs.fat import Fat, Names
from kgpt_build.image.fs.volumes import content, lay_out
from kgpt_build.media import SECTOR

START = 64
NAMES = Names("KGPT", 0x1234ABCD)
LARGE = b"".join(i.to_bytes(4, "big") for i in range(25_600))
GGUF = "/models/a-name-that-is-longer-than-eight.gguf"
FILES: dict[str, Path | bytes] = {
    "/EFI/BOOT/BOOTX64.EFI": b"MZ" + bytes(3000),
    "/boot/grub/grub.cfg": b"set timeout=5\n",
    "/kgpt/0123456789abcdef.id": b"",
    GGUF: LARGE,
    "/models/a-name-that-is-longer-than-eight.kgct": b"x",
    "/models/exactly13char": b"13",
    **{f"/many/file number {i}.txt": f"{i}\n".encode() for i in range(20)},
}


@dataclass(frozen=True)
class Layout:
    """Bytes of the image where the first table and the clusters begin; the table's size, and the width of an entry."""

    table: int
    size: int
    width: int
    data: int


def layout(data: bytes | bytearray) -> Layout:
    reserved, root, small, large = struct.unpack_from("<HxH3xH12xI", data, START * SECTOR + 14)
    table, size = (START + reserved) * SECTOR, (small or large) * SECTOR
    return Layout(table, size, 2 if small else 4, table + 2 * size + root * 32)


@pytest.fixture(scope="module", autouse=True)
def mtools() -> None:
    need("mtools")


def written(folder: Path, bits: int, files: dict[str, Path | bytes] = FILES, room: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tree").mkdir()
    lay_out(files, folder / "tree")
    image = folder / "image"
    image.write_bytes(b"before")
    fat.write(image, START, fat.shape(files, bits=bits, room=room), NAMES, folder / "tree", 1735689600)
    return image


@pytest.fixture(scope="module", params=[16, 32])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("fat"), request.param)


def test_what_is_written_can_be_read(image: Path) -> None:
    with image.open("rb") as file:
        volume = Fat(file, START * SECTOR)
        assert volume.label == "KGPT"
        assert {path: content(volume, path) for path in volume.files} == FILES
        assert volume.files == {path: len(data) for path, data in FILES.items() if isinstance(data, bytes)}


def test_it_begins_where_it_should_and_is_of_its_kind(image: Path) -> None:
    """Systems tell the kind by the number of clusters."""
    data = image.read_bytes()
    parts = layout(data)
    assert data.startswith(b"before" + bytes(START * SECTOR - 6))
    assert struct.unpack_from("<I", data, START * SECTOR + 28) == (START,)  # hidden sectors
    clusters = (len(data) - parts.data) // SECTOR
    assert (4085 if parts.width == 2 else 65525) + 16 <= clusters < 66_000
    assert parts.width * (clusters + 2) <= parts.size


@pytest.mark.parametrize("bits", [16, 32])
def test_the_same_files_give_the_same_bytes(tmp_path: Path, bits: int) -> None:
    """In whatever order they come, whatever a file is called and may be done with, and whatever mtools is told."""
    source = tmp_path / "$(a source) @@1"
    source.write_bytes(b"set timeout=5\n")
    source.chmod(0o444)
    files = dict(reversed(FILES.items())) | {"/boot/grub/grub.cfg": source}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTOOLS_NO_VFAT", "1")
        patch.setenv("TZ", "Asia/Tokyo")
        again = written(tmp_path / "again", bits, files)
    first = written(tmp_path / "first", bits)
    assert again.read_bytes() == first.read_bytes()


def test_room_is_kept_free(tmp_path: Path) -> None:
    """Of a stick that has more than the least, and of one with large clusters."""
    for room in (50 << 20, 300 << 20):
        large = written(tmp_path / str(room), 32, room=room)
        command = ["mtools", "-c", "mdir", "-i", f"{large}@@{START * SECTOR}", "::"]
        environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
        told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        free = int("".join(char for char in told.splitlines()[-2] if char.isdigit()))
        assert room <= free < room + (1 << 20)


@pytest.mark.parametrize("name", ["a$(touch {}) `b`.img", "x@@512", "~"])
def test_names_of_images_mean_nothing(image: Path, tmp_path: Path, name: str) -> None:
    """mtools would have a shell expand them, and take what is behind @@ for a place."""
    odd = tmp_path / name.format("there")
    shutil.copyfile(image, odd)
    with odd.open("rb") as file:
        assert content(Fat(file, START * SECTOR), "/boot/grub/grub.cfg") == b"set timeout=5\n"
    assert [path.name for path in tmp_path.iterdir()] == [odd.name]


def test_no_file_system(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(1 << 20))
    with (tmp_path / "x").open("rb") as file, refused(KgptError, "FAT file system byte 512"):
        Fat(file, 512)


def test_a_file_that_is_cut_off(image: Path, tmp_path: Path) -> None:
    data = image.read_bytes()
    (tmp_path / "cut").write_bytes(data[: data.index(LARGE) + 3000])
    assert problems_of(image) == []
    assert problems_of(tmp_path / "cut") == [f"{GGUF} is cut off: {len(LARGE) - 3000:,} of its bytes cannot be read"]


@pytest.mark.parametrize("then", [10, None], ids=["goes in a circle", "ends early"])
def test_a_chain_that_is_damaged(image: Path, tmp_path: Path, then: int | None) -> None:
    data = bytearray(image.read_bytes())
    parts = layout(data)
    first = 2 + (data.index(LARGE) - parts.data) // SECTOR
    link = 0xFFFFFFFF if then is None else first + then
    at = parts.table + parts.width * (first + 150)
    data[at : at + parts.width] = link.to_bytes(4, "little")[: parts.width]
    (tmp_path / "damaged").write_bytes(data)
    (problem,) = problems_of(tmp_path / "damaged")
    assert problem.startswith(f"{GGUF} is cut off: " if then is None else f"{GGUF} is not what was written: ")


def test_one_without_files(tmp_path: Path) -> None:
    with written(tmp_path, 16, {}).open("rb") as file:
        assert Fat(file, START * SECTOR).files == {}


def problems_of(image: Path) -> list[str]:
    """What kgpt inspect says of the large file."""
    wanted = {"path": GGUF, "role": "model", "size": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()}
    with image.open("rb") as file:
        return list(inspect._file_problems(Fat(file, START * SECTOR), wanted))


def test_a_folder_without_an_end(image: Path, tmp_path: Path) -> None:
    """In a folder there is the folder itself."""
    data = bytearray(image.read_bytes())
    at, parts = data.index(b"EXACTL~1"), layout(data)
    start = at // SECTOR * SECTOR
    cluster = 2 + (start - parts.data) // SECTOR
    data[at + 11] = 0x10
    struct.pack_into("<H4xH", data, at + 20, cluster >> 16, cluster & 0xFFFF)
    (tmp_path / "loop").write_bytes(data)
    with (tmp_path / "loop").open("rb") as file, refused(KgptError, "byte 32,768 damaged"):
        Fat(file, START * SECTOR)
