"""USB keyboards on a made-up xHCI controller, and controllers and devices that lie."""

from __future__ import annotations

import random

import pytest
from devices import MOST_US, Drivers, Machine, bdf
from xhci import BOOT_KEYBOARD, COMMAND, COMPOSITE, HALTED, LEGACY, STATUS, Xhci, configuration, interface

NONE, END, RESTART = -1, -2, -4


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("devices"))


def start(drivers: Drivers, controller: Xhci) -> str | None:
    """The problem of the controller, after a second."""
    drivers.on(Machine({bdf(0, 3): controller}))
    drivers.devices()
    poll(drivers, 100)
    problem = drivers.devices()[0]["problem"]
    return problem.decode() if problem else None


def poll(drivers: Drivers, times: int, us: int = 10_000) -> None:
    for _ in range(times):
        drivers.library.driver_poll(us)
    drivers.machine.check()


def typed(drivers: Drivers) -> str:
    text = ""
    poll(drivers, 2)
    while (byte := drivers.library.driver_input(0)) >= 0:
        text += chr(byte)
    return text


@pytest.mark.parametrize("context", [32, 64])
@pytest.mark.parametrize("descriptors", [BOOT_KEYBOARD, COMPOSITE], ids=["keyboard", "composite"])
def test_a_keyboard(drivers: Drivers, descriptors: bytes, context: int) -> None:
    """All six keys count, modifiers, releases, and a light; a report of too many keys says nothing."""
    controller = Xhci(descriptors, context)
    assert start(drivers, controller) is None
    assert drivers.behind() == ["usb 1  0409:0014  keyboard"]
    controller.report(4)
    controller.report(4, 5, 6, 7, 8, 9)
    controller.report(1, 1, 1, 1, 1, 1)
    controller.report(4, 5, 6, 7, 8, 9)
    controller.report()
    controller.report(4, modifiers=2)
    controller.report()
    assert typed(drivers) == "abcdefA"
    controller.report(0x39)
    poll(drivers, 3)
    controller.report()
    controller.report(4)
    assert typed(drivers) == "A"
    assert controller.lights == 2


def test_a_key_repeats(drivers: Drivers) -> None:
    controller = Xhci()
    start(drivers, controller)
    controller.report(4)
    poll(drivers, 60)
    assert 4 <= len(typed(drivers)) <= 9
    controller.report()
    typed(drivers)
    poll(drivers, 100)
    assert typed(drivers) == ""


def test_ctrl_alt_del(drivers: Drivers) -> None:
    controller = Xhci()
    start(drivers, controller)
    controller.report(0x4C, modifiers=0x05)
    poll(drivers, 2)
    assert drivers.library.driver_input(0) == RESTART


def test_unplugged_and_plugged_again(drivers: Drivers) -> None:
    controller = Xhci()
    start(drivers, controller)
    for _ in range(20):
        controller.report(4)
        assert typed(drivers) == "a"
        controller.unplug()
        poll(drivers, 10)
        assert drivers.library.driver_input(0) == NONE
        controller.waiting.clear()
        controller.plug()
        poll(drivers, 40)
    controller.report(5)
    assert typed(drivers) == "b"
    controller.report()


def test_reports_wait_while_the_kernel_computes(drivers: Drivers) -> None:
    controller = Xhci()
    start(drivers, controller)
    for i in range(8):
        controller.report(4 + i)
        controller.report()
    assert typed(drivers) == "abcdefgh"


def test_the_firmware_gives_the_controller_back(drivers: Drivers) -> None:
    controller = Xhci()
    start(drivers, controller)
    assert controller.registers[LEGACY] & (3 << 16 | 1 << 24) == 1 << 24
    assert controller.registers[LEGACY + 4] == 0xE0000000 | 0x1E & 0xE1FEE


class NeverHalts(Xhci):
    halts = False

    def __init__(self) -> None:
        super().__init__()
        self.registers[STATUS] = 0


