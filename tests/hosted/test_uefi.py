"""The UEFI loader with firmware that lies: maps, allocations, graphics, load options, the end of boot services."""

from __future__ import annotations

import ctypes
import mmap
import random
from collections.abc import Iterator
from datetime import datetime

import pytest
from native import shared_object

from benchmarks.c_library import PixelFormat
from kgpt_build.kernel.addresses import Addresses

PAGE = 4096
ROOM = 8 << 20
KERNEL = 2 * PAGE + 5
NARROW, WIDE = (1, PAGE + 3, 2 * PAGE + 1), (17, PAGE - 3)  # where it holds addresses
RESERVED, LOADER, BOOT_DATA, RUNTIME, CONVENTIONAL, ACPI, PERSISTENT = 0, 2, 4, 6, 7, 9, 14
RGBX, BGRX, MASKS, BLT_ONLY = range(4)
NONE, RGB = 1, 2
GUID_OPTIONS = bytes.fromhex("8108ac4e9f11594d850ee21a522c59b2")

_FIELDS = (
    *("room", "room_end", "place", "place_is_taken", "allocations_left", "exits_refused", "map_grows", "step"),
    *("no_map", "no_loaded_image", "protection"),
    *("watchdog", "exits", "n_memory", "entered", "entry", "ramp", "executable"),
)


class Firmware(ctypes.Structure):
    """struct firmware of uefi_driver.c."""

    _fields_ = [(name, ctypes.c_uint64) for name in _FIELDS]


class Loader:
    """The loader on one made-up machine, whose memory is a list of (type, base, pages)."""

    def __init__(self, library: ctypes.CDLL, room: int) -> None:
        self.library, self.room = library, room
        library.driver_begin(room, ROOM)
        self.firmware = Firmware.in_dll(library, "firmware")
        self.kept: list[object] = []

    def memory(self, kind: int, base: int, pages: int, attributes: int = 0xF) -> None:
        self.library.driver_memory(kind, base, pages, attributes)

    def options(self, data: bytes) -> str:
        buffer = ctypes.create_string_buffer(data, len(data))
        self.kept.append(buffer)
        self.library.driver_options(buffer, len(data))
        assert self.boot()
        return str(self.library.driver_cmdline().decode())

    def boot(self) -> bool:
        """True if the kernel was entered."""
        failed = self.library.driver_boot()
        assert bool(self.firmware.entered) != bool(failed)
        return not failed

    @property
    def kernel(self) -> tuple[bytes, bytes]:
        """The kernel's bytes as the file has them, and as they lie at its entry."""
        in_file, loaded = ctypes.create_string_buffer(KERNEL), ctypes.create_string_buffer(KERNEL)
        self.library.driver_kernel(in_file, loaded)
        return in_file.raw, loaded.raw

    @property
    def said(self) -> str:
        return ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self.library, "said"))).decode()

    @property
    def regions(self) -> list[tuple[int, int]]:
        """Base and end of each region of RAM that the kernel got."""
        found = []
        size = ctypes.c_uint64()
        for i in range(257):
            base = self.library.driver_region(i, ctypes.byref(size))
            if not size.value:
                break
            found.append((base, base + size.value))
        return found

    def framebuffer(self) -> tuple[int, int, PixelFormat]:
        kind, format_ = ctypes.c_uint32(), PixelFormat()
        base = self.library.driver_framebuffer(ctypes.byref(kind), ctypes.byref(format_))
        return kind.value, base, format_

    def graphics(self, kind: int, size: tuple[int, int, int], base: int, masks: tuple[int, ...] = (0, 0, 0, 0)) -> None:
        self.library.driver_gop(kind, *size, ctypes.c_uint64(base), (ctypes.c_uint32 * 4)(*masks))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("uefi"), ["tests/hosted/uefi_driver.c"])
    for name in (
        "driver_boot",
        "driver_region",
        "driver_framebuffer",
        "driver_rsdp",
        "driver_tree",
        "driver_told_time",
    ):
        getattr(library, name).restype = ctypes.c_uint64
    for name in ("driver_cmdline", "driver_excess"):
        getattr(library, name).restype = ctypes.c_char_p
    library.driver_begin.argtypes = [ctypes.c_uint64] * 2
    library.driver_memory.argtypes = [ctypes.c_uint32, *[ctypes.c_uint64] * 3]
    library.driver_region.argtypes = [ctypes.c_uint64, ctypes.c_void_p]
    library.driver_tables.argtypes = [ctypes.c_void_p] * 3
    library.driver_has_memory.argtypes = [ctypes.c_uint64]
    return library


