"""The driver of the keyboard controller, before controllers and keyboards of many kinds, some of them broken."""

from __future__ import annotations

import ctypes
import functools
import random
from collections import deque
from collections.abc import Callable

import pytest
from keyboards import ALL, ALTS, CAPS, CHARACTERS, CTRLS, MOVES, NUM, SHIFTS, Key
from native import shared_object

DATA, STATUS = 0x60, 0x64
NONE, END, RESTART = -1, -2, -4
FROM_MOUSE, TIMEOUT = 0x20, 0x40
MOST_READS = 250_000
"""Of ports, a microsecond each, while the driver starts: a quarter of a second."""

ENTER = next(key for key in ALL if key.name == "enter")
_SET1 = {key.set2: key.set1 for key in (*ALL, *SHIFTS, *CTRLS, *ALTS, CAPS, NUM)} | {0x01: 0x43, 0x02: 0x41, 0x03: 0x3F}
"""How a controller translates, what a keyboard answers included."""


class Machine:
    """Two ports, and nothing behind them: they read 0xFF."""

    reads = 0

    def read(self, port: int) -> int:
        self.reads += 1
        return self.port_in(port) if port in (DATA, STATUS) else 0xFF

    def port_in(self, port: int) -> int:
        return 0xFF

    def port_out(self, port: int, value: int) -> None:
        pass


class Constant(Machine):
    """A port that reads the same for ever: stuck bits, or a bus without a device."""

    def __init__(self, status: int, data: int) -> None:
        self.values = {STATUS: status, DATA: data}

    def port_in(self, port: int) -> int:
        return self.values[port]


class Noise(Machine):
    """Whatever comes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def port_in(self, port: int) -> int:
        return self.random.choice((0x00, 0x01, 0x1C, 0x1D, 0x21, 0xAA, 0xFA, 0xFE, self.random.randrange(255)))


class Keyboard:
    """What answers on the wire. ``sets``: those that it can speak, the first one at first."""

    def __init__(self, sets: tuple[int, ...] = (2, 1, 3), refuses: tuple[int, ...] = (), typing: bytes = b"") -> None:
        self.set, self.sets, self.refuses = sets[0], sets, refuses
        self.typing = typing
        """Codes of somebody who types already: one comes before each answer."""
        self.asked = 0
        self.leds = -1

    def answer(self, byte: int) -> bytes:
        before, self.typing = self.typing[:1], self.typing[1:]
        return before + self._answer(byte)

    def _answer(self, byte: int) -> bytes:
        asked, self.asked = self.asked, 0
        if byte in self.refuses:
            return b"\xfe"
        if asked == 0xED:
            self.leds = byte
        elif asked == 0xF0 and byte == 0:
            return bytes([0xFA, self.set])
        elif asked == 0xF0:
            self.set = byte if byte in self.sets else self.set
        elif byte in (0xED, 0xF0):
            self.asked = byte
        return b"\xfa"


class Pc(Machine):
    """A controller with a keyboard, or without. ``config`` None: it does not answer that question.

    ``speaks_for_it``: it answers for a keyboard that is not there, with 0xFE and these bits of the status.
    """

    def __init__(
        self,
        keyboard: Keyboard | None,
        config: int | None = 0x47,
        keeps: int = 0xFF,
        waiting: bytes = b"",
        speaks_for_it: int = 0,
    ) -> None:
        self.keyboard = keyboard
        self.config, self.keeps = config, keeps
        self.speaks_for_it = speaks_for_it
        self.out = deque((byte, 0) for byte in waiting)
        """Bytes, and bits of the status that come with them."""
        self.command = 0
        self.released = 0
        self.keyboard_on = True

    @property
    def translates(self) -> bool:
        """As firmware that plays a controller does, if it cannot be configured."""
        return self.config is None or bool(self.config & 0x40)

    def type(self, *codes: bytes) -> None:
        for code in b"".join(codes):
            if not self.translates:
                self.out.append((code, 0))
            elif code == 0xF0:
                self.released = 0x80
            else:
                self.out.append((code if code >= 0x85 else _SET1[code] | self.released, 0))
                self.released = 0

    def port_in(self, port: int) -> int:
        if port == STATUS:
            return (0x1C | 0x01 | self.out[0][1]) if self.out else 0x1C
        return self.out.popleft()[0] if self.out else 0x00

    def port_out(self, port: int, value: int) -> None:
        command, self.command = self.command, 0
        if port == STATUS:
            self._obey(value)
        elif command == 0x60 and self.config is not None:
            self.config = (self.config & ~self.keeps) | (value & self.keeps)
        elif self.keyboard is not None:
            self.keyboard_on = True
            self.type(self.keyboard.answer(value))
        elif self.speaks_for_it:
            self.out.append((0xFE, self.speaks_for_it))

    def _obey(self, command: int) -> None:
        self.command = command
        if command == 0x20 and self.config is not None:
            self.out.append((self.config, 0))
        elif command in (0xAD, 0xAE):
            self.keyboard_on = command == 0xAE


class Driver:
    """platform/pc/i8042.c on a machine's ports."""

    def __init__(self, library: ctypes.CDLL, machine: Machine) -> None:
        self.machine = machine
        # Kept, since C holds no reference.
        self._read = ctypes.CFUNCTYPE(ctypes.c_uint8, ctypes.c_uint16)(machine.read)
        self._write = ctypes.CFUNCTYPE(None, ctypes.c_uint16, ctypes.c_uint8)(machine.port_out)
        self._library = library
        library.driver_use_ports(self._read, self._write)
        library.driver_start()
        library.kg_keyboard_present.restype = ctypes.c_bool
        self.starting = machine.reads

    def is_present(self) -> bool:
        return bool(self._library.kg_keyboard_present())

    def read(self) -> int:
        return int(self._library.kg_keyboard_read())

    def interrupt(self) -> None:
        """As the handler does."""
        self._library.kg_i8042_keep()

    def typed(self) -> str:
        """All that there is."""
        found = []
        while (byte := self.read()) >= 0:
            found.append(byte)
        return bytes(found).decode("latin-1")


