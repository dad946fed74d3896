"""Partition tables and file systems, made by the tools that make them everywhere, read by the kernel's code."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import disks
import pace
import pytest
from native import COMPILERS, ROOT
from rooms import listed

DATA = bytes(i * i % 253 for i in range(70_001))
FILES = {
    "a.gguf": DATA,
    "models/A long name with spaces, and more than 26 letters.gguf": DATA[:5000],
    "models/Größe ✓.bin": b"x",
    "models/deep/er/SHORT.TXT": DATA[:700],
}

Disk = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("disk") / "driver"
    sources = [
        *listed("ENGINE_LM", rooms=("disk",)),
        "kernel_c/core/digest/crc32.c",
        "kernel_c/core/utf8.c",
        "kernel_c/core/str.c",
    ]
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-Ikernel_c/include", "-Ikernel_c"]
    words = [*COMPILERS["zig"], *flags, "tests/hosted/disk_driver.c", *sources, "-o", str(program)]
    subprocess.run(words, cwd=ROOT, check=True)
    return program


@pytest.fixture
def disk(driver: Path, tmp_path: Path) -> Disk:
    def run(image: bytes | bytearray, *words: object) -> subprocess.CompletedProcess[bytes]:
        path = tmp_path / "disk.img"
        path.write_bytes(image)
        return subprocess.run(
            [driver, path, *map(str, words)], capture_output=True, timeout=pace.limit(60), check=False
        )

    return run


def listing(disk: Disk, image: bytes | bytearray) -> list[str]:
    done = disk(image)
    assert done.returncode == 0
    return done.stdout.decode().splitlines()


def needs(tool: str) -> None:
    if not shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/bin"):
        pytest.skip(f"{tool} is not installed")


def extents(done: subprocess.CompletedProcess[bytes]) -> list[tuple[int, int, int]]:
    rows = [tuple(map(int, line.split())) for line in done.stderr.decode().splitlines()]
    return [(offset, n, hole) for offset, n, hole in rows]


def check_files(disk: Disk, image: bytes, part: int, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        done = disk(image, part, name)
        assert (done.returncode, done.stdout) == (0, data), (name, done.stderr)
        joined = b"".join(bytes(n) if hole else image[at : at + n] for at, n, hole in extents(done))
        assert joined == data


@pytest.mark.parametrize(("bits", "kib"), [(12, 1500), (16, 16_000), (32, 40_000)])
def test_fat(disk: Disk, tmp_path: Path, bits: int, kib: int) -> None:
    needs("mformat")
    image = disks.fat(tmp_path / "fat.img", FILES, bits, kib)
    lines = listing(disk, image)
    assert f"type FAT{bits} " in lines
    assert sorted(line for line in lines if line.startswith("file")) == sorted(
        f"file {len(data)} /{name}" for name, data in FILES.items()
    )
    check_files(disk, image, 0, FILES)
    assert len(extents(disk(image, 0, "A.GGUF"))) == 1


def test_fat_chains_that_lie(disk: Disk, tmp_path: Path) -> None:
    needs("mformat")
    image = bytearray(disks.fat(tmp_path / "fat.img", {"a.gguf": DATA}, 16, 16_000))
    table = struct.unpack_from("<H", image, 14)[0] * 512
    struct.pack_into("<H", image, table + 2 * 10, 0xFFFF)
    assert b"problem a chain of clusters is shorter than its file" in disk(image, 0, "a.gguf").stderr
    struct.pack_into("<H", image, table + 2 * 10, 0xFFF0)
    assert b"problem a chain of clusters is damaged" in disk(image, 0, "a.gguf").stderr
    struct.pack_into("<H", image, table + 2 * 10, 9)  # a circle: its end comes with the file's
    assert disk(image, 0, "a.gguf").returncode == 0


def test_exfat(disk: Disk) -> None:
    image, data = bytes(disks.exfat()), disks.exfat_data()
    lines = listing(disk, image)
    assert lines[3:] == ["file 3500 /a chained file.gguf", "file 2500 /Größe 😀.bin", "file 100 /folder/inner"]
    chained = {"a chained file.gguf": data, "folder/inner": data[:100], "Größe 😀.bin": data[:1500] + bytes(1000)}
    check_files(disk, image, 0, chained)
    assert len(extents(disk(image, 0, "a chained file.gguf"))) == 3


def test_exfat_of_mkfs(disk: Disk, tmp_path: Path) -> None:
    """Its root holds a bitmap, a table of upper-case letters and a label, which are no files."""
    needs("mkfs.exfat")
    path = tmp_path / "exfat.img"
    path.write_bytes(bytes(8 << 20))
    subprocess.run(["/usr/sbin/mkfs.exfat", "-L", "label", path], check=True, capture_output=True)
    assert listing(disk, path.read_bytes())[1:] == [f"part 0 0 {8 << 20} 00 ", "type exFAT "]


def test_exfat_damaged(disk: Disk) -> None:
    image = disks.exfat()
    image[300] ^= 1
    assert "type exFAT the boot sectors of exFAT are damaged" in listing(disk, image)
    image[300] ^= 1
    image[32 * 512 + 2 * 1024 + 40] ^= 1
    assert listing(disk, image)[-1] == "bad : a directory is damaged"


def test_ext4(disk: Disk, tmp_path: Path) -> None:
    needs("mke2fs")
    tree = tmp_path / "tree"
    for name, data in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    with (tree / "sparse").open("wb") as file:  # more extents than the inode holds
        for i in range(40):
            file.seek(i * 8192)
            file.write(b"%d" % i)
    for i in range(200):  # an index of directories, and several blocks
        (tree / "models" / f"number {i} of many files in one folder").write_bytes(b"%d" % i)
    files = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    for features in ("64bit", "^64bit,^metadata_csum", "^has_journal,^flex_bg"):
        path = tmp_path / "ext4.img"
        path.unlink(missing_ok=True)
        words = ["-q", "-F", "-t", "ext4", "-b", "1024", "-O", features, "-d", str(tree), str(path), "16384k"]
        subprocess.run(["/usr/sbin/mke2fs", *words], check=True, capture_output=True)
        image = path.read_bytes()
        lines = listing(disk, image)
        assert {line for line in lines if line.startswith("file")} == {
            f"file {len(data)} /{name}" for name, data in files.items()
        }
        check_files(disk, image, 0, {name: files[name] for name in [*FILES, "sparse"]})


def test_ext4_that_is_refused(disk: Disk, tmp_path: Path) -> None:
    needs("mke2fs")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_bytes(DATA)
    image = bytearray(disks.ext4(tmp_path / "e.img", tmp_path / "tree", 4096))
    incompat = struct.unpack_from("<I", image, 1024 + 96)[0]
    for bit, said in ((4, "journal holds writes"), (0x10, "meta_bg"), (1, "features that are not known")):
        struct.pack_into("<I", image, 1024 + 96, incompat | bit)
        assert said in listing(disk, image)[2]


def test_mbr_with_logical_partitions(disk: Disk, tmp_path: Path) -> None:
    needs("mformat")
    small = disks.fat(tmp_path / "a.img", {"one": b"1"}, 12, 200)
    exfat = bytes(disks.exfat())
    image = disks.mbr([small, exfat, small])
    lines = listing(disk, image)
    assert lines[0] == "table 1 0 "
    assert [line.split()[1] for line in lines if line.startswith("part")] == ["1", "5", "6"]
    check_files(disk, image, 6, {"one": b"1"})
    check_files(disk, image, 5, {"folder/inner": disks.exfat_data()[:100]})


def test_mbr_whose_chain_is_a_circle(disk: Disk) -> None:
    part = bytes(disks.exfat())
    image = bytearray(disks.mbr([part, part, part]))
    second = 64 * 512 + len(part) + 512 + len(part)
    image[second + 446 + 16 + 4] = 5
    struct.pack_into("<II", image, second + 446 + 16 + 8, len(part) // 512 + 1, 9)
    assert sum(line.startswith("part") for line in listing(disk, image)) == 1 + 64


def test_gpt(disk: Disk) -> None:
    image = disks.gpt([("models ü", bytes(disks.exfat())), ("second", bytes(disks.exfat()))])
    lines = listing(disk, image)
    assert lines[0] == "table 2 0 "
    assert [line.split(" ", 5)[5] for line in lines if line.startswith("part")] == ["models ü", "second"]
    image[512 + 40] ^= 1
    assert listing(disk, image)[0] == "table 2 1 "
    assert listing(disk, image)[1:] == lines[1:]
    image[2 * 512 + 1] ^= 1
    image[-512 * 33] ^= 1
    assert listing(disk, image)[0] == "table 0 1 both copies of its GPT are damaged"


@pytest.mark.parametrize("image", [b"", bytes(511), bytes(4096), b"\xff" * 8192], ids=["0", "511", "zeros", "ones"])
def test_no_disk(disk: Disk, image: bytes) -> None:
    assert listing(disk, image)[2].startswith("type  it ")