@pytest.fixture(scope="module")
def room() -> Iterator[int]:
    """Memory below 4 GiB."""
    map_32bit = 0x40
    with mmap.mmap(-1, ROOM, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | map_32bit) as memory:
        view = ctypes.c_char.from_buffer(memory)
        address = ctypes.addressof(view)
        assert address + ROOM < 1 << 32
        yield address
        del view


@pytest.fixture
def loader(library: ctypes.CDLL, room: int) -> Loader:
    return Loader(library, room)


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def test_an_honest_machine(loader: Loader) -> None:
    loader.memory(CONVENTIONAL, 0, 160)
    loader.memory(BOOT_DATA, 0x100000, 100)
    loader.memory(LOADER, 0x100000 + 100 * PAGE, 156)
    loader.memory(ACPI, 0x200000, 16)
    loader.memory(RUNTIME, 0x300000, 16)
    loader.memory(CONVENTIONAL, 1 << 32, 1 << 20)
    assert loader.boot()
    assert loader.regions == [(0, 160 * PAGE), (0x100000, 0x200000), (1 << 32, 2 << 32)]
    assert loader.firmware.watchdog == 0
    assert loader.firmware.exits == 1
    assert loader.firmware.entry == loader.room + 8
    in_file, loaded = loader.kernel
    assert in_file == loaded
    assert ctypes.string_at(loader.firmware.ramp, 4) == b"ramp"
    assert loader.framebuffer()[0] == NONE
    assert loader.library.driver_rsdp() == 0
    assert loader.library.driver_excess() is None


@pytest.mark.parametrize("step", [40, 48, 64, 128])
def test_thousands_of_descriptors_in_any_order(loader: Loader, step: int) -> None:
    """Neighbours become one region; of the others the largest 256 stay."""
    loader.firmware.step = step
    pieces = [(BOOT_DATA if i % 3 else CONVENTIONAL, i * 16 * PAGE, 16) for i in range(2000)]
    pieces += [(CONVENTIONAL, (1 << 32) + i * 1024 * PAGE, 1 + i) for i in range(1000)]
    random.Random(7).shuffle(pieces)
    for piece in pieces:
        loader.memory(*piece)
    assert loader.boot()
    regions = loader.regions
    assert len(regions) == 256
    assert (0, 2000 * 16 * PAGE) in regions
    least = sorted(end - base for base, end in regions)[0]
    assert least == (1000 - 254) * PAGE
    assert sorted(regions)[0][0] == 0


def test_what_overlaps_is_not_ram(loader: Loader) -> None:
    loader.memory(CONVENTIONAL, 0x100000, 256)
    loader.memory(RESERVED, 0x180000, 16)
    loader.memory(RUNTIME, 0x100000, 1)
    loader.memory(CONVENTIONAL, 0x1F0000, 32)
    loader.memory(RESERVED, 0x200000, 256)
    loader.memory(CONVENTIONAL, 0x210000, 16)
    assert loader.boot()
    assert loader.regions == [(0x101000, 0x180000), (0x190000, 0x200000)]


