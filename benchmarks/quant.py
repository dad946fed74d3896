"""``python -m benchmarks.quant``: measure products of quantised matrices by type and version, on one processor."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.quant_library import BY_NAME, Matrix, Quant, act_of, build, random_rows
from kgpt_build.headers.interleave import interleave
from kgpt_build.models.gguf.types import TYPES

COLUMNS = 1536
DECODE_ROWS, PROMPT_ROWS = 32768, 1536  # a matrix that exceeds the caches, and one that fits
TOKENS = 64


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quant", description=__doc__)
    parser.add_argument("types", nargs="*", default=list(BY_NAME), help="tensor types; all without")
    parser.add_argument("--runs", type=int, default=10, help="of which the best is printed")
    options = parser.parse_args()
    print(f"on {machine_line()}, one thread")
    print(f"{DECODE_ROWS:,} rows of {COLUMNS} with one token; {PROMPT_ROWS:,} rows with {TOKENS} tokens")
    print("type   version    decode GB/s   GMAC/s    prompt GMAC/s")
    with tempfile.TemporaryDirectory(prefix="kgpt-bench-") as folder:
        quant = build(Path(folder))
        for name in options.types:
            for version in quant.versions[1:]:  # the reference is slow by design
                print(line(quant, name, version, options.runs), flush=True)


def line(quant: Quant, name: str, version: str, runs: int) -> str:
    """Measure, and format a line of the table."""
    size, decode = measured(quant, name, version, DECODE_ROWS, 1, runs)
    _, prompt = measured(quant, name, version, PROMPT_ROWS, TOKENS, runs)
    macs = [rows * COLUMNS * tokens for rows, tokens in ((DECODE_ROWS, 1), (PROMPT_ROWS, TOKENS))]
    rate = f"{size / decode / 1e9:11.1f} {macs[0] / decode / 1e9:8.1f} {macs[1] / prompt / 1e9:16.1f}"
    return f"{name:6s} {version:8s} {rate}"


def measured(quant: Quant, name: str, version: str, rows: int, tokens: int, runs: int) -> tuple[int, float]:
    """(bytes of a matrix, seconds for its product with ``tokens`` tokens)."""
    number = BY_NAME[name]
    few = random_rows(number, 64, COLUMNS, 1)
    data = interleave(np.tile(few, (rows // 64, 1)), number)
    matrix = Matrix(data, number, rows, COLUMNS, interleaved=TYPES[number].interleaved)
    x = np.random.default_rng(2).standard_normal((tokens, COLUMNS)).astype(np.float32)
    return data.size, quant.seconds(version, matrix, quant.act(version, act_of(number), x), runs)


if __name__ == "__main__":
    main()
