"""The driver of virtio's entropy device and its queues: devices that lie do not make it hang or write elsewhere."""

from __future__ import annotations

import ctypes
import random

import pytest
from devices import MASTER, MEMORY, MOST_US, NO_INTERRUPT, PORTS, Drivers, Function, Machine, bdf
from virtio import BASE, COMMON, NOTIFY, SIZE, VERSION_1, Rng, structure, structures

HERE = bdf(0, 3)


class Buffer(ctypes.Structure):
    """``struct kg_virtio_buffer``."""

    _fields_ = (("memory", ctypes.c_uint64), ("size", ctypes.c_uint32))


DATA = bytes(range(1, 201))


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Drivers:
    return Drivers(tmp_path_factory.mktemp("devices"))


def with_rng(drivers: Drivers, rng: Function) -> Drivers:
    return drivers.on(Machine({HERE: rng}))


@pytest.mark.parametrize("device", [0x1005, 0x1044])
def test_entropy(drivers: Drivers, device: int) -> None:
    rng = Rng(DATA, device)
    with_rng(drivers, rng)
    assert drivers.problem() is None
    assert [drivers.entropy(n) for n in (8, 1, 100)] == [DATA[:8], DATA[8:9], DATA[9:109]]
    assert rng.accepted == VERSION_1  # and nothing that the driver does not know
    assert rng.command() == MASTER | PORTS | MEMORY | NO_INTERRUPT
    assert drivers.machine.mapped == [(BASE, SIZE)]


def test_a_slow_device(drivers: Drivers) -> None:
    with_rng(drivers, Rng(DATA, delay=1000))
    assert drivers.entropy(100) == DATA[:100]
    assert 200_000 <= drivers.machine.us < MOST_US


def test_polling_alone_takes_in_the_bytes(drivers: Drivers) -> None:
    with_rng(drivers, Rng(DATA))
    drivers.devices()
    drivers.library.plat_poll()
    assert drivers.entropy(64) == DATA[:64]
    assert drivers.machine.us == 0


def test_polling_looks_for_nothing(drivers: Drivers) -> None:
    with_rng(drivers, Rng(DATA))
    drivers.library.plat_poll()
    assert drivers.machine.reads == 0


def test_a_device_that_runs_dry(drivers: Drivers) -> None:
    with_rng(drivers, Rng(DATA[:10]))
    assert drivers.entropy(16) == DATA[:10]
    assert drivers.entropy(16) == b""
    assert drivers.problem() is None
    assert drivers.machine.us <= 2 * MOST_US


def test_a_device_that_never_answers(drivers: Drivers) -> None:
    with_rng(drivers, Rng(DATA, delay=1 << 40))
    assert drivers.entropy(16) == b""
    assert drivers.machine.us <= MOST_US


def test_the_end_of_a_run(drivers: Drivers) -> None:
    rng = Rng(DATA)
    with_rng(drivers, rng).devices()
    drivers.library.kg_devices_stop()
    assert (rng.common[0x14], rng.command() & MASTER) == (0, 0)
    assert drivers.entropy(8) is None


def test_pci_switched_off(drivers: Drivers) -> None:
    with_rng(drivers, Rng(DATA)).library.plat_pci_use(1)
    assert drivers.devices() == []
    assert drivers.entropy(8) is None
    assert drivers.machine.reads == 0


def test_a_device_that_is_unplugged(drivers: Drivers) -> None:
    rng = Rng(DATA, delay=3)
    with_rng(drivers, rng)
    assert drivers.entropy(8) == DATA[:8]
    rng.gone = True
    assert drivers.entropy(100) == DATA[8:64]
    assert drivers.problem() == "it no longer answers"
    assert drivers.entropy(8) is None
    assert drivers.machine.us <= MOST_US


def broken(**attributes: object) -> Rng:
    return type("Broken", (Rng,), attributes)(DATA)  # type: ignore[no-any-return]


class AllOnes(Rng):
    def read(self, address: int, size: int) -> int:
        return (1 << 8 * size) - 1

    def write(self, address: int, size: int, value: int) -> None:
        pass


