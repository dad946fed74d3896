"""``python -m benchmarks.inference.everything [PART …]``: make the tables of docs/inference.md, one after the other.

All parts run in one process: the load at its start is that of other work, while that at the start of a later command
would be our own.
"""

from __future__ import annotations

import argparse

from benchmarks.inference.__main__ import measure, reported
from benchmarks.machine import load

PARTS = {
    "headline": "--rounds 5 --repeat 1",
    "depth": "smollm2-135m --prompt 64 --decode 32 --depths 0 512 1024 1984 --kv f16 q8 --rounds 3 --repeat 1",
    "long": "smollm2-135m --prompt 8192 --decode --kv f16 q8 --rounds 1 --repeat 1",
    "large": (
        "synthetic-1b-q4_k synthetic-1b-q8_0 synthetic-7b-q4_k synthetic-7b-q8_0 "
        "--prompt 64 --decode 16 --rounds 2 --repeat 1"
    ),
    "start": "smollm2-135m:Q8_0 --first-token",
    "slots": "smollm2-135m:Q8_0 --slots --decode 32 --rounds 3 --repeat 1",
    "speculation": "smollm2-135m --speculation --rounds 3",
}
"""Each part of docs/inference.md -> the words of its command line."""


def main() -> None:
    """Measure the parts that are named, or all."""
    before = load()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference.everything", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default: {' '.join(PARTS)}")
    parser.add_argument("--into", metavar="DOCUMENT", help="also put each table into its part of this document")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.parts if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in arguments.parts or PARTS:
        place = ["--into", f"{arguments.into}:{name}"] if arguments.into else []
        with reported():
            measure([*PARTS[name].split(), *place], before)
        print()


if __name__ == "__main__":
    main()
