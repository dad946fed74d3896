"""Several controllers, and trees of hubs: what the controller is told about each device, and that keys arrive."""

from __future__ import annotations

import pytest
from devices import Drivers, Machine, bdf
from usb_tree import FULL, HIGH, LOW, SUPER, THINK_TIME, Hub, Node, Tree
from xhci import BASE, Xhci

OTHER = BASE + 0x10000


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("devices"))


def start(drivers: Drivers, *controllers: Xhci) -> None:
    drivers.on(Machine({bdf(0, 3 + i): controller for i, controller in enumerate(controllers)}))
    assert [device["problem"] for device in drivers.devices()] == [None] * len(controllers)
    poll(drivers, 400)


def poll(drivers: Drivers, times: int, us: int = 10_000) -> None:
    for _ in range(times):
        drivers.library.driver_poll(us)
    drivers.machine.check()


def typed(drivers: Drivers, unit: int = 0) -> str:
    text = ""
    poll(drivers, 2)
    while (byte := drivers.library.driver_input(unit)) >= 0:
        text += chr(byte)
    return text


def works(drivers: Drivers, tree: Tree, keyboard: Node, unit: int = 0) -> bool:
    tree.type_on(keyboard, 4)
    return typed(drivers, unit) == "a"


def test_no_controller_costs_no_time(drivers: Drivers) -> None:
    drivers.on(Machine({}))
    assert drivers.devices() == []
    assert drivers.times() == (0, 0, 0)
    assert drivers.machine.us == 0


def test_two_controllers_with_a_keyboard_each(drivers: Drivers) -> None:
    """What is typed on either arrives; one of them goes, and the other one goes on."""
    first, second = Xhci(), Xhci(base=OTHER)
    start(drivers, first, second)
    assert [drivers.keyboards(unit) for unit in range(3)] == [["usb 1"], ["usb 1"], []]
    search, usb, found = drivers.times()
    assert 0 < usb <= search < 100_000
    assert 100_000 < found < 1_000_000
    for controller, unit, key in ((first, 0, 4), (second, 1, 5), (first, 0, 6)):
        controller.report(key)
        controller.report()
        assert typed(drivers, unit) == chr(ord("a") + key - 4)
    first.gone = True
    poll(drivers, 20)
    assert [device["problem"] for device in drivers.devices()] == [b"it no longer answers", None]
    second.report(7)
    assert typed(drivers) == "d"


def test_a_slow_keyboard_behind_a_fast_hub(drivers: Drivers) -> None:
    """Its transaction translator is that of the hub; devices of high speed have none."""
    full, low = Node(FULL), Node(LOW)
    hub = Hub(HIGH, {1: full, 3: low})
    tree = Tree({2: hub})
    start(drivers, tree)
    assert drivers.behind() == ["usb 2  0409:0014  hub", "usb 2.1  0409:0014  keyboard", "usb 2.3  0409:0014  keyboard"]
    assert drivers.keyboards() == ["usb 2.1", "usb 2.3"]
    for node, port in ((full, 1), (low, 3)):
        assert node.addressed
        assert (node.addressed.route, node.addressed.root_port, node.addressed.speed) == (port, 2, node.speed)
        assert (node.addressed.tt_slot, node.addressed.tt_port) == (hub.slot, port)
        assert works(drivers, tree, node)
    assert hub.configured
    assert hub.addressed
    assert not hub.addressed.is_hub
    assert (hub.configured.is_hub, hub.configured.n_ports, hub.configured.think_time) == (True, 4, THINK_TIME)
    assert (hub.configured.tt_slot, hub.configured.tt_port) == (0, 0)


def test_the_translator_is_that_of_the_last_fast_hub(drivers: Drivers) -> None:
    """high - high - full - low: a hub of full speed has no translator of its own."""
    low = Node(LOW)
    slow = Hub(FULL, {4: low})
    fast = Hub(HIGH, {3: slow})
    tree = Tree({1: Hub(HIGH, {2: fast})})
    start(drivers, tree)
    assert low.addressed
    assert slow.addressed
    assert low.addressed.route == 0x432
    assert (slow.addressed.tt_slot, slow.addressed.tt_port) == (fast.slot, 3)
    assert (low.addressed.tt_slot, low.addressed.tt_port) == (fast.slot, 3)
    assert slow.configured
    assert slow.configured.think_time == 0  # of hubs of high speed alone
    assert works(drivers, tree, low)


def test_hubs_of_usb_3(drivers: Drivers) -> None:
    """Each is told how deep it lies; nothing behind it has a translator. The other half of such a hub is of USB 2."""
    fast, slow = Node(SUPER), Node(LOW)
    inner = Hub(SUPER, {4: fast})
    outer, half = Hub(SUPER, {1: inner}), Hub(HIGH, {1: slow})
    tree = Tree({1: outer, 3: half})
    start(drivers, tree)
    depths = [next(s[2] for s in hub.asked if s[:2] == b"\x20\x0c") for hub in (outer, inner)]
    assert depths == [0, 1]
    assert fast.addressed
    assert (fast.addressed.route, fast.addressed.speed, fast.addressed.tt_slot) == (0x41, SUPER, 0)
    assert not any(setup[:2] == b"\x20\x0c" for setup in half.asked)
    assert sorted(drivers.keyboards()) == ["usb 1.1.4", "usb 3.1"]
    assert works(drivers, tree, fast)
    assert works(drivers, tree, slow)


def test_the_deepest_tree(drivers: Drivers) -> None:
    """A route has five hubs; what lies behind a sixth cannot be addressed, and the others work."""
    unreachable, keyboard = Node(), Node()
    sixth = Hub(HIGH, {1: unreachable})
    node = Hub(HIGH, {1: sixth, 2: keyboard})
    for _ in range(4):
        node = Hub(HIGH, {1: node})
    tree = Tree({1: node})
    start(drivers, tree)
    assert keyboard.addressed
    assert keyboard.addressed.route == 0x21111
    assert unreachable.addressed is None
    assert works(drivers, tree, keyboard)


def test_a_hub_with_many_keyboards(drivers: Drivers) -> None:
    keyboards = {i: Node(FULL) for i in range(1, 8)}
    tree = Tree({1: Hub(HIGH, keyboards, n_ports=7)})
    start(drivers, tree)
    assert drivers.keyboards() == [f"usb 1.{i}" for i in range(1, 8)]
    for i in (7, 1, 4):
        assert works(drivers, tree, keyboards[i])


def test_hubs_on_two_controllers(drivers: Drivers) -> None:
    one, other = Node(LOW), Node(FULL)
    first, second = Tree({1: Hub(HIGH, {1: one})}), Tree({4: Hub(FULL, {2: other})}, base=OTHER)
    start(drivers, first, second)
    assert [drivers.keyboards(unit) for unit in range(2)] == [["usb 1.1"], ["usb 4.2"]]
    assert works(drivers, first, one, 0)
    assert works(drivers, second, other, 1)
    assert other.addressed
    assert other.addressed.tt_slot == 0  # the controller serves slow devices itself
