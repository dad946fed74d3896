"""Quantised matrices: values, layout and products, against gguf.quants and NumPy; every version has the same bits."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType
from refusals import refused

from benchmarks.quant_library import (
    BY_NAME,
    F32,
    Q8,
    Q8K,
    VERSIONS,
    Floats,
    Matrix,
    Quant,
    act_of,
    build,
    random_rows,
    scattered,
)
from kgpt_build.headers.interleave import Bytes, deinterleave, interleave
from kgpt_build.models.gguf.types import TYPES

NAMES = tuple(BY_NAME)


@pytest.fixture(scope="module")
def quant(tmp_path_factory: pytest.TempPathFactory) -> Quant:
    return build(tmp_path_factory.mktemp("quant"))


def dequantised(data: Bytes, name: str) -> Floats:
    values: Floats = gguf.quants.dequantize(data, GGMLQuantizationType[name])
    return values


def use(quant: Quant, version: str, name: str) -> int:
    """The number of a type. Skips a slot that cannot run here, or that leaves the type to another one."""
    if version not in quant.versions:
        pytest.skip(f"not run: this machine cannot run the slot {version}")
    if not quant.has(version, BY_NAME[name]):
        pytest.skip(f"{version} has no function for {name}")
    return BY_NAME[name]


def columns_of(name: str, blocks: int) -> int:
    return blocks * TYPES[BY_NAME[name]].block if TYPES[BY_NAME[name]].block > 1 else 32 * blocks + 5


def activations(tokens: int, columns: int, seed: int) -> Floats:
    x: Floats = scattered(np.random.default_rng(seed), (tokens, columns), -3, 4).astype("f4")
    x[:, : min(32, columns)] *= seed % 3  # sometimes a block of zeros
    return x


def test_sizes_are_those_of_gguf() -> None:
    for number, kind in TYPES.items():
        assert gguf.GGML_QUANT_SIZES[GGMLQuantizationType(number)] == (kind.block, kind.size)
        assert GGMLQuantizationType(number).name == kind.name
        assert not kind.fields or sum(size for size, _ in kind.fields) == kind.size


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_gguf_to_the_bit(quant: Quant, name: str) -> None:
    number, rows, columns = BY_NAME[name], 11, columns_of(name, 3)
    data = random_rows(number, rows, columns, 1)
    if TYPES[number].block > 1:  # infinite scales and scales that are no number
        data.reshape(rows, 3, -1)[3:5, :, -2:] = data.reshape(rows, 3, -1)[3:5, :, :2] = [0, 0x7C]
        data.reshape(rows, 3, -1)[5, :, -2:] = data.reshape(rows, 3, -1)[5, :, :2] = [1, 0xFE]
    with np.errstate(all="ignore"):
        expected = dequantised(data, name)
    for interleaved in (False, True):
        laid = interleave(data, number) if interleaved else data
        matrix = Matrix(laid, number, rows, columns, interleaved=interleaved)
        found = np.stack([quant.row(matrix, r) for r in range(rows)])
        same = found.view("u4") == expected.view("u4")
        assert np.all(same | (np.isnan(found) & np.isnan(expected)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 24, 31])
def test_both_sides_interleave_alike(quant: Quant, name: str, rows: int) -> None:
    number, columns = BY_NAME[name], columns_of(name, 3)
    data = random_rows(number, rows, columns, rows)
    matrix = Matrix(data, number, rows, columns, interleaved=False)
    quant.interleave(matrix)
    laid = interleave(data, number)
    assert np.array_equal(laid, matrix.bytes)
    assert np.array_equal(deinterleave(laid, number, rows), data)
    assert matrix.struct.interleaved == TYPES[number].interleaved


def test_rows_that_are_no_blocks_are_refused() -> None:
    with refused(ValueError, "33 columns Q4_1's block 32"):
        TYPES[BY_NAME["Q4_1"]].row_bytes(33)
    with refused(ValueError, "rows 21 bytes blocks Q4_1"):
        interleave(np.zeros((8, 21), np.uint8), BY_NAME["Q4_1"])
    assert TYPES[BY_NAME["Q6_K"]].row_bytes(512) == 420


def test_halves(quant: Quant) -> None:
    for half in range(0, 1 << 16, 7):
        expected = float(np.array([half], "u2").view("f2").astype("f4")[0])
        found = quant.f16_to_f32(half)
        assert found == expected or (np.isnan(found) and np.isnan(expected))
    generator = np.random.default_rng(5)
    values = (generator.standard_normal(3000) * 2.0 ** generator.uniform(-30, 18, 3000)).astype("f4")
    edges = np.array([65504, 65519.99, 65520, 1e9, np.inf, 6e-8, 2.9e-8, 3e-8, 0, -0.0, 6.1e-5, 6.09e-5], "f4")
    ties = (np.arange(2049) + 0.5).astype("f4") * np.float32(2**-24)
    for value in np.concatenate([values, edges, -edges, ties]):
        with np.errstate(over="ignore"):
            assert quant.f32_to_f16(value) == int(value.astype("f2").view("u2"))


def quantised(x: Floats, block: int) -> tuple[Floats, Floats]:
    """Scales (…, blocks) and integers (…, columns) as the specification has them, in NumPy."""
    blocks = x.reshape(*x.shape[:-1], -1, block)
    most = np.abs(blocks).max(axis=-1).astype("f4")
    zero = most < 2.0**-60
    factor = np.float32(127) / np.where(zero, np.float32(1), most)
    integers = np.where(zero[..., None], np.float32(0), np.rint(blocks * factor[..., None]))
    return np.where(zero, np.float32(0), most / np.float32(127)), integers.reshape(x.shape)


def unpacked_q8(acts: Bytes, columns: int) -> tuple[Floats, Floats]:
    blocks = acts[:, : columns // 32 * 48].reshape(len(acts), -1, 48)
    sums = np.ascontiguousarray(blocks[..., 8:12]).view("i4")[..., 0]
    q = blocks[..., 16:].view("i1")
    assert np.array_equal(q.astype("i4").sum(axis=-1), sums)
    d, s = (np.ascontiguousarray(blocks[..., i : i + 4]).view("f4")[..., 0] for i in (0, 4))
    assert np.array_equal(sums.astype("f4"), s)
    return d, q.reshape(len(acts), -1).astype("f4")


def unpacked_q8k(acts: Bytes, columns: int) -> tuple[Floats, Floats]:
    blocks = acts[:, : columns // 256 * 304].reshape(len(acts), -1, 304)
    q = blocks[..., 48:].view("i1")
    sums = np.ascontiguousarray(blocks[..., 16:48]).view("i2")
    assert np.array_equal(q.astype("i2").reshape(*sums.shape, 16).sum(axis=-1), sums)
    return np.ascontiguousarray(blocks[..., :4]).view("f4")[..., 0], q.reshape(len(acts), -1).astype("f4")


@pytest.mark.parametrize("version", VERSIONS)
def test_activations_are_quantised_as_specified(quant: Quant, version: str) -> None:
    if version not in quant.versions:
        pytest.skip(f"not run: this machine cannot run the slot {version}")
    x = activations(9, 1024, 4)
    x[0, 32:64] = 2.0**-61
    x[1, :64] = np.arange(-32, 32) * np.float32(127 / 32) + np.float32(0.5)  # ties
    for act, block, unpack in ((Q8, 32, unpacked_q8), (Q8K, 256, unpacked_q8k)):
        acts = quant.act(version, act, x)
        d, q = unpack(acts, x.shape[1])
        expected_d, expected_q = quantised(x, block)
        assert np.array_equal(d, expected_d)
        assert np.array_equal(q, expected_q)
        used = x.shape[1] // block * (48 if act == Q8 else 304)  # behind them the versions differ
        assert np.array_equal(acts[:, :used], quant.act("c", act, x)[:, :used])
    assert np.array_equal(quant.act(version, F32, x).reshape(9, -1)[:, : 4 * 1024].view("f4"), x)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_the_product_of_the_values(quant: Quant, name: str) -> None:
    number, rows, columns = BY_NAME[name], 17, columns_of(name, 5)
    data, x = random_rows(number, rows, columns, 8), activations(3, columns, 8)
    matrix = Matrix(interleave(data, number), number, rows, columns, interleaved=TYPES[number].interleaved)
    act = act_of(number)
    found = quant.rows("c", matrix, quant.act("c", act, x), 0, rows)
    values = x.astype("f8")
    if act != F32:
        block = 32 if act == Q8 else 256
        d, q = quantised(x, block)
        values = (np.repeat(d, block, axis=-1).astype("f8")) * q
    weights = dequantised(data, name).astype("f8")
    expected = values @ weights.T
    size = np.abs(values) @ np.abs(weights).T
    assert np.max(np.abs(found - expected) / size) < 1e-6 * (4 if act == F32 else 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS[1:])
def test_every_version_has_the_bits_of_the_reference(quant: Quant, version: str, name: str) -> None:
    number = use(quant, version, name)
    cases = [(rows, 31 if rows == 17 else 1 + rows % 9) for rows in range(1, 18)]
    for rows, tokens in (*cases, (24, 1), (27, 6), (32, 9), (40, 3), (47, 16)):
        columns = columns_of(name, 1 + rows % 4)
        data, x = random_rows(number, rows, columns, rows), activations(tokens, columns, rows)
        matrix = Matrix(interleave(data, number), number, rows, columns, interleaved=TYPES[number].interleaved)
        expected = quant.rows("c", matrix, quant.act("c", act_of(number), x), 0, rows)
        acts = quant.act(version, act_of(number), x)
        found = quant.rows(version, matrix, acts, 0, rows)
        assert np.array_equal(found.view("u4"), expected.view("u4")), f"{rows} rows, {columns} columns, {tokens} tokens"
        if rows > 8:  # a part
            part = quant.rows(version, matrix, acts, 8, rows - 8)
            assert np.all(part[:, :8] == 7)
            assert np.array_equal(part[:, 8:], expected[:, 8:])


BLOCKS = [name for name, number in BY_NAME.items() if TYPES[number].block > 1]


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("version", VERSIONS[1:])
def test_one_token_has_the_bits_of_the_reference(quant: Quant, version: str, name: str) -> None:
    """Its rows may be computed in an order of their own: odd and even numbers of blocks, groups and rows, long rows."""
    number = use(quant, version, name)
    for rows, blocks in (*((rows, blocks) for rows in (8, 16, 24, 29) for blocks in (1, 2, 3, 4)), (8, 24), (16, 25)):
        columns = blocks * TYPES[number].block
        data, x = random_rows(number, rows, columns, rows + blocks), activations(1, columns, blocks)
        matrix = Matrix(interleave(data, number), number, rows, columns, interleaved=True)
        expected = quant.rows("c", matrix, quant.act("c", act_of(number), x), 0, rows)
        acts = quant.act(version, act_of(number), x)
        for first in range(0, rows, 8):
            found = quant.rows(version, matrix, acts, first, rows - first)
            assert np.array_equal(found[:, first:], expected[:, first:]), f"rows {first} to {rows}, {blocks} blocks"
            assert np.all(found[:, :first] == 7)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("version", VERSIONS[1:])
def test_the_largest_products_do_not_overflow(quant: Quant, version: str, name: str) -> None:
    """Blocks of one repeated byte, for every byte, with activations that are all as large as can be."""
    number = use(quant, version, name)
    kind, columns = TYPES[number], columns_of(name, 1)
    data = np.repeat(np.arange(256, dtype=np.uint8), kind.size).reshape(256, -1)
    for start in kind.halves:
        data[:, start : start + 2] = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
    for start in kind.exponents:
        data[:, start] = 127
    matrix = Matrix(interleave(data, number), number, 256, columns, interleaved=True)
    at = np.arange(columns)
    x = np.stack([np.ones(columns), -np.ones(columns), 1 - 2 * (at % 2), np.where(at % 32 < 16, 1, -1)]).astype("f4")
    expected = quant.rows("c", matrix, quant.act("c", act_of(number), x), 0, 256)
    acts = quant.act(version, act_of(number), x)
    found = quant.rows(version, matrix, acts, 0, 256)
    assert np.array_equal(found.view("u4"), expected.view("u4"))
    for t in range(len(x)):
        alone = quant.rows(version, matrix, acts[t : t + 1], 0, 256)
        assert np.array_equal(alone.view("u4"), expected[t : t + 1].view("u4"))
    assert np.allclose(expected, x.astype("f8") @ dequantised(data, name).astype("f8").T, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_exponent(quant: Quant, version: str) -> None:
    """Of MXFP4: rows of one block with each of the 256, whose values gguf has to the bit."""
    if version not in quant.versions:
        pytest.skip(f"not run: this machine cannot run the slot {version}")
    number = BY_NAME["MXFP4"]
    data = np.random.default_rng(6).integers(0, 256, (256, 17), np.uint8)
    data[:, 0] = np.arange(256)
    matrix = Matrix(interleave(data, number), number, 256, 32, interleaved=True)
    with np.errstate(over="ignore"):
        expected = dequantised(data, "MXFP4")
    assert np.array_equal(np.stack([quant.row(matrix, r) for r in range(256)]).view("u4"), expected.view("u4"))
    x = activations(5, 32, 7)
    products = [quant.rows(of, matrix, quant.act(of, Q8, x), 0, 256) for of in (version, "c")]
    assert np.array_equal(products[0].view("u4"), products[1].view("u4"))
