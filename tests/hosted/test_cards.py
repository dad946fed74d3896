"""Drivers of network cards on made-up cards: good ones, and those that lie, fall silent, or are pulled out."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cards import E1000, MAC, E1000e, MappedNet, OldNumber, VirtioNet
from devices import MASTER, MOST_US, Drivers, Machine, bdf

HERE = bdf(0, 3)
KINDS: list[type[Any]] = [VirtioNet, OldNumber, MappedNet, E1000, E1000e]
VIRTIO, INTEL = KINDS[:3], KINDS[3:]
NAMES = {VirtioNet: "virtio-net", OldNumber: "virtio-net", MappedNet: "virtio-net", E1000: "e1000", E1000e: "e1000e"}
TEXT = "52:54:00:12:34:56"
RESET_US = 250_000
"""The resets of Intel's cards, at the start and the end, take no longer."""


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("cards"))


def changed(kind: type[Any], **attributes: object) -> Any:
    return type("Changed", (kind,), attributes)()


def on(drivers: Drivers, *cards: Any, memory: int = 1 << 20) -> Drivers:
    functions = {bdf(0, 3 + i): card for i, card in enumerate(cards) if not isinstance(card, MappedNet)}
    blocks = [card for card in cards if isinstance(card, MappedNet)]
    return drivers.on(Machine(functions, memory=memory, blocks=blocks))


def frame(n: int, number: int = 0) -> bytes:
    return random.Random(n << 32 | number).randbytes(n)


@pytest.mark.parametrize("kind", KINDS)
def test_what_they_say_of_themselves(drivers: Drivers, kind: type[Any]) -> None:
    card = kind()
    assert on(drivers, card).cards() == [f"{NAMES[kind]} {TEXT} 1500 up"]
    assert drivers.problem() is None
    assert getattr(card, "masked", True), "its interrupts stay on"
    if kind in VIRTIO:
        assert card.accepted == 1 << 32 | 1 << 16 | 1 << 5 | 1 << 3, "and nothing that the driver does not know"


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_any_size(drivers: Drivers, kind: type[Any]) -> None:
    """The rings go round several times."""
    card = kind()
    on(drivers, card)
    drivers.devices()
    frames = [frame(n, i) for i in range(60) for n in (14, 15, 60, 1514)]
    for data in frames:
        assert drivers.send(data)
        assert card.deliver(data)
        assert drivers.receive() == data
    assert card.sent == frames
    assert drivers.receive() == b""
    assert drivers.problem() is None


@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_are_too_long_or_too_short(drivers: Drivers, kind: type[Any]) -> None:
    """They are dropped, and those behind them are not."""
    card = kind()
    on(drivers, card)
    for n in (0, 13, 1515, 5000):
        assert drivers.send(frame(n))
    assert card.sent == []
    assert drivers.devices()
    for data in (frame(1514), frame(5), frame(100), frame(2000)):
        assert card.deliver(data)
    assert drivers.receive(1000) == frame(100)
    assert drivers.receive() == b""
    assert drivers.problem() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_that_is_slower_than_the_kernel(drivers: Drivers, kind: type[Any]) -> None:
    card = changed(kind, holds=True)
    on(drivers, card)
    frames = [frame(60, i) for i in range(100)]
    taken = sum(drivers.send(data) for data in frames)
    assert 60 <= taken <= 64
    assert card.sent == frames[:taken], "in order, and each once"
    card.release()
    drivers.library.plat_poll()
    assert sum(drivers.send(data) for data in frames) == taken


@pytest.mark.parametrize("kind", KINDS)
def test_a_kernel_that_is_slower_than_the_card(drivers: Drivers, kind: type[Any]) -> None:
    card = kind()
    on(drivers, card)
    drivers.devices()
    for turn in range(3):
        frames = [frame(60 + turn, i) for i in range(100)]
        given = [data for data in frames if card.deliver(data)]
        assert given == frames[: len(given)]
        assert 60 <= len(given) <= 64
        assert [drivers.receive() for _ in given] == given
        assert drivers.receive() == b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_cable_that_is_pulled(drivers: Drivers, kind: type[Any]) -> None:
    card = kind()
    on(drivers, card)
    assert drivers.cards()[0].endswith(" up")
    card.status = card.link = 0
    assert drivers.cards()[0].endswith(" down")
    card.status, card.link = 1, 2
    assert drivers.cards()[0].endswith(" up")


