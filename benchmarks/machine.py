"""Describes the machine and the day of a measurement."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def machine_line() -> str:
    """The processor, Python, the day, and the load of the machine."""
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    load = os.getloadavg()[0]
    return f"{processor()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {moment}, load {load:.2f} before"


def processor() -> str:
    """The processor's name, family and model. In a cloud, different processors often have the same name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = values.get("model name", platform.machine())
    numbers = [f"{key.removeprefix('cpu ')} {values[key]}" for key in ("cpu family", "model") if key in values]
    return f"{name} ({' '.join(numbers)})" if numbers else name
