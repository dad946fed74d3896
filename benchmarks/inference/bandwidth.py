"""The rate at which this machine reads memory, and the best rate that it ever showed (remembered in the cache)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

from benchmarks.c_library import ZIG
from benchmarks.machine import cpu_flags, processor
from kgpt_build import paths

_SOURCE = Path(__file__).with_name("bandwidth.c")
_LEAST_BYTES = 256 << 20
_PASSES = 5
_REMEMBERED = "bandwidth.json"


def build(folder: Path) -> Path:
    """Compile the reader into ``folder``."""
    program = folder / "bandwidth"
    subprocess.run([*ZIG, "-O2", "-o", str(program), str(_SOURCE)], check=True)
    return program


def vector() -> str:
    """The widest vectors of this machine."""
    flags = cpu_flags()
    return "avx512" if "avx512f" in flags else "avx2" if "avx2" in flags else "sse2"


def buffer_bytes() -> int:
    """Eight times the largest cache, and at least 256 MiB: no cache keeps a useful part of it."""
    sizes = [_LEAST_BYTES >> 3]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        scale = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        sizes.append(int(text.rstrip("KM")) * scale)
    return 8 * max(sizes)


def measure(program: Path, threads: int, *, huge: bool = True) -> float:
    """Bytes per second of ``threads`` threads: the best of several loops and passes."""
    words = [program, threads, buffer_bytes(), _PASSES, vector(), "huge" if huge else "small"]
    done = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


class Best:
    """The best bandwidths of this machine by number of threads, in a file of the cache."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or paths.cache_dir() / _REMEMBERED
        self._machine = f"{processor()}, {os.cpu_count()} CPUs"

    def update(self, threads: int, bandwidth: float) -> float:
        """The best of all measurements, this one included."""
        known = self._read()
        machine = known.setdefault(self._machine, {})
        best = max(bandwidth, machine.get(str(threads), 0.0))
        if machine.get(str(threads)) != best:
            machine[str(threads)] = best
            with contextlib.suppress(OSError):  # a cache that cannot be written remembers nothing
                self._path.parent.mkdir(parents=True, exist_ok=True)
                paths.write_atomically(self._path, json.dumps(known, indent=1).encode())
        return best

    def _read(self) -> dict[str, dict[str, float]]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
