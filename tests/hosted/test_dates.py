"""Dates, and which clocks are believed: the kernel and the host agree."""

from __future__ import annotations

import ctypes
import random
from datetime import UTC, datetime

import pytest
from native import shared_object

from kgpt_build.memory.store import is_plausible

SOURCES = ("kernel_c/store/date.c", *(f"kernel_c/core/{name}.c" for name in ("format", "str", "utf8")))


_NAMES = ("year", "month", "day", "hour", "minute", "second")


class _Date(ctypes.Structure):
    """struct kg_date."""

    _fields_ = tuple((name, ctypes.c_uint32) for name in _NAMES)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = shared_object(tmp_path_factory.mktemp("date"), SOURCES)
    library.kg_date_of.restype = _Date
    library.kg_date_of.argtypes = library.kg_date_is_plausible.argtypes = [ctypes.c_uint64]
    library.kg_date_is_plausible.restype = ctypes.c_bool
    library.kg_date_text.argtypes = [ctypes.c_uint64, ctypes.c_char_p]
    return library


def seconds(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def test_dates(library: ctypes.CDLL) -> None:
    draw = random.Random(3)
    moments = [draw.randrange(seconds(9999, 12, 31)) for _ in range(5000)]
    moments += [seconds(year, month, day) for year in (2000, 2028, 2100) for month, day in ((1, 1), (2, 28), (3, 1))]
    for moment in moments:
        date, right = library.kg_date_of(moment), datetime.fromtimestamp(moment, UTC)
        assert [getattr(date, name) for name in _NAMES] == list(right.timetuple()[:6])


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, ""),
        (seconds(2000, 1, 1), ""),
        (seconds(2026, 1, 1) - 1, ""),
        (seconds(2026, 1, 1), "2026-01-01 00:00 UTC"),
        (seconds(2028, 2, 29, 23, 59, 59), "2028-02-29 23:59 UTC"),
        (seconds(2100, 1, 1) - 1, "2099-12-31 23:59 UTC"),
        (seconds(2100, 1, 1), ""),
        ((1 << 64) - 1, ""),
    ],
)
def test_which_clocks_are_believed(library: ctypes.CDLL, moment: int, text: str) -> None:
    room = ctypes.create_string_buffer(24)
    library.kg_date_text(moment, room)
    assert room.value.decode() == text
    assert library.kg_date_is_plausible(moment) == is_plausible(moment) == bool(text)
