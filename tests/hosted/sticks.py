"""The boot menu of kgpt.efi with a made-up medium, HTTP server or TFTP server: stick_driver.c for Python."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from native import shared_object

from kgpt_build.headers import font

STICK, HTTP, TFTP = range(3)
"""Where the files are."""
SOURCES = [
    "tests/hosted/stick_driver.c",
    *(f"kernel_c/loader/{name}.c" for name in ("menu", "menu_file", "menu_rows", "progress")),
    *(f"kernel_c/console/{name}.c" for name in ("font", "pixels")),
    *(f"kernel_c/core/{name}.c" for name in ("error", "format", "parse", "str", "utf8")),
    *(f"kernel_c/core/digest/{name}.c" for name in ("sha256", "sha256_absent")),
]
ROOM = 24 << 20
UP, DOWN, ESCAPE, ENTER = (1, 0), (2, 0), (23, 0), (0, 13)
ABORTED, DENIED = 1 << 63 | 21, 1 << 63 | 26
MODEL = bytes(range(256)) * 9000  # more than two pieces
CHAT = b"a chat template"
_NAMES = (
    *("memory", "memory_end", "most_bytes", "fails_after", "served_size", "http_status", "silent"),
    *(
        "silent_after",
        "tries_late",
        "no_length",
        "no_service",
        "load_status",
        "has_serial",
        "far_server",
        "in_folder",
        "old_client",
        "refused_packets",
        "slow_stalls",
        "pages",
        "calls",
        "requests",
        "children",
        "events",
        "started",
    ),
)


class World(ctypes.Structure):
    """struct world of stick_world.h."""

    _fields_ = [(name, ctypes.c_uint64) for name in _NAMES]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


MENU = f"""timeout 1
entry chat Chat
words mode=chat
module /models/m.gguf m.gguf sha256={sha(MODEL)}
module /models/m.kgct m.kgct kind=template sha256={sha(CHAT)}
entry other Another kernel
kernel /kgpt/other.efi
words mode=shell
"""
LOADED = [("m.gguf", MODEL, True), ("m.kgct", CHAT, True)]
FILES = {"/kgpt/menu.cfg": MENU.encode(), "/models/m.gguf": MODEL, "/models/m.kgct": CHAT}


def node(kind: int, subtype: int, data: bytes) -> bytes:
    return struct.pack("<BBH", kind, subtype, 4 + len(data)) + data


def device_path(url: str, address: bytes = bytes(4)) -> bytes:
    """Of a card with an address of IPv4 (UEFI Specification 2.10, sections 10.3.4.12 and 10.3.4.23)."""
    ipv4 = address + bytes(4 + 2 + 2 + 2 + 1 + 4) + bytes([255, 255, 255, 0])
    return node(3, 12, ipv4) + node(3, 24, url.encode()) + node(0x7F, 0xFF, b"")


class Machine:
    """A machine that has files on a medium, or on a server that booted it: ``path`` has its URL, or it has sent
    ``answers`` to PXE (DHCP's, a proxy's, a boot server's).
    """

    def __init__(
        self, library: ctypes.CDLL, memory: int, path: bytes, server: int, answers: tuple[bytes | None, ...] = ()
    ) -> None:
        self.library, self.server = library, server
        library.driver_begin(memory, ROOM, path, len(path), server != STICK)
        if server == TFTP:
            library.driver_pxe(*answers, PACKET)
        self.world = World.in_dll(library, "world")
        self.kept: list[bytes] = []

    def run(self, files: dict[str, bytes], *keys: tuple[int, int]) -> bool:
        """True if it goes on to the kernel."""
        for path, data in files.items():
            self.kept.append(data)
            self.library.driver_file(path.encode(), data, len(data))
        for key in keys:
            self.library.driver_key(*key)
        ran = bool(self.library.driver_run())
        assert (self.world.children, self.world.events) == (0, 0), "a file or a connection stayed open"
        return ran

    @property
    def said(self) -> str:
        return ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self.library, "said"))).decode()

    @property
    def modules(self) -> list[tuple[str, bytes, bool]]:
        """Name, bytes, and whether the hash was compared."""
        found = []
        size, name, checked = ctypes.c_uint64(), ctypes.c_char_p(), ctypes.c_bool()
        for i in range(self.library.driver_modules()):
            base = self.library.driver_module(i, ctypes.byref(size), ctypes.byref(name), ctypes.byref(checked))
            found.append(((name.value or b"").decode(), ctypes.string_at(base, size.value), checked.value))
        return found

    @property
    def words(self) -> str:
        return str(self.library.driver_cmdline().decode())


PACKET = 1472
"""Bytes of the buffers that PXE keeps answers in."""


def answer(
    file: str = "lm/kgpt.efi",
    server: bytes = bytes([10, 0, 0, 2]),
    *options: tuple[int, bytes],
    file_field: bytes | None = None,
) -> bytes:
    """A DHCP server's message (RFC 2131, section 2; RFC 2132)."""
    fields = bytes([2, 1, 6, 0]) + bytes(16) + server + bytes(4 + 16 + 64)
    named = (file_field if file_field is not None else file.encode()).ljust(128, b"\0")
    told = b"".join(bytes([code, len(value)]) + value for code, value in options)
    return (fields + named + bytes.fromhex("63825363") + bytes([0, 0]) + told + b"\xff").ljust(PACKET, b"\0")


def load(folder: Path) -> ctypes.CDLL:
    """The driver, compiled in ``folder``."""
    (folder / font.NAME).write_text(font.text("1"))
    library = shared_object(folder, SOURCES, include=folder)
    library.driver_picture.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32]
    library.driver_begin.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_bool]
    library.driver_file.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint64]
    library.driver_pxe.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    library.driver_run.restype = ctypes.c_bool
    library.driver_module.restype = ctypes.c_void_p
    library.driver_cmdline.restype = ctypes.c_char_p
    library.driver_options.restype = ctypes.c_void_p
    library.driver_key_taken.restype = ctypes.c_uint64
    return library


def low_memory() -> Iterator[int]:
    """ROOM bytes below 4 GiB."""
    with mmap.mmap(-1, ROOM, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40) as pages:  # MAP_32BIT
        view = ctypes.c_char.from_buffer(pages)
        yield ctypes.addressof(view)
        del view


def machine_of(
    library: ctypes.CDLL,
    memory: int,
    server: int,
    url: str = "http://10.0.2.2:80/lm/kgpt.efi",
    address: bytes = bytes(4),
    answers: tuple[bytes | None, ...] = (answer(), None, None),
) -> Machine:
    path = node(0x7F, 0xFF, b"") if server == TFTP else device_path(url, address)
    machine = Machine(library, memory, path, server, answers)
    machine.world.in_folder = 1
    return machine


SILENT = {
    "the menu": (0, "/kgpt/menu.cfg", (ESCAPE,)),
    "a size": (2, "/models/m.gguf", (ENTER, ESCAPE)),
    "a model": (3, "/models/m.gguf", (ENTER, ESCAPE)),
}
"""How many requests a server answers before it is silent, what is then waited for, and the keys of its user."""


def silences(said: str, path: str) -> list[int]:
    """The seconds without an answer that the screen has told."""
    return [int(text) for text in re.findall(rf"{path}: no answer for (\d+) s of 30\. Esc ends the wait\.", said)]


def lie(machine: Machine, change: dict[str, int]) -> None:
    """Give the machine a server whose answers are wrong: fields of its world, and their values."""
    for name, value in change.items():
        setattr(machine.world, name, value)
    if "no_service" in change:
        machine.world.children -= 1  # create_child has counted what it did not make