def test_memory_that_is_no_ram(loader: Loader) -> None:
    loader.memory(PERSISTENT, 0, 100)
    loader.memory(CONVENTIONAL, 1 << 20, 100, 0x40000)  # EFI_MEMORY_SP
    loader.memory(15, 2 << 20, 100)  # not accepted yet
    loader.memory(0x80000001, 3 << 20, 100)  # a type of the vendor's
    loader.memory(CONVENTIONAL, 4 << 20, 0)
    loader.memory(CONVENTIONAL, 0xFFFFFFFFFFFFF000, 1 << 60)
    loader.memory(CONVENTIONAL, 5 << 20, 1)
    assert loader.boot()
    assert loader.regions[0] == (5 << 20, (5 << 20) + PAGE)
    assert len(loader.regions) <= 2


@pytest.mark.parametrize("step", [0, 8, 39, 41])
def test_descriptors_of_impossible_sizes(loader: Loader, step: int) -> None:
    """Nothing in such a map can be believed."""
    loader.memory(CONVENTIONAL, 0, 100)
    loader.firmware.step = step
    assert not loader.boot()
    assert loader.said == "kgpt: error: the firmware does not end its boot services\r\n"


@pytest.mark.parametrize("refused", [1, 3, 15])
def test_the_end_of_boot_services_is_tried_again(loader: Loader, refused: int) -> None:
    loader.memory(CONVENTIONAL, 0, 100)
    loader.firmware.exits_refused, loader.firmware.map_grows = refused, 1
    assert loader.boot()
    assert loader.firmware.exits == refused + 1
    assert loader.regions == [(0, 100 * PAGE)]


def test_boot_services_that_never_end(loader: Loader) -> None:
    loader.memory(CONVENTIONAL, 0, 100)
    loader.firmware.exits_refused = 1 << 40
    assert not loader.boot()
    assert loader.said == "kgpt: error: the firmware does not end its boot services\r\n"


def test_no_memory_map(loader: Loader) -> None:
    loader.firmware.no_map = 1
    assert not loader.boot()
    assert "does not end" in loader.said


def test_a_loader_that_is_not_told_where_it_lies(loader: Loader) -> None:
    loader.firmware.no_loaded_image = 1
    assert not loader.boot()
    assert loader.said == "kgpt: error: the firmware does not tell where the file lies\r\n"


def test_no_memory_at_each_allocation(loader: Loader) -> None:
    """Ramp, handover, map: each refusal is one line, and with one allocation more it goes on."""
    said = []
    for allocations in range(8):
        again = Loader(loader.library, loader.room)
        again.memory(CONVENTIONAL, 0, 100)
        again.firmware.allocations_left = allocations
        if again.boot():
            break
        said.append(again.said)
    assert len(said) == 3
    assert all(line.startswith("kgpt: error: ") and line.count("\r\n") == 1 for line in said)


def test_a_kernel_whose_place_is_taken(loader: Loader) -> None:
    """It lies elsewhere, at a multiple of 2 MiB, and each address in it is moved by the distance."""
    loader.firmware.place_is_taken = 1
    loader.memory(CONVENTIONAL, 0, 100)
    assert loader.boot()
    in_file, loaded = loader.kernel
    place = loader.firmware.entry - 8
    assert place % (2 << 20) == 0
    assert loader.room < place < loader.room + ROOM
    assert loaded == Addresses(NARROW, WIDE).moved(in_file, place - loader.room)


def test_a_place_is_taken_and_there_is_no_other(loader: Loader) -> None:
    loader.firmware.place_is_taken = 1
    loader.firmware.room = loader.firmware.room_end - (2 << 20)
    assert not loader.boot()
    assert loader.said == "kgpt: error: there is no free memory below 2 GiB in one piece for the kernel\r\n"


def test_a_place_above_2_gib_is_none(loader: Loader) -> None:
    """The kernel's code has addresses of 31 bits."""
    loader.firmware.place_is_taken = 1
    loader.firmware.room, loader.firmware.room_end = 2 << 30, 3 << 30
    assert not loader.boot()
    assert "below 2 GiB" in loader.said


