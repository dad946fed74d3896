"""Which RAM becomes the arena, and which gives pages to page tables and devices, on made-up memory maps."""

from __future__ import annotations

import ctypes
import mmap
import random
from collections.abc import Iterator, Sequence

import pytest
from native import shared_object

PAGE = 4096
SIZE = 16 << 20
MODULE, RAM, RESERVED = 0, 1, 2
KEPT = 16 * PAGE
FOUR_GIB = 1 << 32
BASES = range(0x3000_0000, FOUR_GIB, 64 << 20)
"""Where the memory that is really there may lie, unless the process has something there: below 4 GiB, as the entry code
wants page tables."""


class Region(ctypes.Structure):
    """``struct kg_region``."""

    _fields_ = (("base", ctypes.c_uint64), ("size", ctypes.c_uint64), ("type", ctypes.c_uint32))


class Outside(ctypes.Structure):
    """``struct kg_outside``."""

    _fields_ = (("size", ctypes.c_uint64), ("used", ctypes.c_uint64))


class Memory:
    """kernel_c/platform/common/memory.c. Addresses are offsets from ``base``."""

    def __init__(self, library: ctypes.CDLL, base: int) -> None:
        self.base = base
        self.library = library
        library.driver_memory.restype = ctypes.c_bool
        library.plat_outside.restype = Outside
        for name in ("kg_memory_pages", "kg_memory_arena", "plat_dma"):
            getattr(library, name).restype = ctypes.c_void_p
        library.kg_memory_pages.argtypes = [ctypes.c_size_t]
        library.plat_dma.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_uint64]

    def begin(self, regions: Sequence[tuple[int, int, int]]) -> bool:
        """(offset, size, type) of each region."""
        rows = (Region * len(regions))(*(Region(self.base + at, size, kind) for at, size, kind in regions))
        return bool(self.library.driver_memory(rows, len(regions)))

    def arena(self) -> tuple[int, int]:
        size = ctypes.c_size_t()
        return self.library.kg_memory_arena(ctypes.byref(size)) - self.base, size.value

    def pages(self, n: int) -> int | None:
        address = self.library.kg_memory_pages(n)
        return None if address is None else address - self.base

    def dma(self, size: int, alignment: int = 1, limit: int = (1 << 64) - 1) -> int | None:
        address = self.library.plat_dma(size, alignment, limit)
        return None if address is None else address - self.base

    def outside(self) -> tuple[int, int]:
        """Bytes outside the arena, and those of them that are used."""
        outside = self.library.plat_outside()
        return outside.size, outside.used


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x100000  # MAP_FIXED_NOREPLACE
    writable = mmap.PROT_READ | mmap.PROT_WRITE
    base = next(base for base in BASES if libc.mmap(base, SIZE, writable, flags, -1, 0) == base)
    yield Memory(shared_object(tmp_path_factory.mktemp("memory"), ["tests/hosted/memory_driver.c"]), base)
    assert libc.munmap(base, SIZE) == 0


MB = 1 << 20
TWO_RUNS = ((0, 2 * MB, RAM), (4 * MB, 8 * MB, RAM))


def test_no_memory(memory: Memory) -> None:
    assert not memory.begin(())
    assert not memory.begin(((0, MB, RESERVED),))
    assert not memory.begin(((0, MB, RAM), (0, MB, RESERVED)))


def test_the_largest_run_is_the_arena_and_stays_whole(memory: Memory) -> None:
    assert memory.begin(TWO_RUNS)
    assert memory.pages(3) == 0
    assert memory.arena() == (4 * MB, 8 * MB)
    assert memory.outside() == (2 * MB, 3 * PAGE)
    assert memory.pages(1) == 3 * PAGE
    assert memory.dma(PAGE + 1) == 4 * PAGE
    assert memory.outside() == (2 * MB, 6 * PAGE)


def test_pages_are_zeroed(memory: Memory) -> None:
    assert memory.begin(TWO_RUNS)
    ctypes.memset(memory.base, 0xFF, 4 * PAGE)
    memory.arena()
    at = memory.dma(2 * PAGE)
    assert at is not None
    assert ctypes.string_at(memory.base + at, 2 * PAGE) == bytes(2 * PAGE)
    assert ctypes.string_at(memory.base + at + 2 * PAGE, 1) == b"\xff"


def test_pages_before_the_arena_is_given_come_from_it_if_they_must(memory: Memory) -> None:
    assert memory.begin(((0, PAGE, RAM), (4 * MB, 8 * MB, RAM)))
    assert [memory.pages(1), memory.pages(1), memory.pages(2)] == [0, 4 * MB, 4 * MB + PAGE]
    assert memory.arena() == (4 * MB + 3 * PAGE + KEPT, 8 * MB - 3 * PAGE - KEPT)
    assert memory.outside() == (KEPT + 4 * PAGE, 4 * PAGE)
    assert memory.pages(16) == 4 * MB + 3 * PAGE
    assert memory.pages(1) is None


