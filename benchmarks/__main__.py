"""``python -m benchmarks``: measure builds, sizes, boots and instructions on this machine."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import boots, builds
from benchmarks.machine import machine_line
from kgpt_build.toolchain.qemu import Qemu


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="boots, and builds, of which the median is printed")
    options = parser.parse_args()
    print(f"on {machine_line()}, QEMU {Qemu().version()}")
    with tempfile.TemporaryDirectory(prefix="kgpt-bench-") as folder:
        image = builds.run(Path(folder), max(1, options.runs // 3))
        boots.run(image, options.runs)


if __name__ == "__main__":
    main()
