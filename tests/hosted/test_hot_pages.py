"""The loops in which a kernel under TCG spends its time lie within pages: docs/inference.md says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.elf import read_elf
from kgpt_build.models import NO_MODEL

PAGE = 4096
HOT = re.compile(r"kg_rows_\w+_swar|kg_(scores|add_values|powers|kv_load_f16)_128")
KINDS = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "mxfp4")


@pytest.fixture(scope="module")
def kernel() -> Path:
    """By zig, which kgpt build takes; another compiler may make longer functions."""
    return build_cached(NO_MODEL)


def test_each_function_of_products_lies_in_one_page(kernel: Path) -> None:
    found = {symbol.name: symbol for symbol in read_elf(kernel).symbols if HOT.fullmatch(symbol.name)}
    assert {f"kg_rows_{kind}_swar" for kind in KINDS} <= found.keys()
    assert {f"kg_{name}_128" for name in ("scores", "add_values", "powers", "kv_load_f16")} <= found.keys()
    assert [name for name, s in found.items() if s.address // PAGE != (s.address + s.size - 1) // PAGE] == []