def with_structures(*changed: tuple[int, bytes], first: bool = False) -> Rng:
    """With some structures in place of those of the same kind, or, with ``first``, before them."""
    kinds = [data[1] for _, data in changed]
    others = tuple(one for one in structures() if first or one[1][1] not in kinds)
    return Rng(DATA, capabilities=(*changed, *others))


def without(kind: int) -> Rng:
    return Rng(DATA, capabilities=tuple(one for one in structures() if one[1][1] != kind))


NO_VIRTIO = "it does not speak virtio 1.0, or its registers cannot be mapped"
REFUSES = "it refuses virtio 1.0"


@pytest.mark.parametrize(
    ("rng", "problem"),
    [
        (AllOnes(DATA), "it does not reset"),
        (broken(resets_after=1 << 30), "it does not reset"),
        (broken(offers=1 << 28), REFUSES),
        (broken(offers=0), REFUSES),
        (broken(keeps_features=False), REFUSES),
        (broken(most=0), "it lacks a queue"),
        (broken(notify_off=0xFFFF), "it says to be notified outside its registers"),
        (broken(notify_off=0x400), "it says to be notified outside its registers"),
        (broken(notify_off=1, multiplier=1), "it says to be notified outside its registers"),
        (broken(notify_off=1, multiplier=0xFFFFFFFF), "it says to be notified outside its registers"),
        (Rng(DATA, capabilities=()), NO_VIRTIO),
        (without(1), NO_VIRTIO),
        (without(2), NO_VIRTIO),
        (with_structures(structure(1, COMMON, 0x37)), NO_VIRTIO),
        (with_structures(structure(1, SIZE, 0x38)), NO_VIRTIO),
        (with_structures(structure(1, SIZE - 0x34, 0x38)), NO_VIRTIO),
        (with_structures(structure(1, 0xFFFFFFFC, 0x38)), NO_VIRTIO),
        (with_structures(structure(1, 0xFFFFFFFC, 0xFFFFFFFF)), NO_VIRTIO),
        (with_structures(structure(1, 2, 0x38)), NO_VIRTIO),
        (with_structures(structure(1, COMMON, 0x38, bar=6)), NO_VIRTIO),
        (with_structures(structure(1, COMMON, 0x38, bar=255)), NO_VIRTIO),
        (with_structures(structure(1, COMMON, 0x38, bar=1)), NO_VIRTIO),
        (Rng(DATA, bars={4: (0, SIZE, 12)}), NO_VIRTIO),
        (Rng(DATA, bars={4: (0, 0, 4)}), NO_VIRTIO),
        (Rng(DATA, bars={4: (0xC100, 0x4000, 1)}), NO_VIRTIO),
    ],
)
def test_a_device_that_cannot_be_used(drivers: Drivers, rng: Rng, problem: str) -> None:
    with_rng(drivers, rng)
    assert drivers.problem() == problem
    assert drivers.entropy(8) is None
    assert rng.command() & MASTER == 0
    assert drivers.machine.us <= MOST_US


def test_a_structure_that_cannot_be_used_is_passed_over(drivers: Drivers) -> None:
    """For the next one of its kind, as the specification asks."""
    rng = with_structures(structure(1, COMMON, 0x38, bar=7), structure(2, SIZE, 4, tail=b"\4\0\0\0"), first=True)
    assert with_rng(drivers, rng).entropy(8) == DATA[:8]


def test_no_structure_of_its_own(drivers: Drivers) -> None:
    assert with_rng(drivers, without(4)).entropy(8) == DATA[:8]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8, 100, 256, 32768, 65535])
def test_queues_of_any_size(drivers: Drivers, most: int) -> None:
    """Not a power of two is against the specification: then it is the next smaller one."""
    rng = broken(most=most)
    assert with_rng(drivers, rng).entropy(150) == DATA[:150]
    assert rng.queue
    assert rng.queue.size == max(size for size in (1, 2, 4, 8) if size <= most)