Start = Callable[[Machine], Driver]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = ["tests/hosted/i8042_driver.c", "kernel_c/console/keyboard.c", "kernel_c/platform/drivers/keymap.c"]
    layouts = ["kernel_c/console/layouts.c", "kernel_c/core/str.c", "kernel_c/core/utf8.c"]
    return shared_object(tmp_path_factory.mktemp("i8042"), [*sources, *layouts])


@pytest.fixture
def start(library: ctypes.CDLL) -> Start:
    return functools.partial(Driver, library)


def strokes(code_set: int, *keys: Key) -> bytes:
    return b"".join(key.down(code_set) + key.up(code_set) for key in keys)


EVERY_KEY = (*CHARACTERS, ENTER, *MOVES)


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(lambda: Pc(Keyboard()), id="as usual"),
        pytest.param(lambda: Pc(Keyboard(), config=0x77), id="both ports off"),
        pytest.param(lambda: Pc(Keyboard(), config=0x07), id="not translated before"),
        pytest.param(lambda: Pc(Keyboard(), config=0x07, keeps=0x3F), id="cannot translate"),
        pytest.param(lambda: Pc(Keyboard(), config=None), id="firmware that plays a controller"),
        pytest.param(lambda: Pc(Keyboard(refuses=(0xED, 0xF0, 0xF4)), config=None), id="and answers nothing well"),
        pytest.param(lambda: Pc(Keyboard(refuses=(0xF0,))), id="set not told"),
        pytest.param(lambda: Pc(Keyboard(sets=(1, 2))), id="in set 1"),
        pytest.param(lambda: Pc(Keyboard(sets=(1,))), id="set 1 only"),
        pytest.param(lambda: Pc(Keyboard(sets=(1,)), config=0x07, keeps=0x3F), id="set 1 only, cannot translate"),
        pytest.param(lambda: Pc(Keyboard(sets=(3, 2))), id="in set 3"),
        pytest.param(lambda: Pc(Keyboard(), waiting=b"\x9c\x1e\x9e"), id="keys before"),
        pytest.param(lambda: Pc(Keyboard(typing=b"\x1c\xf0\x1c\x1c\xf0\x1c")), id="keys meanwhile"),
        pytest.param(lambda: Pc(Keyboard(refuses=(0xED,))), id="no LEDs"),
    ],
)
def test_every_key_on_every_machine(start: Start, machine: Callable[[], Pc]) -> None:
    pc = machine()
    driver = start(pc)
    assert driver.is_present()
    assert driver.starting < MOST_READS
    assert pc.keyboard_on
    assert pc.keyboard is not None
    assert not pc.out
    driver.typed()
    for key in EVERY_KEY:
        pc.type(strokes(pc.keyboard.set, key))
        assert driver.typed() == key.plain, key
        assert driver.read() == NONE