def test_protected_memory(loader: Loader) -> None:
    loader.memory(CONVENTIONAL, 0, 100)
    loader.firmware.protection = 1
    assert loader.boot()
    assert loader.firmware.executable == loader.firmware.ramp


def test_protection_that_cannot_be_changed(loader: Loader) -> None:
    loader.firmware.protection = 2
    assert not loader.boot()
    assert "no executable page" in loader.said


def test_graphics_of_firmware(loader: Loader) -> None:
    loader.memory(CONVENTIONAL, 0, 100)
    loader.graphics(BGRX, (1920, 1080, 2048), 0x80_0000_0000)
    assert loader.boot()
    kind, base, found = loader.framebuffer()
    assert (kind, base) == (RGB, 0x80_0000_0000)
    assert (found.width, found.height, found.pitch, found.bpp) == (1920, 1080, 8192, 32)
    assert (found.red, found.green, found.blue) == (16, 8, 0)


@pytest.mark.parametrize(
    ("masks", "bpp", "places"),
    [
        ((0xF800, 0x7E0, 0x1F, 0), 16, (11, 5, 0)),
        ((0x7C00, 0x3E0, 0x1F, 0x8000), 16, (10, 5, 0)),
        ((0xFF, 0xFF00, 0xFF0000, 0), 24, (0, 8, 16)),
        ((0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), 32, (20, 10, 0)),
    ],
)
def test_odd_pixels(loader: Loader, masks: tuple[int, ...], bpp: int, places: tuple[int, ...]) -> None:
    loader.graphics(MASKS, (800, 600, 832), 0x80000000, masks)
    assert loader.boot()
    kind, _, found = loader.framebuffer()
    assert kind == RGB
    assert (found.bpp, found.pitch) == (bpp, 832 * bpp // 8)
    assert (found.red, found.green, found.blue) == places


@pytest.mark.parametrize(
    ("kind", "size", "base", "masks"),
    [
        (BLT_ONLY, (800, 600, 800), 0x80000000, (0, 0, 0, 0)),
        (7, (800, 600, 800), 0x80000000, (0, 0, 0, 0)),
        (BGRX, (800, 600, 800), 0, (0, 0, 0, 0)),
        (BGRX, (0, 600, 800), 0x80000000, (0, 0, 0, 0)),
        (BGRX, (800, 0, 800), 0x80000000, (0, 0, 0, 0)),
        (BGRX, (800, 600, 799), 0x80000000, (0, 0, 0, 0)),
        (BGRX, (800, 600, 0xFFFFFFFF), 0x80000000, (0, 0, 0, 0)),
        (MASKS, (800, 600, 800), 0x80000000, (0, 0, 0, 0)),
        (MASKS, (800, 600, 800), 0x80000000, (0xF00F, 0xF0, 0xF00, 0)),
    ],
)
def test_graphics_without_a_framebuffer(
    loader: Loader, kind: int, size: tuple[int, int, int], base: int, masks: tuple[int, ...]
) -> None:
    loader.graphics(kind, size, base, masks)
    assert loader.boot()
    assert loader.framebuffer()[0] == NONE


@pytest.mark.parametrize(("older", "newer", "taken"), [(0, 0, 0), (5, 0, 5), (0, 7, 7), (5, 7, 7)])
def test_acpi(loader: Loader, older: int, newer: int, taken: int) -> None:
    loader.library.driver_tables(older, newer, 9)
    assert loader.boot()
    assert loader.library.driver_rsdp() == taken
    assert loader.library.driver_tree() == 9


@pytest.mark.parametrize(
    ("numbers", "zone", "told"),
    [
        ((2031, 2, 3, 4, 5, 6), 0, "2031-02-03T04:05:06"),
        ((2031, 2, 3, 4, 5, 6), 2047, "2031-02-03T04:05:06"),
        ((2031, 12, 31, 23, 5, 6), 480, "2032-01-01T07:05:06"),
        ((2028, 3, 1, 0, 5, 6), -60, "2028-02-29T23:05:06"),
        ((2000, 1, 1, 0, 0, 0), 0, "2000-01-01T00:00:00"),
        ((2099, 12, 31, 23, 59, 59), 0, "2099-12-31T23:59:59"),
        ((1999, 12, 31, 0, 0, 0), 0, None),
        ((2100, 1, 1, 0, 0, 0), 0, None),
        ((2031, 0, 3, 4, 5, 6), 0, None),
        ((2031, 13, 3, 4, 5, 6), 0, None),
        ((2031, 2, 0, 4, 5, 6), 0, None),
        ((2031, 2, 32, 4, 5, 6), 0, None),
        ((2031, 2, 3, 24, 5, 6), 0, None),
        ((2031, 2, 3, 4, 60, 6), 0, None),
        ((2031, 2, 3, 4, 5, 60), 0, None),
        (None, 0, None),
    ],
)
def test_the_time_of_day(loader: Loader, numbers: tuple[int, ...] | None, zone: int, told: str | None) -> None:
    fields = (ctypes.c_int32 * 7)(*numbers, zone) if numbers else None
    expected = int(datetime.fromisoformat(f"{told}Z").timestamp()) if told else 0
    loader.library.driver_time(fields, ctypes.c_uint64(0))
    assert loader.boot()
    assert loader.library.driver_told_time() == expected
    loader.library.driver_time(fields, ctypes.c_uint64(1 << 63 | 7))
    assert loader.boot()
    assert loader.library.driver_told_time() == 0


def test_each_gib_with_memory_is_marked(loader: Loader) -> None:
    """Whatever holds something, such as tables of ACPI; not what may be devices."""
    gib = 1 << 30
    loader.memory(CONVENTIONAL, 3 * gib - PAGE, 2)
    loader.memory(ACPI, 70 * gib, 1)
    loader.memory(RUNTIME, 511 * gib, 1 << 19)
    loader.memory(RESERVED, 5 * gib, 16)
    loader.memory(11, 6 * gib, 16)  # registers of devices
    loader.memory(CONVENTIONAL, 8 * gib, 0)
    assert loader.boot()
    assert [i for i in range(512) if loader.library.driver_has_memory(i)] == [2, 3, 70, 511]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (b"", ""),
        (utf16("seed=7 exit\0"), "seed=7 exit"),
        (utf16("seed=7 exit"), "seed=7 exit"),
        (utf16("seed=7\0more"), "seed=7"),
        (utf16("seed=7") + b"x", "seed=7"),
        (utf16("kgpt.efi seed=7\0"), " seed=7"),
        (utf16("fs0:\\EFI\\kgpt.EFI exit\0"), " exit"),
        (utf16("prompt=Grüße,世界🌍 exit\0"), "prompt=Grüße,世界🌍 exit"),
        (utf16("prompt=") + b"\x00\xd8" + utf16("a"), ""),
        (utf16("a\tb"), ""),
        (GUID_OPTIONS, ""),
        (b"\xff" * 64, ""),
        (b"x", ""),
    ],
)
def test_load_options(loader: Loader, options: bytes, words: str) -> None:
    assert loader.options(options).strip() == words.strip()


def test_load_options_of_any_bytes(loader: Loader) -> None:
    """They become UTF-8 without control characters, or nothing."""
    noise = random.Random(15)
    for _ in range(300):
        again = Loader(loader.library, loader.room)
        text = again.options(noise.choice([b"", utf16("seed=7 ")]) + noise.randbytes(noise.randrange(40)))
        assert all(ord(char) >= 32 for char in text)


def test_the_longest_load_options(loader: Loader) -> None:
    assert loader.options(utf16("x" * 4095)) == "x" * 4095
    assert loader.library.driver_excess() is None
    again = Loader(loader.library, loader.room)
    again.options(utf16("x" * 4096))
    assert again.library.driver_excess() == b"the load options are longer than 4095 bytes"
