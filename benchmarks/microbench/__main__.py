"""``python -m benchmarks.microbench [TYPE …]``: products of quantised matrices by type and slot, on one core.

One token: a matrix in memory is read once, in GB/s, and as a share of what the core can read. Eight and 64 tokens: a
matrix that fits into the caches, in GMAC/s, the last also as a share of the core's peak for the instructions that
the slot uses. Best of several runs. The slots are those that the library has, and this processor can run; plain C is
left out, it is the specification.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.inference import bandwidth, report
from benchmarks.inference.figures import Conditions
from benchmarks.machine import load, machine_line
from benchmarks.microbench import roofline
from benchmarks.microbench.roofline import Roofline
from benchmarks.quant_library import BY_NAME, Matrix, Quant, act_of, build, random_rows
from kgpt_build.headers.interleave import interleave
from kgpt_build.models.gguf.types import TYPES

COLUMNS = 1536
MEMORY_BYTES = 192 << 20
"""Bytes of the matrix that is read from memory: several times a processor's caches."""
CACHED_ROWS = 1536
_TILE = 64


@dataclass(frozen=True)
class Measured:
    """A type in a slot: bytes per second with one token, MACs per second with eight and 64."""

    read: float
    eight: float
    sixty_four: float

    def row(self, name: str, slot: str, roof: Roofline) -> str:
        """A row of the table."""
        peak = roof.peak(slot, is_float=TYPES[BY_NAME[name]].block == 1)
        share = f"{100 * self.sixty_four / peak:.0f} %" if peak else "–"
        cells = [
            *(name, slot, f"{self.read / 1e9:.1f}", f"{100 * self.read / roof.bandwidth:.0f} %"),
            *(f"{self.eight / 1e9:.1f}", f"{self.sixty_four / 1e9:.1f}", share),
        ]
        return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the roofline and the table."""
    before = load()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.microbench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("types", nargs="*", default=list(BY_NAME), metavar="TYPE", help="of GGML; default: all")
    parser.add_argument("--slots", nargs="+", help="default: all that this processor can run")
    parser.add_argument("--runs", type=int, default=5, help="of which the best counts; default: 5")
    parser.add_argument("--into", metavar="DOCUMENT:NAME", help="as for benchmarks.inference")
    options = parser.parse_args()
    if unknown := [name for name in options.types if name not in BY_NAME]:
        parser.error(f"no type {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    with tempfile.TemporaryDirectory(prefix="kgpt-bench-") as folder, report.kept_in(options.into):
        print(report.prose(f"{machine_line()}; one core"))
        roof, quant = roofline.measure(Path(folder)), build(Path(folder))
        best = bandwidth.Best().update(1, roof.bandwidth)
        mark = Conditions(before, roof.bandwidth, best).mark
        if mark:
            print(report.prose(f"disturbed: {mark}"))
        peaks = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in roof.peaks.items())
        print(report.prose(f"memory read: {roof.bandwidth / 1e9:.1f} GB/s; peaks in GMAC/s: {peaks}"), end="\n\n")
        if quant.lacking:
            print(f"Not run, because this processor cannot: {', '.join(quant.lacking)}.\n")
        print("| type | slot | 1 token GB/s | of the bandwidth | 8 tokens GMAC/s | 64 tokens GMAC/s | of the peak |")
        print("|---|---|---|---|---|---|---|")
        for name in options.types:
            matrices = Matrices.of(name)
            for slot in quant.versions[1:]:
                if quant.has(slot, BY_NAME[name]) and (options.slots is None or slot in options.slots):
                    print(measure(quant, matrices, slot, options.runs).row(name, slot, roof), flush=True)


@dataclass(frozen=True)
class Matrices:
    """Matrices of a type: one for memory, one for the caches."""

    large: Matrix
    small: Matrix

    @classmethod
    def of(cls, name: str) -> Matrices:
        """With random weights, a tile of rows repeated."""
        number = BY_NAME[name]
        row = TYPES[number].row_bytes(COLUMNS)
        return cls(_matrix(number, -(-MEMORY_BYTES // row // _TILE) * _TILE), _matrix(number, CACHED_ROWS))


def measure(quant: Quant, matrices: Matrices, slot: str, runs: int) -> Measured:
    """Measure products with one token from memory, and with eight and 64 from the caches."""
    large, small = matrices.large, matrices.small
    read = large.bytes.size / _seconds(quant, large, slot, 1, runs)
    macs = [CACHED_ROWS * COLUMNS * tokens / _seconds(quant, small, slot, tokens, runs) for tokens in (8, 64)]
    return Measured(read, *macs)


def _matrix(number: int, rows: int) -> Matrix:
    few = interleave(random_rows(number, _TILE, COLUMNS, 1), number).reshape(-1)
    data = np.tile(few, rows // _TILE)
    return Matrix(data, number, rows, COLUMNS, interleaved=TYPES[number].interleaved)


def _seconds(quant: Quant, matrix: Matrix, slot: str, tokens: int, runs: int) -> float:
    x = np.random.default_rng(2).standard_normal((tokens, COLUMNS)).astype(np.float32)
    return quant.seconds(slot, matrix, quant.act(slot, act_of(matrix.struct.type), x), runs)


if __name__ == "__main__":
    main()
