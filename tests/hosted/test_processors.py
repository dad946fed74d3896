"""Several processors, and one that waits, on made-up machines: what QEMU's machines do not show."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from native import shared_object

MTRR_CAPS, MTRR_DEFAULT = 0xFE, 0x2FF
VARIABLE = 8
FIXED = (0x250, 0x258, 0x259, *range(0x268, 0x270))
ENABLED = 0x800
CR0_CACHE_OFF = 1 << 30
APIC_BASE, APIC_ON_X2 = 0x1B, 0xFEE00C00
SPURIOUS, LINT0, IN_SERVICE = 0x80F, 0x835, 0x810
SOFTWARE_ENABLE, MASKED, EXT_INT = 0x100, 0x10000, 0x700
MS = 1_000_000


class Processor:
    """Model-specific registers, and what was written to them."""

    def __init__(self, registers: dict[int, int]) -> None:
        self.registers = registers
        self.writes: list[tuple[int, int]] = []
        self.broken: set[int] = set()

    def read(self, index: int) -> int:
        return self.registers.get(index, 0)

    def write(self, index: int, value: int) -> None:
        self.writes.append((index, value))
        if index not in self.broken:
            self.registers[index] = value


class Driver:
    """A copy of its own of the code, so that nothing is remembered of another machine."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        library.kg_mtrr_join.restype = ctypes.c_bool
        library.kg_apic_init.restype = ctypes.c_char_p
        library.driver_cr0.restype = library.driver_idle.restype = ctypes.c_uint64
        self._kept: tuple[object, object] = (None, None)

    def run_on(self, processor: Processor, write: Callable[[int, int], None] | None = None) -> None:
        """From now on, with what ``write`` does first."""
        read = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint32)(processor.read)
        put = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint64)(write or processor.write)
        self._kept = (read, put)
        self.library.driver_use_msrs(read, put)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processors")
    shared_object(folder, ["tests/hosted/processor_driver.c"])
    return next(folder.glob("*.so"))


@pytest.fixture
def driver(compiled: Path, tmp_path: Path) -> Driver:
    return Driver(ctypes.CDLL(str(shutil.copy(compiled, tmp_path / "processors.so"))))


def mtrrs(**changed: int) -> dict[int, int]:
    """As firmware sets them: 2 GiB write-back, the rest uncached; ``x200=…`` changes one."""
    made = {MTRR_CAPS: 0x500 | VARIABLE, MTRR_DEFAULT: 0xC00}
    made |= {0x200 + i: 0 for i in range(2 * VARIABLE)} | dict.fromkeys(FIXED, 434041037028460038)
    made |= {0x200: 6, 0x201: 0xF_8000_0800, 0x26F: 0x0505050505050505}
    return made | {int(name[1:], 16): value for name, value in changed.items()}


@pytest.mark.parametrize(
    "other", [{}, {"x2ff": 0}, {"x200": 0}, {"x20f": 0xF_0000_0800}, {"x259": 0}, {"x26f": 0}, {"x250": 1, "x203": 9}]
)
def test_all_processors_have_the_same_memory_types(driver: Driver, other: dict[str, int]) -> None:
    first, second = Processor(mtrrs()), Processor(mtrrs(**other))
    driver.run_on(first)
    driver.library.kg_mtrr_init()
    cache_off = set()

    def write(index: int, value: int) -> None:
        cache_off.add(bool(driver.library.driver_cr0() & CR0_CACHE_OFF))
        second.write(index, value)

    driver.run_on(second, write)
    assert driver.library.kg_mtrr_join()
    assert second.registers == first.registers
    assert first.writes == []
    if not other:
        assert second.writes == []
        return
    assert cache_off == {True}
    assert not driver.library.driver_cr0() & CR0_CACHE_OFF
    assert second.writes[0][0] == second.writes[-1][0] == MTRR_DEFAULT
    assert not second.writes[0][1] & ENABLED  # off while the others change
    assert second.writes[-1][1] == 0xC00


def test_one_whose_memory_types_stay_others_is_left_out(driver: Driver) -> None:
    second = Processor(mtrrs(x26f=0))
    second.broken = {0x26F}
    driver.run_on(Processor(mtrrs()))
    driver.library.kg_mtrr_init()
    driver.run_on(second)
    assert not driver.library.kg_mtrr_join()


def test_mtrrs_that_do_not_exist_are_not_read(driver: Driver) -> None:
    class Strict(Processor):
        def read(self, index: int) -> int:
            assert index in self.registers
            return self.registers[index]

    few = {MTRR_CAPS: 0x002, MTRR_DEFAULT: 0x806, 0x200: 0, 0x201: 0, 0x202: 0, 0x203: 0}
    driver.run_on(Strict(few))
    driver.library.kg_mtrr_init()
    driver.run_on(Strict(dict(few)))
    assert driver.library.kg_mtrr_join()


@pytest.mark.parametrize("spurious", [0x0FF, 0x1FF])
def test_the_8259s_pin_is_open_whatever_firmware_left(driver: Driver, spurious: int) -> None:
    """An APIC that software has switched off masks its pins, and keeps them masked until it is on (Bochs does too)."""
    processor = Processor({APIC_BASE: APIC_ON_X2, SPURIOUS: spurious, LINT0: MASKED})

    def write(index: int, value: int) -> None:
        off = not processor.read(SPURIOUS) & SOFTWARE_ENABLE
        processor.write(index, value | MASKED if index == LINT0 and off else value)

    driver.run_on(processor, write)
    assert driver.library.kg_apic_init(0) is None
    assert processor.registers[SPURIOUS] & SOFTWARE_ENABLE
    assert processor.registers[LINT0] == EXT_INT


@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_processor_that_is_started_late_does_no_work_of_before(driver: Driver, before: int) -> None:
    assert driver.library.driver_late_processor(before) == before


def test_a_timer_that_is_heard_late_is_heard(driver: Driver) -> None:
    """A busy host may hold an interrupt back for long: until one has come a processor does not sleep, then it does."""
    idle = driver.library.driver_idle
    idle.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
    assert idle(2000 * MS, 1900 * MS) == 0
    assert idle(2000 * MS, 2100 * MS) > 0


NEON, DOTPROD, EMULATED = 1 << 24, 1 << 25, 1 << 30


@pytest.mark.parametrize(
    ("first", "own", "good"),
    [
        (NEON | DOTPROD, NEON | DOTPROD, True),
        (NEON, NEON | DOTPROD, True),
        (NEON | DOTPROD, NEON, False),
        (NEON | EMULATED, NEON, True),
        (NEON, NEON | EMULATED, True),
        (NEON | DOTPROD | EMULATED, NEON | EMULATED, False),
    ],
)
def test_a_processor_works_if_it_has_the_instructions_of_the_first(
    first: int, own: int, good: bool, likes: ctypes.CDLL
) -> None:
    """A busy host slows down some processors of an emulator, which then look real, or the other way round."""
    arguments = [ctypes.c_uint32(first), ctypes.c_uint64(7), ctypes.c_uint32(own)]
    assert likes.driver_is_like(*arguments, ctypes.c_uint64(7)) == good
    assert not likes.driver_is_like(*arguments, ctypes.c_uint64(3))


@pytest.fixture(scope="module")
def likes(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("likes"), ["tests/hosted/like_driver.c"])
    library.driver_is_like.restype = ctypes.c_bool
    return library
