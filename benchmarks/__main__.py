"""``python -m benchmarks``: builds, sizes, boots, instructions, on this machine, now."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

from benchmarks import boots, builds
from kgpt_build.toolchain.qemu import Qemu


def machine_line() -> str:
    """The processor that the figures were taken on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    return f"{processor}, {os.cpu_count()} CPUs, QEMU {Qemu().version()}, Python {platform.python_version()}"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="boots, and builds, of which the median is printed")
    options = parser.parse_args()
    print(f"on {machine_line()}")
    with tempfile.TemporaryDirectory(prefix="kgpt-bench-") as folder:
        image = builds.run(Path(folder), max(1, options.runs // 3))
        boots.run(image, options.runs)


if __name__ == "__main__":
    main()
