"""Where a kernel finds the memory that it may write to: disks, and files of FAT and exFAT; what it leaves alone."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import disks
import pytest
from chats import Talker, write_talker
from hosted import Hosted, Run
from refusals import lacks
from test_disks import needs

from kgpt_build.file_hash import sha256_of
from kgpt_build.image.inspect import file_runs
from kgpt_build.image.make import MEMORY
from kgpt_build.memory import empty_store, read_store

SIZE = 1 << 20
KEEP = "hello\n/save a\n"


@pytest.fixture(scope="module")
def talker(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Talker:
    return Talker(without_model, write_talker(tmp_path_factory.mktemp("talker")))


def says(talker: Talker, typed: str, *disk_files: Path) -> Run:
    modules = ("--module", f"{talker.model} sha256={sha256_of(talker.model)}", *talker.modules[2:])
    words = [word for file in disk_files for word in ("--memory", str(file))]
    return talker.program.run("cpus=1 ctx=512 max_tokens=3 seed=1", typed.encode(), (*modules, *words))


def fat(path: Path, memory: bytes, *, before: bytes = b"") -> bytearray:
    """A FAT16 with a memory, and ``before`` it another file."""
    needs("mformat")
    files = {"other.txt": b"x" * 5000, **({"before": before} if before else {}), MEMORY.strip("/"): memory}
    return bytearray(disks.fat(path, files, 16, 8 << 10))


def test_a_file_among_partitions(talker: Talker, tmp_path: Path) -> None:
    """Only its bytes change."""
    stick = tmp_path / "stick.img"
    stick.write_bytes(disks.mbr([bytes(64 << 10), bytes(fat(stick, empty_store(SIZE)))]))
    before = stick.read_bytes()
    assert not lacks(says(talker, KEEP, stick).console, "a is kept: free")
    at, now = before.index(b"KGPTSTOR"), stick.read_bytes()
    assert (now[:at], now[at + SIZE :]) == (before[:at], before[at + SIZE :])
    assert [record.name for record in read_store(now[at : at + SIZE]).records] == ["a"]
    assert not lacks(says(talker, "/load a\n/history\n", stick).console, "a goes on: hello")


def test_a_file_in_pieces(talker: Talker, tmp_path: Path) -> None:
    """As after a PC has filled a hole with it."""
    stick = tmp_path / "stick.img"
    stick.write_bytes(disks.mbr([bytes(fat(stick, b"", before=bytes(4096)))]))
    drive = f"{stick}@@{64 * 512}"
    (tmp_path / "memory").write_bytes(empty_store(SIZE))
    subprocess.run(["mdel", "-i", drive, "::before"], check=True)
    subprocess.run(["mdel", "-i", drive, f"::{MEMORY}"], check=True)
    subprocess.run(["mcopy", "-i", drive, tmp_path / "memory", f"::{MEMORY}"], check=True)
    with stick.open("rb") as image:
        assert len(file_runs(image, MEMORY)) == 2
    before = stick.read_bytes()
    assert not lacks(says(talker, KEEP, stick).one("error")["message"], "no memory its file lies in pieces")
    assert stick.read_bytes() == before


def test_a_file_that_was_not_made_by_kgpt(talker: Talker, tmp_path: Path) -> None:
    stick = tmp_path / "stick.img"
    stick.write_bytes(disks.mbr([bytes(fat(stick, b"KGPTSTO?" + bytes(SIZE)))]))
    before = stick.read_bytes()
    assert not lacks(says(talker, KEEP, stick).one("error")["message"], "was not made by kgpt")
    stick.write_bytes(disks.mbr([bytes(fat(stick, empty_store(SIZE)[:4000]))]))
    assert not lacks(says(talker, KEEP, stick).one("error")["message"], "size")
    assert len(before) == len(stick.read_bytes())


def test_a_store_that_claims_more_than_its_file(talker: Talker, tmp_path: Path) -> None:
    """Its head is whole, but of a larger area: nothing behind the file is touched."""
    stick = tmp_path / "stick.img"
    stick.write_bytes(disks.mbr([bytes(fat(stick, empty_store(4 * SIZE)[: SIZE // 2]))]))
    before = stick.read_bytes()
    assert not lacks(says(talker, KEEP, stick).one("error")["message"], "damaged first block")
    assert stick.read_bytes() == before


def test_a_chain_that_leads_out_of_the_file_system(talker: Talker, tmp_path: Path) -> None:
    stick = tmp_path / "stick.img"
    image = fat(stick, empty_store(SIZE))
    (reserved,) = struct.unpack_from("<H", image, 14)
    entries = struct.unpack_from("<256H", image, reserved * 512)
    first = next(i for i, entry in enumerate(entries) if i > 12 and entry == i + 1)
    struct.pack_into("<H", image, reserved * 512 + 2 * first, 0xFFF0)
    stick.write_bytes(disks.mbr([bytes(image)]))
    before = stick.read_bytes()
    assert says(talker, KEEP, stick).one("error")
    assert stick.read_bytes() == before


def test_two_of_them(talker: Talker, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two.img"
    one.write_bytes(empty_store(SIZE))
    two.write_bytes(disks.mbr([bytes(fat(two, empty_store(SIZE)))]))
    assert not lacks(says(talker, KEEP, one, two).one("error")["message"], "has two of them")
    assert one.read_bytes() == empty_store(SIZE)