@pytest.mark.parametrize(
    "machine",
    [
        Machine(),
        Constant(0x00, 0x00),
        Constant(0x1C, 0x00),
        Constant(0x01, 0x00),
        Constant(0x1D, 0xFF),
        Constant(0x02, 0x00),
        Constant(0x03, 0xFA),
        Pc(None),
        Pc(None, config=None),
        Pc(None, speaks_for_it=TIMEOUT),
        Pc(None, speaks_for_it=FROM_MOUSE),
    ],
    ids=[
        *("nothing", "zeros", "idle", "full", "full of FF", "busy", "full and busy"),
        *("no keyboard", "nobody answers", "time-out", "time-out of an AT"),
    ],
)
def test_no_keyboard(start: Start, machine: Machine) -> None:
    driver = start(machine)
    assert not driver.is_present()
    assert driver.starting < MOST_READS
    assert [driver.read() for _ in range(3)] == [END] * 3


def test_where_nothing_is_nothing_is_touched(start: Start) -> None:
    class Watched(Machine):
        def port_out(self, port: int, value: int) -> None:
            pytest.fail(f"0x{value:02x} was written to port 0x{port:02x}")

    assert start(Watched()).starting == 1


@pytest.mark.parametrize("seed", range(40))
def test_noise(start: Start, seed: int) -> None:
    driver = start(Noise(seed))
    assert driver.starting < MOST_READS
    for _ in range(200):
        before = driver.machine.reads
        assert -2 <= driver.read() <= 255
        assert driver.machine.reads - before <= MOST_READS


@pytest.mark.parametrize("code_set", [1, 2])
def test_a_keyboard_that_is_plugged_in_later(start: Start, code_set: int) -> None:
    pc = Pc(None, config=0x07, keeps=0x3F)
    driver = start(pc)
    assert not driver.is_present()
    pc.type(b"\xaa")
    assert driver.read() == NONE
    assert driver.is_present()
    pc.type(strokes(code_set, CHARACTERS[13], CHARACTERS[14]))
    assert driver.typed().endswith("w")


def test_leds_follow_the_locks(start: Start) -> None:
    pc = Pc(Keyboard())
    driver = start(pc)
    assert pc.keyboard is not None
    assert pc.keyboard.leds == 0
    for key, leds in ((CAPS, 4), (NUM, 6), (CAPS, 2), (NUM, 0)):
        pc.type(strokes(2, key))
        assert driver.typed() == ""
        assert pc.keyboard.leds == leds
    pc.type(strokes(2, CHARACTERS[13]))
    assert driver.typed() == "q"


def test_a_keyboard_without_leds_types_all_the_same(start: Start) -> None:
    pc = Pc(Keyboard(refuses=(0xED,)))
    driver = start(pc)
    pc.type(strokes(2, CAPS, CHARACTERS[13], CAPS, CHARACTERS[13]))
    assert driver.typed() == "Qq"


def test_what_a_mouse_says_is_no_key(start: Start) -> None:
    pc = Pc(Keyboard())
    driver = start(pc)
    pc.out.extend((byte, FROM_MOUSE) for byte in b"\x1e\x08\x00\x01" * 8)
    pc.type(strokes(2, CHARACTERS[13]))
    assert "".join(driver.typed() for _ in range(4)) == "q"  # one call does not read without end
    assert not pc.out


def test_the_keyboard_interrupts_and_the_mouse_does_not(start: Start) -> None:
    pc = Pc(Keyboard(), config=0x46)
    start(pc)
    assert pc.config == 0x65


def test_what_is_typed_while_nobody_reads_is_kept(start: Start) -> None:
    """An interrupt takes it in: more than a keyboard keeps itself."""
    pc = Pc(Keyboard())
    driver = start(pc)
    for _ in range(100):
        pc.type(strokes(2, *CHARACTERS[13:19]))
        driver.interrupt()
    assert not pc.out
    assert driver.typed() == "qwerty" * 100


def test_a_full_ring_loses_keys_and_no_release_of_shift(start: Start) -> None:
    pc = Pc(Keyboard())
    driver = start(pc)
    shift, letter = SHIFTS[0], CHARACTERS[13]
    pc.type(shift.down(2))
    for _ in range(2100):
        pc.type(strokes(2, letter))
        driver.interrupt()
    pc.type(shift.up(2))
    driver.interrupt()
    assert not pc.out
    assert set(driver.typed()) == {"Q"}
    pc.type(strokes(2, letter))
    assert driver.typed() == "q"


def test_ctrl_alt_del(start: Start) -> None:
    pc = Pc(Keyboard())
    driver = start(pc)
    delete = next(key for key in MOVES if key.plain == "\x1b[3~")
    pc.type(CTRLS[0].down(2), ALTS[0].down(2), strokes(2, delete))
    assert driver.read() == RESTART
    assert driver.read() == NONE
