"""The time of day from CMOS: clocks in each form, clocks that are just changing, and none."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from native import shared_object

READ, WRITE = ctypes.CFUNCTYPE(ctypes.c_uint8, ctypes.c_uint16), ctypes.CFUNCTYPE(None, ctypes.c_uint16, ctypes.c_uint8)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("rtc"), ["tests/hosted/rtc_driver.c"])
    library.plat_time.restype = ctypes.c_uint64
    return library


class Clock:
    """A clock in CMOS, which moves on with its reads."""

    def __init__(self, now: datetime, *, binary: bool = False, hours: int = 24, reads: int = 0) -> None:
        self.now, self._binary, self._hours, self._reads, self._index, self._n = now, binary, hours, reads, 0, 0

    def read(self, port: int) -> int:
        if port != 0x71:
            return 0xFF
        self._n += 1
        if self._reads and self._n % self._reads == 0:
            self.now += timedelta(seconds=1)
        updates = self._reads and self._n % self._reads > self._reads - 3
        t = self.now
        hour = t.hour if self._hours == 24 else (t.hour - 1) % 12 + 1
        numbers = {0: t.second, 2: t.minute, 4: hour, 7: t.day, 8: t.month, 9: t.year - 2000}
        if self._index == 0x0A:
            return 0x80 if updates else 0x26
        if self._index == 0x0B:
            return 4 * self._binary + 2 * (self._hours == 24)
        number = numbers.get(self._index, 0)
        value = number if self._binary else number // 10 * 16 + number % 10
        return value | (0x80 if self._index == 4 and self._hours == 12 and t.hour >= 12 else 0)

    def write(self, port: int, value: int) -> None:
        if port == 0x70:
            self._index = value


def told(driver: ctypes.CDLL, read: Callable[[int], int], write: Callable[[int, int], None]) -> int:
    ports = READ(read), WRITE(write)
    driver.driver_use_ports(*ports)
    return int(driver.plat_time())


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("hours", [12, 24])
def test_each_form(driver: ctypes.CDLL, binary: bool, hours: int) -> None:
    rng = random.Random(hours)
    moments = [
        datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(100 * 365 * 86400)) for _ in range(300)
    ]
    moments += [datetime(2028, 2, 29, hour, 59, 59, tzinfo=UTC) for hour in range(24)]
    for now in moments:
        clock = Clock(now, binary=binary, hours=hours)
        assert told(driver, clock.read, clock.write) == int(now.timestamp())


@pytest.mark.parametrize("reads", [20, 23, 31, 57])
def test_a_clock_that_changes_while_it_is_read(driver: ctypes.CDLL, reads: int) -> None:
    start = datetime(2031, 12, 31, 23, 59, 58, tzinfo=UTC)
    clock = Clock(start, reads=reads)
    for _ in range(50):
        before = clock.now
        assert int(before.timestamp()) <= told(driver, clock.read, clock.write) <= int(clock.now.timestamp())


def test_no_clock(driver: ctypes.CDLL) -> None:
    assert told(driver, lambda port: 0xFF, lambda port, value: None) == 0
    assert told(driver, lambda port: 0x00, lambda port, value: None) == 0  # the month 0
