"""What passes for an image of a stick, and what is said of everything else."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from faulty_disk import describe, image_file

from kgpt_build.errors import KgptError
from kgpt_build.flash import image as flash_image
from kgpt_build.image import manifest

SIZE = 100 * 2048


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A boot sector with one partition, and an ISO 9660 volume, both of the file's size."""
    path = tmp_path / "kgpt.img"
    image_file(path, SIZE)
    data = bytearray(path.read_bytes())
    data[446:462] = struct.pack("<B3sB3sII", 0x80, b"", 0xCD, b"", 0, SIZE // 512)
    data[32768:32774] = b"\x01CD001"
    data[32848:32852] = struct.pack("<I", SIZE // 2048)
    path.write_bytes(data)
    return path


def failure(path: Path) -> str:
    with pytest.raises(KgptError) as raised:
        flash_image.check(path)
    assert raised.value.exit_code == 1
    assert "\n" not in raised.value.message
    return f"{raised.value.message} | {raised.value.hint}"


def test_an_image_is_read_whole(path: Path) -> None:
    describe(path)
    amounts: list[tuple[int, int]] = []
    image = flash_image.check(path, lambda done, total: amounts.append((done, total)))
    assert (image.path, image.size) == (path, SIZE)
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert amounts == [(SIZE, SIZE)]


def test_an_image_of_somebody_else(path: Path) -> None:
    text = failure(path)
    assert text.startswith(f"{path}: ")
    assert text.endswith("kgpt flash writes what kgpt image made; for others there is dd")


def test_an_image_that_is_not_the_one_of_its_manifest(path: Path) -> None:
    describe(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "is damaged, or another image: its SHA-256 is" in failure(path)


def test_an_image_that_was_cut_off_by_its_manifest(path: Path) -> None:
    describe(path)
    path.write_bytes(path.read_bytes()[:-2048])
    assert f"it has {SIZE - 2048:,} bytes, and {SIZE:,} by kgpt.img.manifest.json" in failure(path)


@pytest.mark.parametrize("keep", [SIZE - 2048, SIZE // 2, 1024])
def test_an_image_that_was_cut_off_by_its_own_tables(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    assert f"is cut off: it has {keep:,} bytes, and {SIZE:,} " in failure(path)


def test_a_partition_that_protects_a_gpt_may_reach_further(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[446:462] = struct.pack("<B3sB3sII", 0, b"", 0xEE, b"", 1, 0xFFFFFFFF)
    path.write_bytes(data)
    describe(path)
    assert flash_image.check(path).size == SIZE


@pytest.mark.parametrize(
    "text", ["", "{", "\xff", '{"format": 1}', '{"format": 1, "image": {"size": "x", "sha256": ""}}']
)
def test_a_damaged_manifest(text: str, path: Path) -> None:
    manifest.beside(path).write_text(text)
    found = failure(path)
    assert "kgpt.img.manifest.json: the manifest is damaged" in found
    assert found.endswith("make the image again: kgpt image")


def test_a_manifest_of_another_version(path: Path) -> None:
    manifest.beside(path).write_text('{"format": 99}')
    assert "the manifest is of another version of kgpt" in failure(path)


@pytest.mark.parametrize(
    ("content", "words", "hint"),
    [
        (b"", "is empty", "kgpt image usb -o kgpt.img"),
        (b"\x7fELF\x02\x01", "is a kernel, not an image", "make an image first: kgpt image usb -o kgpt.img"),
        (b"GGUF\x03\0\0\0", "is a model, not an image", "make an image of it first: kgpt image usb"),
        (b"\x1f\x8b\x08", "is compressed", "gunzip"),
        (b"\xfd7zXZ\0", "is compressed", "unxz"),
        (b"\x28\xb5\x2f\xfd", "is compressed", "unzstd"),
        (b"PK\x03\x04", "is a zip archive", "unpack it first"),
        (b"QFI\xfb\0\0", "is a disk of QEMU (qcow2)", "kgpt image usb"),
        (b"hello", "it has no boot sector", "kgpt image usb"),
        (bytes(1 << 20), "it has no boot sector", "kgpt image usb"),
    ],
)
def test_other_files_are_named(content: bytes, words: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    text = failure(path)
    assert words in text
    assert hint in text


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file or directory | make an image first" in failure(tmp_path / "none.img")
    assert "is not a file | IMAGE comes first, then DEVICE" in failure(tmp_path)
    assert "is not a file | IMAGE comes first, then DEVICE" in failure(Path("/dev/null"))
