"""How long tests wait. Tests wait for events; the limits here only end what would never come.

A limit is many times what a step takes on a quiet machine, and grows with how slow and how busy this one is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache

_REFERENCE = 0.017
"""Processor seconds that ``_work`` takes on a machine on which the suite takes SUITE_MINUTES (AMD EPYC, Zen 4)."""
SUITE_MINUTES = 20.0
"""Of `make test` on a quiet machine with two processors."""
TEST_SECONDS = 600
"""For one test on a quiet machine, far more than the longest takes."""


def limit(seconds: float) -> float:
    """``seconds`` on a quiet machine, for this one as it is now."""
    return seconds * slowness() * (1 + busyness())


def attempts(seconds: float, pause: float) -> Iterator[int]:
    """0, 1, 2, … with a pause between them, until ``limit(seconds)`` is over."""
    end = time.monotonic() + limit(seconds)
    attempt = 0
    while time.monotonic() < end:
        yield attempt
        attempt += 1
        time.sleep(pause)


@cache
def slowness() -> float:
    """By how much this processor is slower than the one on which limits were chosen; at least 1."""
    return max(1.0, min(_work() for _ in range(3)) / _REFERENCE)


def busyness() -> float:
    """Processes that want a processor, for each processor, over the last minute."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def suite_minutes(workers: int) -> float:
    """About how long all of `make test` takes here with so many workers, which share the processors with the rest."""
    processors = os.cpu_count() or 1
    others = os.getloadavg()[0]
    share = processors / (workers + others) if workers + others > processors else 1.0
    return SUITE_MINUTES * 2 / workers * slowness() / share


def _work() -> float:
    start = time.process_time()
    sum(i * i % 7 for i in range(300_000))
    return time.process_time() - start
