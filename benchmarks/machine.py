"""Describes the machine and the day of a measurement, and what else ran."""

from __future__ import annotations

import os
import platform
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

_BUSY = (1, 2, 3, 6, 7, 8)
"""Columns of /proc/stat's first line: user, nice, system, irq, softirq, and what the hypervisor stole."""


def machine_line() -> str:
    """The processor, Python, the day, and the load of the machine."""
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{processor()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {moment}, load {load():.2f} before"
    )


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def processor() -> str:
    """The processor's name, family and model. In a cloud, different processors often have the same name."""
    values = _cpuinfo()
    name = values.get("model name", platform.machine())
    numbers = [f"{key.removeprefix('cpu ')} {values[key]}" for key in ("cpu family", "model") if key in values]
    return f"{name} ({' '.join(numbers)})" if numbers else name


def cpu_flags() -> frozenset[str]:
    """The processor's features, as Linux names them."""
    return frozenset(_cpuinfo().get("flags", "").split())


def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


class Watch:
    """How many processors other processes, and the hypervisor, took while this one measured."""

    def __init__(self) -> None:
        self._time, self._busy, self._own = time.perf_counter(), _busy_seconds(), _own_seconds()

    def foreign(self) -> float:
        """The mean since the watch was made, in processors; children count as our own once they were waited for."""
        wall = time.perf_counter() - self._time
        busy, own = _busy_seconds() - self._busy, _own_seconds() - self._own
        return max(0.0, busy - own) / wall if wall > 0 else 0.0


def _busy_seconds() -> float:
    try:
        columns = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    return sum(int(columns[i]) for i in _BUSY) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)
