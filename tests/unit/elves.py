"""A small ELF64 kernel made of bytes, for tests that must not need a compiler; every part can be made wrong."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from kgpt_build.headers.blob import model_blob
from kgpt_build.models import Model

BASE = 0x1000000
PAGE = 0x1000
R, W, X = 4, 2, 1
AARCH64 = 183


@dataclass
class Part:
    """A section, and the segment that loads it."""

    name: str
    data: bytes
    segment_flags: int
    section_flags: int
    kind: int = 1


@dataclass
class Elf:
    """What the file says; the defaults are those of a good kernel."""

    model: Model
    machine: int = 62
    elf_type: int = 2
    text_flags: int = R | X
    data_flags: int = R | W
    multiboot1_checksum: int = -(0x1BADB002 + 0x10003) & 0xFFFFFFFF
    multiboot2_magic: int = 0xE85250D6
    note_name: bytes = b"Xen\0"
    entry: int = BASE + 0x80
    load_end: int | None = None
    image_size: int | None = None
    """Of an image for loaders of Linux, which kernels for aarch64 are."""
    undefined: str = ""
    tests: list[str] = field(default_factory=lambda: ["suite.one", "suite.two"])

    def write(self, path: Path) -> Path:
        path.write_bytes(self.build())
        return path

    def build(self) -> bytes:
        parts = self._parts()
        phoff, phnum = 64, len(parts) + 1
        body, headers, sections, offset = b"", b"", [b"\0" * 64], PAGE
        names = b"\0"
        for part in parts:
            address = BASE + offset - PAGE
            size = len(part.data)
            headers += struct.pack("<2I6Q", 1, part.segment_flags, offset, address, address, size, size, PAGE)
            sections.append(
                struct.pack("<2I4Q2I2Q", len(names), part.kind, part.section_flags, address, offset, size, 0, 0, 64, 0)
            )
            names += part.name.encode() + b"\0"
            body = body.ljust(offset - PAGE, b"\0") + part.data
            offset = PAGE + -(-len(body) // PAGE) * PAGE
        note = PAGE * 2
        headers += struct.pack("<2I6Q", 4, R, note, BASE + PAGE, BASE + PAGE, 20, 20, 4)
        image = (self._header(phoff, phnum) + headers).ljust(PAGE, b"\0") + body
        return self._with_tables(image, sections, names)

    def _parts(self) -> list[Part]:
        blob = model_blob(self.model)
        addresses = {name: BASE + index * PAGE for index, name in enumerate(("text", "rodata", "data", "model"))}
        end = addresses["model"] + len(blob)
        header = self._linux(end) if self.machine == AARCH64 else self._multiboot(end)
        text = header.ljust(0x200, b"\x90")
        return [
            Part(".text", text, self.text_flags, 6),
            Part(".rodata", self._note().ljust(0x40, b"\0") + self._test_names(), R, 2),
            Part(".data", b"\0" * 0x100, self.data_flags, 3),
            Part(".kgpt.model", blob, R, 2),
        ]

    def _multiboot(self, end: int) -> bytes:
        end = self.load_end or end
        first = struct.pack("<8I", 0x1BADB002, 0x10003, self.multiboot1_checksum, BASE, BASE, end, 0, self.entry)
        check = -(0xE85250D6 + 24) & 0xFFFFFFFF
        return first + struct.pack("<4I2HI", self.multiboot2_magic, 0, 24, check, 0, 0, 8)

    def _linux(self, end: int) -> bytes:
        return struct.pack("<2I6Q4sI", 0, 0, 0, self.image_size or end - BASE, 0xA, 0, 0, 0, b"ARM\x64", 0)

    def _note(self) -> bytes:
        return struct.pack("<3I", 4, 4, 18) + self.note_name + struct.pack("<I", self.entry)

    def _test_names(self) -> bytes:
        return b"".join(name.encode() + b"\0" for name in self.tests)

    def _header(self, phoff: int, phnum: int) -> bytes:
        ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
        rest = (self.elf_type, self.machine, 1, self.entry, phoff, 0, 0, 64, 56, phnum, 64, 0, 0)
        return ident + struct.pack("<2HI3QI6H", *rest)

    def _with_tables(self, image: bytes, sections: list[bytes], names: bytes) -> bytes:
        """Append kgpt_tests' pointers, symbols, strings and section headers, and point the ELF header at them."""
        strings = b"\0start\0" + (self.undefined.encode() + b"\0" if self.undefined else b"")
        symbols = b"\0" * 24 + struct.pack("<I2BHQQ", 1, 0x12, 0, 1, self.entry, 16)
        if self.undefined:
            symbols += struct.pack("<I2BHQQ", 7, 0x10, 0, 0, 0, 0)
        address, pointers = BASE + PAGE + 0x40, b""
        for name in self.tests:
            pointers += struct.pack("<QQQ", address, address, self.entry)
            address += len(name) + 1
        count = len(sections)
        tables = (
            (b"kgpt_tests", 1, pointers, 0, 0, 0),
            (b".symtab", 2, symbols, count + 2, 1, 24),
            (b".strtab", 3, strings, 0, 0, 0),
            (b".shstrtab", 3, b"", 0, 0, 0),
        )
        for title, kind, content, link, info, entsize in tables:
            image = image.ljust(-(-len(image) // 8) * 8, b"\0")
            at = len(names)
            names += title + b"\0"
            content = names if title == b".shstrtab" else content
            sections.append(struct.pack("<2I4Q2I2Q", at, kind, 0, 0, len(image), len(content), link, info, 8, entsize))
            image += content
        image = image.ljust(-(-len(image) // 8) * 8, b"\0")
        shoff, shnum = len(image), len(sections)
        image += b"".join(sections)
        return image[:40] + struct.pack("<Q", shoff) + image[48:60] + struct.pack("<2H", shnum, shnum - 1) + image[64:]