def test_several_cards(drivers: Drivers) -> None:
    cards: list[Any] = [E1000(), MappedNet(), MappedNet()]  # more would not fit the memory of this machine
    cards[2].mac = cards[2].mac[:-1] + b"\7"
    assert [text.split()[:2] for text in on(drivers, *cards).cards()] == [
        ["e1000", TEXT],
        ["virtio-net", TEXT],
        ["virtio-net", "52:54:00:12:34:07"],
    ]
    for i, card in enumerate(cards):
        assert drivers.send(frame(60, i), card=i)
        assert card.deliver(frame(61, i))
    for i, card in enumerate(cards):
        assert card.sent == [frame(60, i)]
        assert drivers.receive(card=i) == frame(61, i)


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_a_run(drivers: Drivers, kind: type[Any]) -> None:
    card = kind()
    on(drivers, card).devices()
    assert card.is_running()
    drivers.library.kg_devices_stop()
    assert not card.is_running()
    assert kind is MappedNet or not card.command() & MASTER
    assert not drivers.send(frame(60))
    assert drivers.receive() == b""
    assert drivers.cards() == []


@pytest.mark.parametrize("kind", KINDS)
def test_cards_left_alone(drivers: Drivers, kind: type[Any]) -> None:
    card = kind()
    on(drivers, card).library.plat_net_off()
    assert drivers.cards() == []
    assert drivers.problem() == "left alone: net=off"
    assert kind is MappedNet or card.sized == 0


def test_no_look_at_devices_on_no_bus(drivers: Drivers) -> None:
    on(drivers, MappedNet()).library.plat_pci_use(1)
    assert drivers.devices() == []
    assert drivers.machine.mapped == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_that_is_unplugged(drivers: Drivers, kind: type[Any]) -> None:
    card = kind()
    on(drivers, card)
    assert drivers.send(frame(60))
    card.gone = True
    before = drivers.machine.us
    assert drivers.cards()[0].endswith(" down")
    assert drivers.problem() == "it no longer answers"
    assert not drivers.send(frame(60))
    assert drivers.receive() == b""
    assert drivers.machine.us == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("memory", range(0, 1 << 19, 17 * 4096))
def test_little_memory(drivers: Drivers, kind: type[Any], memory: int) -> None:
    card = kind()
    on(drivers, card, memory=memory)
    found = drivers.cards()
    assert (found == []) == (memory < 0x43000)
    assert not memory or card.is_running() == bool(found)
    assert found or not drivers.devices() or "no memory is left" in (drivers.problem() or "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mac", [bytes(6), bytes.fromhex("010000000000"), b"\xff" * 6])
def test_an_address_that_makes_no_sense(drivers: Drivers, kind: type[Any], mac: bytes) -> None:
    card = changed(kind, mac=mac)
    on(drivers, card)
    assert drivers.cards() == []
    assert drivers.problem() == "its address makes no sense"
    assert not card.is_running()


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_that_does_not_reset(drivers: Drivers, kind: type[Any]) -> None:
    on(drivers, changed(kind, resets=False))
    assert drivers.cards() == []
    assert drivers.problem() == "it does not reset"
    assert drivers.machine.us <= MOST_US


@pytest.mark.parametrize("kind", INTEL)
def test_how_long_a_start_takes(drivers: Drivers, kind: type[Any]) -> None:
    on(drivers, kind()).devices()
    assert drivers.machine.us <= RESET_US


@pytest.mark.parametrize("kind", VIRTIO)
@pytest.mark.parametrize(
    ("attributes", "text", "problem"),
    [
        ({"offers": 1 << 32 | 1 << 5, "mtu": 0, "status": 0}, "1500 up", None),
        ({"mtu": 1280}, "1280 up", None),
        ({"mtu": 9000}, "1500 up", None),
        ({"mtu": 67}, "", "its MTU makes no sense"),
        ({"offers": 1 << 32}, "", "it does not tell its address"),
        ({"offers": 1 << 5}, "", "it refuses virtio 1.0"),
        ({"most": 0}, "", "it lacks a queue"),
        ({"most": 100}, "1500 up", None),
    ],
)
def test_virtio_configurations(
    drivers: Drivers, kind: type[Any], attributes: dict[str, object], text: str, problem: str | None
) -> None:
    card = changed(kind, **attributes)
    found = on(drivers, card).cards()
    assert [one.partition(f"{TEXT} ")[2] for one in found] == ([text] if text else [])
    assert drivers.problem() == problem
    if not problem:
        assert drivers.send(frame(1 + 1280))
        assert [len(data) for data in card.sent] == [1281]


