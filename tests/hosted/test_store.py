"""The store of memory that lasts: killed at every write, and within each, it shows the old or the new state."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable

import pytest
from native import shared_object

from kgpt_build.errors import KgptError
from kgpt_build.memory import empty_store, read_store

SECTOR = 512
_SOURCES = (
    *("kernel_c/store/store.c", "kernel_c/store/store_change.c"),
    *("kernel_c/core/digest/crc32.c", "kernel_c/core/digest/crc32_long.c"),
    *("kernel_c/core/error.c", "kernel_c/core/format.c", "kernel_c/core/str.c", "kernel_c/core/utf8.c"),
)
_IO = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t)
OK = 0
State = dict[str, bytes]


class _Medium(ctypes.Structure):
    """struct kg_store_medium."""

    _fields_ = (("context", ctypes.c_void_p), ("size", ctypes.c_uint64), ("read", _IO), ("write", _IO))


class Disk:
    """A made-up medium that is unplugged behind a number of sectors, perhaps within a write.

    ``shuffled``: the sectors of one write reach it in any order.
    """

    def __init__(
        self, area: bytes | bytearray, sectors: int | None = None, *, writable: bool = True, shuffled: bool = False
    ) -> None:
        self.area = bytearray(area)
        self.order = random.Random(11) if shuffled else None
        self.left = sectors
        self.written = 0
        self.medium = _Medium(None, len(area), _IO(self._read), _IO(self._write) if writable else _IO())

    def _read(self, _context: int, offset: int, to: int, n: int) -> bool:
        assert offset % 4096 == 0
        assert n % 4096 == 0
        if offset + n > len(self.area):
            return False
        ctypes.memmove(to, bytes(self.area[offset : offset + n]), n)
        return True

    def _write(self, _context: int, offset: int, source: int, n: int) -> bool:
        assert offset % 4096 == 0
        assert n % 4096 == 0
        assert 4096 <= offset <= len(self.area) - n  # the first block is never written
        data = ctypes.string_at(source, n)
        places = list(range(0, n, SECTOR))
        if self.order:
            self.order.shuffle(places)
        for at in places:
            if self.left == 0:
                return False
            self.left = None if self.left is None else self.left - 1
            self.area[offset + at : offset + at + SECTOR] = data[at : at + SECTOR]
            self.written += 1
        return True


class Store:
    """``struct kg_store`` over a Disk."""

    def __init__(self, library: ctypes.CDLL, disk: Disk) -> None:
        self.library, self.disk = library, disk
        self.memory = ctypes.create_string_buffer(64 * 1024)
        self.error = ctypes.create_string_buffer(1024)
        self.status = library.kg_store_open(self.memory, ctypes.byref(disk.medium), self.error)
        library.kg_store_find.restype = ctypes.c_void_p

    @property
    def says(self) -> str:
        """The message of the last refusal."""
        return self.error.value.decode()

    def put(self, name: str, data: bytes) -> bool:
        """Keep a record."""
        size = ctypes.c_uint64(len(data))
        return bool(self.library.kg_store_put(self.memory, 1, name.encode(), data, size, self.error) == OK)

    def get(self, name: str) -> bytes | None:
        """Its bytes; None if there is none, or it is damaged."""
        record = self.library.kg_store_find(self.memory, 1, name.encode())
        if not record:
            return None
        size = int.from_bytes(ctypes.string_at(record + 40, 8), "little")
        to = ctypes.create_string_buffer(size)
        status = self.library.kg_store_get(self.memory, ctypes.c_void_p(record), to, self.error)
        return to.raw if status == OK else None

    def remove(self, name: str) -> bool:
        """Forget a record."""
        record = ctypes.c_void_p(self.library.kg_store_find(self.memory, 1, name.encode()))
        return bool(self.library.kg_store_remove(self.memory, record, self.error) == OK)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return shared_object(tmp_path_factory.mktemp("store"), _SOURCES)


def noise(seed: int, n: int) -> bytes:
    return random.Random(seed).randbytes(n)


def state(library: ctypes.CDLL, area: bytes | bytearray) -> State:
    """What C reads, which is what Python reads."""
    store, read = Store(library, Disk(area)), read_store(bytes(area))
    assert store.status == OK, store.says
    found = {record.name: store.get(record.name) for record in read.records}
    assert found == {record.name: record.data for record in read.records if record.whole}
    return {name: data for name, data in found.items() if data is not None}


KEPT = {"a": noise(1, 20_000), "b": noise(2, 5), "c": noise(3, 4096)}
CHANGES: dict[str, Callable[[Store], bool]] = {
    "a new record": lambda store: store.put("d", noise(4, 9_000)),
    "in place of another one": lambda store: store.put("a", noise(5, 30_000)),
    "smaller than before": lambda store: store.put("a", b"x"),
    "forgotten": lambda store: store.remove("a"),
    "the last one forgotten": lambda store: store.remove("c"),
}


def filled(library: ctypes.CDLL, size: int = 256 * 1024) -> bytes:
    disk = Disk(empty_store(size))
    store = Store(library, disk)
    assert all(store.put(name, data) for name, data in KEPT.items())
    assert state(library, disk.area) == KEPT
    return bytes(disk.area)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_killed_at_every_sector(library: ctypes.CDLL, change: str, shuffled: bool) -> None:
    """The next run then keeps something else, and is killed at a sector too."""
    area = filled(library)
    whole = Disk(area)
    assert CHANGES[change](Store(library, whole))
    new = state(library, whole.area)
    assert new != KEPT
    seen = set()
    for sectors in range(whole.written + 1):
        disk = Disk(area, sectors, shuffled=shuffled)
        assert CHANGES[change](Store(library, disk)) == (sectors == whole.written)
        left = state(library, disk.area)
        assert left in (KEPT, new)
        seen.add(left == new)
        again = Disk(disk.area, sectors // 2)
        Store(library, again).put("e", noise(6, 12_000))
        assert state(library, again.area) in (left, left | {"e": noise(6, 12_000)})
    assert seen == {False, True}


def test_after_a_failed_write_nothing_is_written(library: ctypes.CDLL) -> None:
    disk = Disk(filled(library), 0)
    store = Store(library, disk)
    assert not store.put("d", b"x")
    disk.left = None
    assert not store.put("d", b"x")
    assert "open it again" in store.says
    assert disk.written == 0


def test_full(library: ctypes.CDLL) -> None:
    area = filled(library)
    disk = Disk(area)
    store = Store(library, disk)
    assert not store.put("large", noise(7, 220_000))
    assert store.says == "large needs 215 KB, and 196 KB are free in the memory"
    assert bytes(disk.area) == area
    assert store.put("large", noise(7, 190_000))
    assert state(library, disk.area) == KEPT | {"large": noise(7, 190_000)}


def test_as_many_records_as_it_holds(library: ctypes.CDLL) -> None:
    store = Store(library, Disk(empty_store(512 * 1024)))
    assert [store.put(f"n{i}", b"x") for i in range(64)] == [True] * 63 + [False]
    assert store.says == "the memory holds 63 records already, which is all it can"


@pytest.mark.parametrize("name", ["", "a b", "../a", "x" * 32, "é"])
def test_a_bad_name(library: ctypes.CDLL, name: str) -> None:
    assert not Store(library, Disk(empty_store(65536))).put(name, b"x")


def test_read_only(library: ctypes.CDLL) -> None:
    store = Store(library, Disk(filled(library), writable=False))
    assert store.get("a") == KEPT["a"]
    assert not store.put("d", b"x")
    assert store.says == "the memory is read-only"


def test_large_units(library: ctypes.CDLL) -> None:
    """Of 16 KB in 40 MB."""
    disk = Disk(empty_store(40 << 20))
    assert Store(library, disk).put("a", noise(8, 1_000_003))
    assert state(library, disk.area) == {"a": noise(8, 1_000_003)}


def test_many_changes(library: ctypes.CDLL) -> None:
    """In any order, they never run out of room."""
    random_ = random.Random(9)
    disk, expected = Disk(empty_store(256 * 1024)), State()
    for i in range(300):
        store, name = Store(library, disk), f"n{random_.randrange(6)}"
        if random_.random() < 0.3 and name in expected:
            assert store.remove(name)
            del expected[name]
        else:
            expected[name] = noise(i, random_.randrange(1, 28_000))
            assert store.put(name, expected[name]), store.says
        assert store.get(name) == expected.get(name)
    assert state(library, disk.area) == expected


def test_damage_is_found(library: ctypes.CDLL) -> None:
    """Any bytes changed: both sides refuse the store or show records that are whole, and nobody reads elsewhere."""
    area, random_ = filled(library), random.Random(10)
    refused = 0
    for _ in range(2000):
        bad = bytearray(area)
        for _ in range(random_.choice((1, 3, 50))):
            bad[random_.randrange(random_.choice((64, 32768, 80_000)))] = random_.randrange(256)
        store = Store(library, Disk(bad))
        if store.status != OK:
            refused += 1
            with pytest.raises(KgptError):
                read_store(bytes(bad))
            continue
        for name in KEPT:
            assert store.get(name) in (None, KEPT[name])
    assert refused


def test_a_small_area_and_no_store(library: ctypes.CDLL) -> None:
    assert Store(library, Disk(bytes(4096))).says == "the memory is too small"
    assert Store(library, Disk(bytes(65536))).says == "the memory was not made by kgpt, or by another version"
