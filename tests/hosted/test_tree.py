"""What a loader of the Linux boot protocol hands over: a device tree, and an initial RAM disk."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pace
import pytest
import tree_reader
import trees
from tree_reader import Driver
from trees import cells, tree, virt, wide

from kgpt_build.boot_modules import BootModule
from kgpt_build.vm.linux_files import write_archive

RAM, RESERVED = 1, 2


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return tree_reader.build(tmp_path_factory.mktemp("tree"))


def test_a_machine(driver: Driver) -> None:
    driver.read(tree(virt()))
    assert driver.regions() == [(0x40000000, 0x8000000, RAM)]
    assert driver.library.driver_cmdline() == b"seed=7 exit"
    assert driver.fact("console") == (0x9000000, 0x1000, 33, 0)
    assert driver.fact("clock")[:2] == (0x9010000, 0x1000)
    assert driver.fact("psci")[0] == 1
    assert driver.fact("gic") == (2, 0x8000000, 0x8010000, 0x10000)
    assert driver.fact("timer")[0] == 27
    assert driver.fact("ecam") == (0x4010000000, 0x10000000, 0, 255)
    assert driver.fact("ports")[:3] == (0x3EFF0000, 0x10000, 0)
    assert driver.fact("memory32")[:3] == (0x10000000, 0x2EFF0000, 0x10000000)
    assert driver.fact("memory64")[:3] == (0x8000000000, 0x8000000000, 0x8000000000)
    assert driver.fact("virtio")[:3] == (2, 0xA000000, 0x200)
    assert driver.fact("coherent")[0] == 1
    assert driver.fact("cpus")[:3] == (2, 0, 1)
    assert driver.fact("button") == (0x9030000, 0x1000, 3, 0)
    assert driver.fact("fw_cfg")[:2] == (0x9020000, 0x18)
    driver.read(tree(virt(3)))
    assert driver.fact("gic") == (3, 0x8000000, 0x80A0000, 0xF60000)


def test_qemu_describes_its_machine(driver: Driver, tmp_path: Path) -> None:
    """The same facts as our own tree has, from the real one."""
    qemu = shutil.which("qemu-system-aarch64")
    assert qemu, "run the tests with make test, which installs qemu-system-arm"
    blob = tmp_path / "virt.dtb"
    words = [qemu, "-machine", f"virt,gic-version=3,dumpdtb={blob}", "-cpu", "cortex-a72", "-smp", "2", "-m", "128M"]
    subprocess.run([*words, "-display", "none"], check=True, capture_output=True, timeout=pace.limit(60))
    driver.read(blob.read_bytes())
    assert driver.regions() == [(0x40000000, 0x8000000, RAM)]
    names = ("console", "clock", "psci", "gic", "timer", "ecam", "ports", "cpus", "button", "fw_cfg")
    theirs = {name: driver.fact(name) for name in names}
    assert driver.fact("virtio")[0] == 32
    assert driver.fact("coherent")[0] == 1
    driver.read(tree(virt(3)))
    assert theirs == {name: driver.fact(name) for name in theirs}


def test_a_machine_that_says_little(driver: Driver) -> None:
    driver.read(tree({}))
    assert driver.regions() == []
    for name in ("console", "clock", "psci", "gic", "timer", "ecam", "ports", "virtio", "coherent", "cpus", "button"):
        assert driver.fact(name) == (0, 0, 0, 0)
    driver.read(b"no tree" + bytes(64))
    assert driver.regions() == []


def test_memory_that_is_not_ours(driver: Driver) -> None:
    """Several ranges of memory; entries of the head, and children of /reserved-memory, with or without a place."""
    kept: dict[str, Any] = {
        "#address-cells": [2],
        "#size-cells": [2],
        "ranges": b"",
        "secure@44000000": {"reg": wide(0x44000000, 0x100000)},
        "anywhere": {"size": wide(0x100000)},
    }
    memory = {"device_type": "memory", "reg": wide(0x40000000, 0x8000000, 0x80_0000_0000, 0x40000000)}
    off = {"device_type": "memory", "reg": wide(0x90000000, 0x1000), "status": "disabled"}
    root = {**virt(), "memory@40000000": memory, "memory@90000000": off, "reserved-memory": kept}
    driver.read(tree(root, reservations=[(0x43000000, 0x2000)]))
    assert driver.regions() == [
        (0x40000000, 0x8000000, RAM),
        (0x80_0000_0000, 0x40000000, RAM),
        (0x43000000, 0x2000, RESERVED),
        (0x44000000, 0x100000, RESERVED),
    ]


def test_addresses_behind_buses(driver: Driver) -> None:
    """Each bus translates; one without `ranges` does not lead to the processor."""
    inner: dict[str, Any] = {
        "#address-cells": [1],
        "#size-cells": [1],
        "ranges": [0x100, 0x2000, 0x100, 0x400, 0x8000, 0x100],
        "a@110": {"reg": [0x110, 8, 0x4FF, 1]},
        "b@500": {"reg": [0x500, 8]},
    }
    closed = {"#address-cells": [1], "#size-cells": [0], "c@1": {"reg": [1]}}
    soc: dict[str, Any] = {
        "#address-cells": [1],
        "#size-cells": [1],
        "ranges": cells(0x2000) + wide(0x7E0000000) + cells(0x100) + cells(0x8000) + wide(0xFE000000) + cells(0x100),
        "bus": inner,
        "i2c": closed,
    }
    driver.read(tree(virt(soc=soc)))
    assert driver.reg("/soc/bus/a") == (0x7E0000010, 8)
    assert driver.reg("/soc/bus/a@110", 1) == (0xFE0000FF, 1)
    assert driver.reg("/soc/bus/a", 2) is None
    assert driver.reg("/soc/bus/b") is None
    assert driver.reg("/soc/i2c/c") is None
    assert driver.reg("/soc/nothing") is None
    assert driver.reg("/memory") == (0x40000000, 0x8000000)


def test_the_console_that_the_firmware_names(driver: Driver) -> None:
    two: dict[str, Any] = {"pl011@9040000": trees.device("arm,pl011", 0x9040000, 0x1000, interrupts=[0, 8, 4])}
    for path, base in (
        ("/pl011@9040000", 0x9040000),
        ("/pl011@9040000:115200n8", 0x9040000),
        ("/pl011@9000000", 0x9000000),
        ("/elsewhere", 0x9000000),
        ("/psci", 0x9000000),
        ("serial0", 0x9000000),
    ):
        driver.read(tree(virt(**two, chosen={"stdout-path": path})))
        assert driver.fact("console")[0] == base, path


def test_what_is_wrong_with_a_tree(driver: Driver) -> None:
    whole = tree(virt())
    assert driver.problem(whole) == ""
    assert driver.problem(tree(virt(), padding=5000)) == ""
    assert driver.problem(whole[:-1]) == "the device tree has an impossible size"
    assert driver.problem(b"\x7fELF" + whole[4:]) == "there is no device tree"
    assert driver.problem(whole[:20], 20) == "there is no device tree"
    assert driver.problem(tree(virt(), version=16)) == "the device tree has an unknown version"
    outside = whole[:8] + cells(len(whole)) + whole[12:]
    assert driver.problem(outside) == "the device tree has blocks outside of itself"
    deep: trees.Node = {}
    for _ in range(12):
        deep = {"a": deep}
    assert driver.problem(tree(deep)) == "the device tree is too deep"
    at = int.from_bytes(whole[8:12], "big")
    assert driver.problem(whole[:at] + cells(2) + whole[at + 4 :]).endswith("that has not begun")
    assert driver.problem(whole[:at] + cells(7) + whole[at + 4 :]).endswith("an unknown token")
    assert driver.problem(whole[:at] + cells(9) + whole[at + 4 :]).endswith("nodes without an end")


def test_any_byte_may_be_wrong(driver: Driver) -> None:
    """Each byte of a tree in turn, and noise: the reader stays within the blob, and always ends."""
    whole, noise = tree(virt()), random.Random(7)
    for at in range(len(whole)):
        blob = bytearray(whole)
        blob[at] ^= 1 << noise.randrange(8)
        if not driver.problem(bytes(blob)):
            driver.read(bytes(blob) + bytes(1 << 16))
    for _ in range(300):
        blob = bytearray(whole)
        for _ in range(noise.randrange(1, 30)):
            blob[noise.randrange(40, len(blob))] = noise.randrange(256)
        if not driver.problem(bytes(blob)):
            driver.read(bytes(blob))


def test_files_of_an_archive(driver: Driver, tmp_path: Path) -> None:
    """Names, words and contents, each at the start of a page of the archive."""
    contents = {"a.gguf": b"GGUF" + bytes(10_000), "prompt": b"Hi", "none": b"", "b": bytes(range(256)) * 16}
    modules = []
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        modules.append(BootModule(tmp_path / name, ("kind=file", f"sha256={len(data)}") if name != "b" else ()))
    write_archive(modules, archive := tmp_path / "initrd")
    data = archive.read_bytes()
    expected = [(str(m.path).encode(), " ".join(m.words).encode(), m.path.read_bytes()) for m in modules]
    assert driver.initrd(data) == expected
    for content in contents.values():
        assert not content or any(data[at : at + len(content)] == content for at in range(0, len(data), 4096))
    for cut in (1, 50, 200, len(data) // 2):
        assert driver.initrd(data[:-cut]) is None
    assert driver.initrd(data[:14] + b"x" + data[15:]) is None  # the mode is no number


def entry(name: bytes, mode: int, data: bytes = b"") -> bytes:
    """As cpio writes it: not aligned to pages."""
    fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
    head += bytes(-len(head) % 4)
    return head + data + bytes(-len(data) % 4)


def test_archives_of_cpio(driver: Driver) -> None:
    """Folders are no modules."""
    made = entry(b"sub", 0o40755) + entry(b"sub/hello.txt words", 0o100644, b"hello") + entry(b"TRAILER!!!", 0)
    assert driver.initrd(made + bytes(512)) == [(b"sub/hello.txt", b"words", b"hello")]


def test_a_file_that_is_no_archive(driver: Driver) -> None:
    assert driver.initrd(b"GGUF and more") == [(b"initrd", b"", b"GGUF and more")]