class NeverResets(Xhci):
    resets = False


class Silent(Xhci):
    answers = False


class Kept(Xhci):
    releases = False


def test_firmware_that_keeps_the_controller(drivers: Drivers) -> None:
    """It is taken after a second."""
    controller = Kept()
    assert start(drivers, controller) is None
    assert 900_000 < drivers.machine.us < MOST_US
    controller.report(4)
    assert typed(drivers) == "a"


@pytest.mark.parametrize(
    ("controller", "problem"), [(NeverHalts, "it does not stop"), (NeverResets, "it does not end its reset")]
)
def test_a_controller_that_does_not_start(drivers: Drivers, controller: type[Xhci], problem: str) -> None:
    assert start(drivers, controller()) == problem
    assert drivers.said() == f"kgpt: device 00:03.0 (xhci) is not used: {problem}\n"
    assert drivers.machine.us < MOST_US
    assert drivers.library.driver_input(0) == END


def test_a_controller_that_never_answers(drivers: Drivers) -> None:
    assert start(drivers, Silent()) is None
    poll(drivers, 800)
    assert drivers.devices()[0]["problem"] == b"it does not answer commands"


def test_a_controller_of_all_ones(drivers: Drivers) -> None:
    controller = Xhci()
    controller.fixed = dict.fromkeys(range(0, 0x40, 4), 0xFFFFFFFF)
    assert start(drivers, controller) == "it does not answer"


def test_a_controller_that_is_pulled_out(drivers: Drivers) -> None:
    controller = Xhci()
    start(drivers, controller)
    controller.gone = True
    poll(drivers, 20)
    assert drivers.devices()[0]["problem"] == b"it no longer answers"
    assert drivers.library.driver_input(0) == END


def test_a_controller_that_resets_itself(drivers: Drivers) -> None:
    controller = Xhci()
    start(drivers, controller)
    controller.registers[STATUS], controller.registers[COMMAND] = HALTED, 0
    poll(drivers, 20)
    assert drivers.devices()[0]["problem"] == b"it has stopped by itself"


@pytest.mark.parametrize(
    "descriptors",
    [
        b"",
        b"\0" * 64,
        configuration()[:4],
        configuration(b"\0" * 9),
        configuration(b"\xff\x04" * 20),
        configuration(interface(0, (3, 1, 1))),
        configuration(interface(0, (3, 1, 1), bytes.fromhex("0705810300000a"))),
        configuration(interface(0, (8, 6, 80), bytes.fromhex("0705810240000a"))),
    ],
)
def test_descriptors_that_lie(drivers: Drivers, descriptors: bytes) -> None:
    """There is no keyboard, and the controller goes on: the next device works."""
    controller = Xhci(descriptors)
    assert start(drivers, controller) is None
    poll(drivers, 200)
    assert not controller.waiting
    controller.unplug()
    poll(drivers, 20)
    controller.descriptors = BOOT_KEYBOARD
    controller.plug()
    poll(drivers, 60)
    controller.report(4)
    assert typed(drivers) == "a"


@pytest.mark.parametrize("seed", range(40))
def test_events_that_lie(drivers: Drivers, seed: int) -> None:
    """Any slot, endpoint, address and code: the driver stays within its memory and its time."""
    draw = random.Random(seed)
    controller = Xhci()
    start(drivers, controller)
    for _ in range(300):
        parameter = draw.choice([0, draw.getrandbits(64), draw.randrange(256) << 24, controller.in_at])
        kind = draw.choice([32, 33, 34, 37, draw.randrange(64)])
        slot, endpoint = draw.choice([1, draw.randrange(256)]), draw.choice([1, 3, draw.randrange(32)])
        controller.event(parameter, draw.getrandbits(32), kind << 10 | endpoint << 16 | slot << 24)
        poll(drivers, 1, 1000)
    assert drivers.machine.us < MOST_US
