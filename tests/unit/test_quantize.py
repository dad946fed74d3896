"""kgpt quantize: the error of each type against llama.cpp's, and the bits of blocks."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from quantized import LLAMA_CPP, Floats, matrix, relative_error
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.models.quantize.rows import BY_NAME, dequantize_rows, quantize_rows

BLOCK_TYPES = [name for name, kind in BY_NAME.items() if kind.block > 1]
BY_LIBRARY = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4")
SEARCHED = [name for name in BLOCK_TYPES if name not in BY_LIBRARY]


def _round_trip(values: Floats, kind: str, importance: Floats | None = None) -> Floats:
    raw = quantize_rows(values, kind, importance)
    assert raw.dtype == np.uint8
    assert raw.shape == (len(values), BY_NAME[kind].row_bytes(values.shape[1]))
    return dequantize_rows(raw, kind)


def test_each_type_is_compared() -> None:
    assert set(BLOCK_TYPES) <= set(LLAMA_CPP)


@pytest.mark.parametrize("kind", BLOCK_TYPES)
def test_it_loses_no_more_than_llama_cpp(kind: str) -> None:
    values, importance = matrix()
    without, weighted = LLAMA_CPP[kind]
    assert relative_error(values, _round_trip(values, kind)) < 1.001 * without
    assert relative_error(values, _round_trip(values, kind, importance), importance) < 1.01 * weighted


@pytest.mark.parametrize("kind", [kind for kind in BLOCK_TYPES if kind not in ("Q8_0", "MXFP4")])
def test_an_importance_matters(kind: str) -> None:
    """Errors in important columns count more, so the weighted error is smaller by 5 % at least."""
    values, importance = matrix()
    plain, weighted = _round_trip(values, kind), _round_trip(values, kind, importance)
    assert relative_error(values, weighted, importance) < 0.95 * relative_error(values, plain, importance)


def _naive(values: Floats, kind: str) -> Floats:
    """Scale and minimum from the smallest and largest value of each sub-block, in full precision."""
    size, levels = {"Q2_K": (16, 4), "Q3_K": (16, 8), "Q4_K": (32, 16), "Q5_K": (32, 32)}.get(kind, (16, 64))
    blocks = values.reshape(-1, size)
    low, high = blocks.min(1, keepdims=True), blocks.max(1, keepdims=True)
    scale = (high - low) / (levels - 1)
    rounded: Floats = low + np.rint((blocks - low) / scale) * scale
    return rounded.reshape(values.shape)


@pytest.mark.parametrize(("kind", "most"), [("Q2_K", 0.87), ("Q4_K", 0.94), ("Q5_K", 0.97)])
def test_the_search_gains_over_rounding_between_the_extremes(kind: str, most: float) -> None:
    """Although scales and minima have 4 or 6 bits, and there they are exact."""
    values, _ = matrix()
    assert relative_error(values, _round_trip(values, kind)) < most * relative_error(values, _naive(values, kind))


@pytest.mark.parametrize("kind", BY_LIBRARY)
def test_types_of_the_library_have_its_bytes(kind: str) -> None:
    values, _ = matrix()
    if kind in BY_NAME:
        assert (quantize_rows(values, kind) == quants.quantize(values, GGMLQuantizationType[kind])).all()


@pytest.mark.parametrize("kind", BLOCK_TYPES)
def test_odd_values(kind: str) -> None:
    """Zeros stay zeros; tiny and constant rows, one outlier, and one sign have finite results near the values."""
    values, _ = matrix()
    values[0] = 0
    values[1] = 1e-30
    values[2] = 0.25
    values[3] = 0
    values[3, 77] = 100
    values[4] = np.abs(values[4])
    values[5] = -np.abs(values[5])
    values[6, :300] = 0
    for importance in (None, np.where(np.arange(512) % 3, 1, 0).astype(np.float32)):
        found = _round_trip(values, kind, importance)
        assert np.isfinite(found).all()
        assert (found[0] == 0).all()
        assert np.abs(found[1]).max() < 1e-6
        assert found[3, 77] == pytest.approx(100, rel=0.1)
    found = _round_trip(values, kind)
    assert found[2] == pytest.approx(values[2], rel=0.1)
    for row in (4, 5, 6):
        assert relative_error(values[row : row + 1], found[row : row + 1]) < 1.6 * LLAMA_CPP[kind][0]


def test_values_that_are_in_the_type_already_stay() -> None:
    """Blocks that a type can hold exactly come back almost exactly: the search finds their scale."""
    rng = np.random.default_rng(3)
    levels = rng.integers(-32, 32, (8, 32, 16)).astype(np.float32)
    levels[..., 0] = -32
    values = (levels * 0.0125).reshape(8, 512)
    assert relative_error(values, _round_trip(values, "Q6_K")) < 1e-3


def test_f16_and_bf16() -> None:
    values, _ = matrix()
    assert (quantize_rows(values, "F16") == values.astype(np.float16)).all()
    assert relative_error(values, _round_trip(values, "BF16")) < 2e-3
    values[3, 5] = 70000
    with refused(KgptError, "70000 F16"):
        quantize_rows(values, "F16")


def test_pieces_do_not_matter() -> None:
    """Rows are quantised in pieces by several threads; each row is by itself."""
    values, _ = matrix()
    many = np.tile(values, (4, 1))
    assert (quantize_rows(many, "Q4_K") == np.tile(quantize_rows(values, "Q4_K"), (4, 1))).all()