@pytest.mark.parametrize("kind", VIRTIO)
@pytest.mark.parametrize("most", [1, 2, 8])
def test_small_queues(drivers: Drivers, kind: type[Any], most: int) -> None:
    card = changed(kind, most=most)
    on(drivers, card).devices()
    for i in range(50):
        assert drivers.send(frame(60, i))
        assert card.deliver(frame(99, i))
        assert drivers.receive() == frame(99, i)


@pytest.mark.parametrize("kind", VIRTIO)
def test_a_card_that_wants_no_notifications(drivers: Drivers, kind: type[Any]) -> None:
    card = changed(kind, quiet=True)
    on(drivers, card).devices()
    assert drivers.send(frame(60))
    assert card.notified == [0, 0]
    card.take()
    assert card.sent == [frame(60)]


@pytest.mark.parametrize("kind", VIRTIO)
@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize(("head", "more"), [(1, 0), (63, 0), (64, 0), (0xFFFF, 0), (1 << 31, 0), (0, 2100), (0, -1)])
def test_a_virtio_card_that_lies(drivers: Drivers, kind: type[Any], sends: bool, head: int, more: int) -> None:
    """It gives back chains that it was not given, or more bytes than fit."""

    def wrong(_: object, chain: int, n: int) -> tuple[int, int]:
        return (chain + head) & 0xFFFFFFFF, (n + more) & 0xFFFFFFFF

    card = changed(kind, wrong=wrong)
    on(drivers, card).devices()
    for i in range(70):
        drivers.send(frame(60, i)) if sends else card.deliver(frame(60, i))
        drivers.receive()
    drivers.library.plat_poll()
    good = (not sends and (more == -1 or head in (1, 63))) or (sends and head in (1, 63) and more == 0)
    if not good:
        assert drivers.problem() == "its virtqueue is inconsistent"
        assert not card.is_running()
    assert drivers.receive() == b""


@pytest.mark.parametrize("kind", VIRTIO)
def test_a_header_without_a_frame(drivers: Drivers, kind: type[Any]) -> None:
    card = changed(kind, wrong=lambda _, chain, n: (chain, n - 60))
    on(drivers, card).devices()
    assert card.deliver(frame(60))
    assert card.deliver(frame(70))
    assert drivers.receive() == b""
    assert card.deliver(frame(120))
    assert drivers.receive() == frame(120)[:60]


@pytest.mark.parametrize("kind", INTEL)
@pytest.mark.parametrize(
    ("received", "problem"),
    [
        ((2049, 3, 0), "its ring is inconsistent"),
        ((0xFFFF, 3, 0), "its ring is inconsistent"),
        ((60, 1, 0), None),  # only the beginning of a frame
        ((60, 3, 1), None),  # with an error
        ((60, 2, 0), None),  # not yet
        ((0, 3, 0), None),
        ((2048, 3, 0), None),
    ],
)
def test_an_intel_card_that_lies(
    drivers: Drivers, kind: type[Any], received: tuple[int, int, int], problem: str | None
) -> None:
    card = changed(kind, received=received)
    on(drivers, card).devices()
    assert card.deliver(frame(60))
    assert drivers.receive() == b""
    assert drivers.problem() == problem
    assert card.is_running() == (problem is None)


def test_places_without_a_device(drivers: Drivers) -> None:
    """Their registers say so; others are no virtio, or an old one."""
    empty, other, old = (changed(MappedNet, **{name: 0}) for name in ("number", "magic", "version"))
    on(drivers, empty, other, old, MappedNet())
    assert drivers.cards() == [f"virtio-net {TEXT} 1500 up"]
    problems = [device["problem"] for device in drivers.devices()]
    assert problems == [b"it does not speak virtio 1.0, or its registers cannot be mapped", None]


@pytest.mark.parametrize(("size", "problem"), [(0, None), (0xFF, None), (0x100, "tell"), (0x10B, "tell")])
def test_few_registers_on_no_bus(drivers: Drivers, size: int, problem: str | None) -> None:
    drivers.on(Machine({}, blocks=[MappedNet()], block_size=size))
    assert drivers.cards() == []
    assert [device["problem"] for device in drivers.devices()] == ([b"it does not tell its address"] if problem else [])


def test_the_address_is_that_of_the_card(drivers: Drivers) -> None:
    assert bytes.fromhex(on(drivers, E1000()).cards()[0].split()[1].replace(":", "")) == MAC