def test_an_iommu_that_was_left_on(drivers: Drivers) -> None:
    rng = Rng(DATA)
    drivers.on(Machine({HERE: rng}, dma_problem=b"the IOMMU is on"))
    assert drivers.problem() == "the IOMMU is on"
    assert drivers.entropy(8) is None
    assert rng.sized == rng.notified == 0


@pytest.mark.parametrize("memory", range(0, 6 * 4096, 4096))
def test_little_memory(drivers: Drivers, memory: int) -> None:
    drivers.on(Machine({HERE: Rng(DATA)}, memory=memory))
    found = drivers.entropy(8)
    assert found in (None, DATA[:8])
    assert (found is not None) == (memory >= 3 * 4096)
    assert found or not drivers.devices() or "no memory is left" in (drivers.problem() or "")


class Index(Rng):
    """Says that it gave back ``ahead`` chains where it gave back one."""

    ahead = 0

    def finish(self, head: int, written: int) -> None:
        assert self.queue
        self.queue.give_back(head, written)
        self.queue.set_index(self.ahead)


class Answer(Rng):
    """Gives back another chain than it was given, or more bytes."""

    head, more = 0, 0

    def finish(self, head: int, written: int) -> None:
        assert self.queue
        self.queue.give_back(head + self.head, written + self.more & 0xFFFFFFFF)


def answer(head: int = 0, more: int = 0) -> Rng:
    return type("Wrong", (Answer,), {"head": head, "more": more})(DATA)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "rng",
    [
        *(type("Jump", (Index,), {"ahead": ahead})(DATA) for ahead in (2, 8, 9, 0x7FFF, 0xFFFF)),
        *(answer(head) for head in (1, 7, 8, 0xFFFF, 0x10000, 0xFFFFFFFF)),
        *(answer(more=more) for more in (1, 64, 0xFFFFFFBF)),
        *(answer(head, -64) for head in (1, 7)),
    ],
)
def test_a_device_that_gives_back_what_it_was_not_given(drivers: Drivers, rng: Rng) -> None:
    with_rng(drivers, rng)
    assert drivers.entropy(100) == b""
    assert drivers.problem() == "its virtqueue is inconsistent"
    assert drivers.entropy(8) is None
    assert (rng.common[0x14], rng.command() & MASTER) == (0, 0)


def test_chains_in_any_order(drivers: Drivers) -> None:
    """Of one to three buffers, given back in any order, until the indices have gone round twice."""
    chance = random.Random(7)
    rng = broken(most=16)
    rng.common.update({0x14: 11, 0x18: 16})
    rng.config[4] |= MASTER
    machine = Machine({HERE: rng})
    machine.mapped.append((BASE, SIZE))
    drivers.on(machine)
    rng.delay = 1 << 40
    library = drivers.library
    assert library.driver_queue(BASE + COMMON, BASE + NOTIFY, 16) is None
    assert rng.queue
    rooms: dict[int, tuple[int, int]] = {}
    used = seen = 0
    rng.common[0x14] = 15
    while seen < 140_000:
        n_read, n_written = chance.randrange(3), chance.randrange(2)
        sizes = [chance.randrange(1, 5000) for _ in range(n_read + n_written)]
        buffers = (Buffer * 3)(*(Buffer(0x1000 * (i + 1), size) for i, size in enumerate(sizes)))
        head = library.driver_add(buffers, n_read, n_written)
        if sizes and used + len(sizes) <= 16:
            assert rng.queue.waiting() == [head]
            flags = [0] * n_read + [2] * n_written
            assert rng.queue.chain(head) == [(0x1000 * (i + 1), sizes[i], flags[i]) for i in range(len(sizes))]
            rooms[head] = len(sizes), sum(sizes[n_read:])
            used += len(sizes)
        else:
            assert head == -1
        if rooms and chance.random() < 0.6:
            head = chance.choice(list(rooms))
            length, room = rooms.pop(head)
            rng.queue.give_back(head, room)
            written = ctypes.c_uint32()
            assert (library.driver_take(ctypes.byref(written)), written.value) == (head, room)
            used -= length
            seen += 1
        assert library.driver_take(ctypes.byref(ctypes.c_uint32())) == -1
    machine.check()