def test_pages_of_the_arena_can_be_given_back(memory: Memory) -> None:
    assert memory.begin(((0, MB, RAM),))
    base, _ = memory.arena()
    assert memory.pages(17) is None
    memory.library.kg_memory_give(ctypes.c_void_p(memory.base + base + 100), ctypes.c_size_t(21 * PAGE))
    assert memory.pages(20) == base + PAGE


@pytest.mark.parametrize("alignment", [1, PAGE, 2 * PAGE, 65536, MB])
def test_alignment(memory: Memory, alignment: int) -> None:
    assert memory.begin(((PAGE, 2 * MB - PAGE, RAM), (4 * MB, 8 * MB, RAM)))
    memory.arena()
    at = memory.dma(64, alignment)
    assert at is not None
    assert (memory.base + at) % alignment == 0
    assert PAGE <= at < 2 * MB


@pytest.mark.parametrize(("limit", "there"), [(PAGE - 1, True), (PAGE - 2, False), (MB, True), (0, False)])
def test_the_highest_address(memory: Memory, limit: int, there: bool) -> None:
    """Is that of the last byte."""
    assert memory.begin(TWO_RUNS)
    memory.arena()
    assert memory.dma(PAGE, limit=memory.base + limit) == (0 if there else None)


def test_what_is_too_much(memory: Memory) -> None:
    assert memory.begin(TWO_RUNS)
    memory.arena()
    for size in (0, 2 * MB + 1, 1 << 40, (1 << 64) - 1, (1 << 64) - PAGE):
        assert memory.dma(size) is None
    assert memory.dma(PAGE, 1 << 63) is None
    assert memory.dma(2 * MB) == 0
    assert memory.dma(1) is None


def test_ram_that_a_map_lists_twice_is_used_once(memory: Memory) -> None:
    assert memory.begin(((0, 4 * MB, RAM), (0, 4 * MB, RAM), (MB, 2 * MB, RAM)))
    assert memory.arena() == (KEPT, 4 * MB - KEPT)
    assert memory.outside() == (KEPT, 0)


def test_more_runs_than_are_kept(memory: Memory) -> None:
    """The smallest are left out."""
    assert memory.begin([(i * 16 * PAGE, (i % 8 + 1) * PAGE, RAM) for i in range(80)] + [(8 * MB, MB, RAM)])
    assert memory.arena() == (8 * MB + KEPT, MB - KEPT)
    size, _ = memory.outside()
    assert size >= KEPT + 31 * 5 * PAGE


def _pieces(regions: Sequence[tuple[int, int, int]]) -> set[int]:
    """The pages that are RAM and nothing else."""
    ram: set[int] = set()
    other: set[int] = set()
    for at, size, kind in regions:
        if kind == RAM:
            ram.update(range(-(-at // PAGE), (at + size) // PAGE))
        else:
            other.update(range(at // PAGE, -(-(at + size) // PAGE)))
    return ram - other


def _longest(pages: set[int]) -> int:
    """How many follow each other."""
    longest = now = 0
    for page in range(SIZE // PAGE):
        now = now + 1 if page in pages else 0
        longest = max(longest, now)
    return longest


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_any_map(memory: Memory, seed: int) -> None:
    """Nothing is used twice, and nothing that is not free RAM; the arena is the largest run, but for what is kept."""
    for more in range(10):
        _try_a_map(memory, random.Random(seed + more))


def _try_a_map(memory: Memory, chance: random.Random) -> None:
    kinds = [RAM] * chance.randrange(1, 5) + [
        chance.choice((RAM, RESERVED, MODULE)) for _ in range(chance.randrange(9))
    ]
    regions = []
    for kind in kinds:
        at = chance.randrange(SIZE - PAGE)
        regions.append((at, chance.randrange(1, min(SIZE - at, 3 * MB)), kind))
    free = _pieces(regions)
    if not memory.begin(regions):
        assert not free
        return
    used: set[int] = set()

    def use(at: int | None, size: int) -> None:
        if at is not None:
            pages = set(range(at // PAGE, (at + size) // PAGE))
            assert pages <= free
            assert not pages & used
            used.update(pages)

    for _ in range(chance.randrange(4)):
        n = chance.randrange(1, 9)
        use(memory.pages(n), n * PAGE)
    base, size = memory.arena()
    # A boundary between two regions of RAM may end a run.
    assert not used or size <= _longest(free) * PAGE
    assert used or kinds.count(RAM) > 1 or size >= _longest(free) * PAGE - KEPT
    use(base, size)
    for _ in range(20):
        n = chance.choice((1, 2, 16, 100, 400))
        use(memory.dma(n * PAGE, chance.choice((1, PAGE, 65536))), n * PAGE)
    whole, taken = memory.outside()
    assert taken <= whole
    assert whole + size <= len(free) * PAGE
