"""ACPI's tables as QEMU makes them for a machine: read by its protocol for tests of devices (qtest), without a guest
that runs. The firmware would put them into memory by the commands of ``etc/table-loader``; so do we.

QEMU: docs/specs/fw_cfg.rst, hw/acpi/bios-linker-loader.c.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REGISTERS = 0x9020000
DATA, SELECTOR = REGISTERS, REGISTERS + 8
DIRECTORY = 0x19
ALLOCATE, ADD_POINTER, ADD_CHECKSUM = 1, 2, 3
BASE = 0x7F000000


@dataclass(frozen=True)
class Tables:
    """Memory from BASE on, and the address of the root pointer."""

    data: bytes
    rsdp: int


class _Machine:
    def __init__(self, words: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, command: str) -> list[str]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            word, *rest = line.split()
            if word != "IRQ":
                assert word == "OK", line
                return rest
        raise AssertionError(f"QEMU ended at {command}")

    def select(self, key: int) -> None:
        self.ask(f"writew {SELECTOR:#x} {int.from_bytes(key.to_bytes(2, 'little'), 'big'):#x}")

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            width, command = (8, "readq") if size - len(found) >= 8 else (1, "readb")
            found += int(self.ask(f"{command} {DATA:#x}")[0], 16).to_bytes(width, "little")
        return found

    def files(self) -> dict[str, tuple[int, int]]:
        """Size and key of each file, by its name."""
        self.select(DIRECTORY)
        (count,) = struct.unpack(">I", self.read(4))
        entries = [struct.unpack(">IHH56s", self.read(64)) for _ in range(count)]
        return {name.split(b"\0")[0].decode(): (size, key) for size, key, _, name in entries}


def tables_of(folder: Path, machine: str, *more: str) -> Tables:
    """The tables of ``-machine machine`` with firmware, which is never started."""
    qemu = shutil.which("qemu-system-aarch64")
    assert qemu, "run the tests with make test, which installs qemu-system-arm"
    (folder / "firmware").write_bytes(bytes(4096))
    words = (qemu, "-machine", machine, "-accel", "tcg", "-S", "-nodefaults", "-display", "none", "-qtest", "stdio")
    made = _Machine((*words, "-serial", "null", "-bios", str(folder / "firmware"), *more))
    try:
        files = made.files()
        contents = {}
        for name in ("etc/acpi/rsdp", "etc/acpi/tables", "etc/table-loader"):
            size, key = files[name]
            made.select(key)
            contents[name] = bytearray(made.read(size))
    finally:
        made.process.kill()
        made.process.communicate()
    return _linked(contents)


def _linked(files: dict[str, bytearray]) -> Tables:
    """The files in memory, one behind the other, with their pointers and check sums."""
    script = files.pop("etc/table-loader")
    places: dict[str, int] = {}
    at = BASE
    for name, data in files.items():
        places[name] = at
        at += len(data)
    for begin in range(0, len(script), 128):
        (command,) = struct.unpack_from("<I", script, begin)
        first, second = (
            bytes(script[begin + i : begin + i + 56]).split(b"\0")[0].decode(errors="replace") for i in (4, 60)
        )
        if command == ADD_POINTER:
            offset, size = struct.unpack_from("<IB", script, begin + 116)
            data = files[first]
            value = int.from_bytes(data[offset : offset + size], "little") + places[second]
            data[offset : offset + size] = value.to_bytes(size, "little")
        elif command == ADD_CHECKSUM:
            offset, start, length = struct.unpack_from("<3I", script, begin + 60)
            data = files[first]
            data[offset] = (data[offset] - sum(data[start : start + length])) & 0xFF
    return Tables(b"".join(files.values()), places["etc/acpi/rsdp"])
