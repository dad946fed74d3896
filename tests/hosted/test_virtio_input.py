"""The driver of virtio keyboards: what is typed, and devices that are no keyboards, or lie."""

from __future__ import annotations

import ctypes
import random
import struct
from collections.abc import Iterable

import pytest
from devices import MOST_US, Drivers, Machine, bdf
from virtio import BASE, CONFIG, NOTIFY, Rng, structure, structures

HERE = bdf(0, 3)
NONE, RESTART = -1, -4
KEY, SELECT_BITS = 1, 0x11
LETTERS = frozenset((*range(1, 84), *range(86, 89), *range(96, 112)))
BUTTONS = frozenset((0x110, 0x111, 0x112))
ENTER, A, B, SHIFT, CTRL, ALT, CAPS, DELETE, UP, RIGHT_CTRL = 28, 30, 48, 42, 29, 56, 58, 111, 103, 97


class Input(Rng):
    """A device with keys, whose events the test sends."""

    most = 64

    def __init__(self, keys: Iterable[int] = LETTERS, **more: object) -> None:
        super().__init__(b"", 0x1052, 0, **more)
        self.keys, self.selected, self.lost = frozenset(keys), [0, 0], 0

    def read(self, address: int, size: int) -> int:
        if not CONFIG <= address - BASE < NOTIFY:
            return super().read(address, size)
        assert size == 1
        bits = bytearray(max(self.keys, default=0) // 8 + 1)
        for key in self.keys:
            bits[key // 8] |= 1 << key % 8
        known = bits if self.selected == [SELECT_BITS, KEY] else b""
        at = address - BASE - CONFIG
        assert at == 2 or 8 <= at < 136
        return len(known) if at == 2 else bytes(known).ljust(128, b"\0")[at - 8]

    def write(self, address: int, size: int, value: int) -> None:
        if CONFIG <= address - BASE < NOTIFY:
            assert size == 1
            self.selected[address - BASE - CONFIG] = value
        else:
            super().write(address, size, value)

    def answer(self) -> None:
        pass

    def tick(self) -> None:
        pass

    def send(self, *events: tuple[int, int, int], written: int = 8) -> None:
        """(type, code, value) each; one that finds no buffer is lost."""
        for kind, code, value in events:
            if not self.pending:
                self.lost += 1
                continue
            assert self.queue is not None
            head = self.pending.pop(0)
            ((address, size, write),) = self.queue.chain(head)
            assert (size, bool(write)) == (8, True)
            ctypes.memmove(address, struct.pack("<HHI", kind, code, value), 8)
            self.finish(head, written)

    def press(self, *codes: int) -> None:
        """Down in order, up in reverse; each with the event that ends a report."""
        for down, order in ((1, codes), (0, codes[::-1])):
            for code in order:
                self.send((KEY, code, down), (0, 0, 0))


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("devices"))


def typed(drivers: Drivers) -> bytes:
    drivers.library.plat_poll()
    found = bytearray()
    while (byte := drivers.library.driver_input(0)) >= 0:
        found.append(byte)
    drivers.machine.check()
    return bytes(found)


def with_device(drivers: Drivers, device: Input) -> Drivers:
    drivers.on(Machine({HERE: device})).devices()
    return drivers


def test_keys(drivers: Drivers) -> None:
    keyboard = Input()
    with_device(drivers, keyboard)
    assert drivers.problem() is None
    assert drivers.keyboards() == ["virtio"]
    assert drivers.library.driver_input(0) == NONE
    for codes, text in (
        ((A,), b"a"),
        ((SHIFT, A), b"A"),
        ((CTRL, 46), b"\x03"),
        ((RIGHT_CTRL, 46), b"\x03"),
        ((ENTER,), b"\r"),
        ((96,), b"\r"),
        ((98,), b"/"),
        ((UP,), b"\x1b[A"),
        ((DELETE,), b"\x1b[3~"),
        ((CAPS,), b""),
        ((B,), b"B"),
        ((119,), b""),
        ((200,), b""),
    ):
        keyboard.press(*codes)
        assert typed(drivers) == text, codes
    keyboard.send((KEY, A, 1), (KEY, A, 2), (KEY, A, 2), (KEY, A, 0))
    assert typed(drivers) == b"AAA"
    keyboard.press(CTRL, ALT, DELETE)
    drivers.library.plat_poll()
    assert drivers.library.driver_input(0) == RESTART
    assert keyboard.lost == 0


def test_the_layout_of_all_keyboards(drivers: Drivers) -> None:
    keyboard = Input()
    with_device(drivers, keyboard)
    try:
        assert drivers.library.plat_keymap(b"de")
        keyboard.press(21)
        assert typed(drivers) == b"z"
    finally:
        assert drivers.library.plat_keymap(b"us")


def test_more_events_than_buffers(drivers: Drivers) -> None:
    """Between two polls 32 events are kept, and a key that nobody has read never overwrites another one."""
    keyboard = Input()
    with_device(drivers, keyboard)
    for _ in range(20):
        keyboard.press(A)
    assert keyboard.lost == 80 - 32
    assert typed(drivers) == b"a" * 8
    for _ in range(100):
        keyboard.press(A)
        keyboard.press(B)
        drivers.library.plat_poll()
    assert typed(drivers) == b"ab" * 100
    for _ in range(400):
        keyboard.press(A)
        drivers.library.plat_poll()
    assert typed(drivers) == b"a" * 256


@pytest.mark.parametrize(
    "device",
    [
        Input(BUTTONS),
        Input(()),
        Input(LETTERS - {A}),
        Input(capabilities=tuple(one for one in structures() if one[1][1] != 4)),
        Input(capabilities=(structure(4, CONFIG, 135), *(one for one in structures() if one[1][1] != 4))),
    ],
)
def test_no_keyboard(drivers: Drivers, device: Input) -> None:
    with_device(drivers, device)
    assert drivers.problem() == "it is no keyboard"
    assert drivers.keyboards() == []
    assert device.command() & 4 == 0


@pytest.mark.parametrize("memory", range(0, 6 * 4096, 2048))
def test_little_memory(drivers: Drivers, memory: int) -> None:
    drivers.on(Machine({HERE: Input()}, memory=memory))
    found = drivers.keyboards()
    assert found in ([], ["virtio"])
    assert (found != []) == (memory >= 3 * 4096)
    assert found or not drivers.devices() or "no memory is left" in (drivers.problem() or "")


@pytest.mark.parametrize(("head", "written"), [(64, 8), (0xFFFF, 8), (0x10000, 8), (0, 9), (0, 0xFFFFFFFF)])
def test_a_device_that_lies_about_its_buffers(drivers: Drivers, head: int, written: int) -> None:
    keyboard = Input()
    with_device(drivers, keyboard)
    assert keyboard.queue is not None
    keyboard.queue.give_back(keyboard.pending.pop(0) + head, written)
    drivers.library.plat_poll()
    assert drivers.problem() == "its virtqueue is inconsistent"
    assert drivers.keyboards() == []


def test_events_of_any_bytes(drivers: Drivers) -> None:
    """Short events count for nothing; others may be anything."""
    noise = random.Random(17)
    keyboard = Input()
    with_device(drivers, keyboard)
    keyboard.send((KEY, A, 1), written=7)
    assert typed(drivers) == b""
    for _ in range(20_000):
        kind = noise.choice((0, KEY, KEY, KEY, noise.randrange(1 << 16)))
        code = noise.choice((noise.randrange(128), noise.randrange(1 << 16)))
        keyboard.send(
            (kind, code, noise.choice((0, 1, 2, noise.randrange(1 << 32)))), written=noise.choice((8, 8, 0, 7))
        )
        if noise.random() < 0.3:
            typed(drivers)
    assert drivers.problem() is None
    assert drivers.machine.us <= MOST_US
