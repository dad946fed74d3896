"""Attention: every instruction set has the bits of the plain definition, in each step and in whole batches."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from lm import KV, Floats
from native import shared_object
from rooms import listed

TABLES = ("ref", "sse2", "avx2", "avx512")
F16, Q8, F32 = range(3)  # enum kg_kv_type
DIMS = (16, 20, 33, 64, 80, 96, 128, 256)


class Library:
    """The functions of attention_driver.c for arrays."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.driver_has.restype = ctypes.c_bool
        library.driver_attend.restype = ctypes.c_bool
        library.kg_kv_size.restype = ctypes.c_uint32

    def has(self, table: str) -> bool:
        return bool(self._library.driver_has(TABLES.index(table)))

    def store(self, table: str, kv: int, heads: Floats) -> npt.NDArray[np.uint8]:
        """Heads (n, dim) in the cache's type (n, bytes)."""
        n, dim = heads.shape
        out = np.zeros((n, self._library.kg_kv_size(kv, dim)), np.uint8)
        for to, head in zip(out, heads, strict=True):
            self._library.driver_store(TABLES.index(table), kv, _at(to), _at(head), dim)
        return out

    def load(self, table: str, kv: int, stored: npt.NDArray[np.uint8], dim: int, first: int, end: int) -> Floats:
        """Values ``first`` to ``end`` of heads, padded with zeros: (n, width). Memory behind rows is unchanged."""
        width = padded(end - first)
        out = np.full((len(stored), width + 5), 7, np.float32)
        stride = ctypes.c_size_t(width + 5)
        self._library.driver_load(TABLES.index(table), kv, _at(out), stride, _at(stored), len(stored), dim, first, end)
        assert np.all(out[:, width:] == 7)
        return out[:, :width].copy()

    def scores(self, table: str, queries: Floats, keys: Floats, scale: float) -> Floats:
        out = np.full((len(queries), len(keys) + 3), 7, np.float32)
        stride = ctypes.c_size_t(len(keys) + 3)
        self._library.driver_scores(
            TABLES.index(table), _at(out), stride, _at(queries), len(queries), _at(keys), len(keys), keys.shape[1],
            ctypes.c_float(scale),
        )  # fmt: skip
        assert np.all(out[:, len(keys) :] == 7)
        return out[:, : len(keys)].copy()

    def weights(self, table: str, x: Floats, by: float) -> Floats:
        out = np.concatenate([x, np.array([7], np.float32)])
        self._library.driver_weights(TABLES.index(table), _at(out), ctypes.c_size_t(len(x)), ctypes.c_float(by))
        assert out[-1] == 7
        return out[:-1].copy()

    def add_values(self, table: str, out: Floats, weights: Floats, values: Floats) -> Floats:
        out, strides = out.copy(), [ctypes.c_size_t(a.shape[1]) for a in (out, weights)]
        self._library.driver_add_values(
            TABLES.index(table), _at(out), strides[0], _at(weights), strides[1], len(weights), _at(values), len(values),
            values.shape[1],
        )  # fmt: skip
        return out

    def attend(
        self, table: str, workers: int, shape: Shape, first: int, queries: Floats, keys: Floats, values: Floats
    ) -> Floats:
        """Outputs (n, n_head, dim) of a batch behind ``first`` positions."""
        out, memory = np.zeros_like(queries), np.zeros(1 << 26, np.uint8)
        assert self._library.driver_attend(
            TABLES.index(table), workers, ctypes.byref(shape), first, len(queries), _at(queries), _at(keys),
            _at(values), _at(out), _at(memory), ctypes.c_size_t(memory.size),
        )  # fmt: skip
        return out


class Shape(ctypes.Structure):
    """struct shape of attention_driver.c."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("n_head", "n_head_kv", "dim", "n_ctx", "n_batch", "kv", "window")),
        ("scale", ctypes.c_float),
    ]


def _at(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def padded(n: int) -> int:
    return -(-n // 16) * 16


@pytest.fixture(scope="module", params=["zig", "gcc"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    sources = [path for path in listed("ENGINE_LM", rooms=("ops/attention",)) if not path.endswith("_test.c")]
    sources += [f"kernel_c/infer/{name}.c" for name in ("attention/share", "attention/tile", "kv")]
    sources += [f"kernel_c/core/{name}.c" for name in ("arena", "arena_count", "str", "x86/cpu")]
    sources += ["kernel_c/ops/quant/types.c"]
    sources += [
        f"kernel_c/ops/x86/{name}.c" for name in ("attention_avx2", "attention_avx512", "choose_attention", "isa")
    ]
    sources += ["kernel_c/ops/x86/kv_avx2.c"]
    folder = tmp_path_factory.mktemp("attention")
    return Library(shared_object(folder, ["tests/hosted/attention_driver.c", *sources], request.param))


@pytest.fixture(params=TABLES[1:])
def table(request: pytest.FixtureRequest, library: Library) -> str:
    if not library.has(request.param):
        pytest.skip(f"no {request.param} here")
    return str(request.param)


def random(*shape: int, seed: int = 1) -> Floats:
    """Numbers of many magnitudes, and zeros of both signs."""
    generator = np.random.default_rng((seed, *shape))
    x = generator.standard_normal(shape) * 2.0 ** generator.integers(-12, 4, shape)
    return np.where(generator.random(shape) < 0.02, x * 0, x).astype(np.float32)


def same(a: Floats, b: Floats) -> bool:
    """The same bits; NaN may have any."""
    assert a.dtype == b.dtype == np.float32
    assert a.shape == b.shape
    return bool(np.all((a.view("u4") == b.view("u4")) | (np.isnan(a) & np.isnan(b))))


EXTREMES = np.array([0, -0.0, 1e-45, -1e-40, 65519.99, 65520, -1e9, np.inf, -np.inf, np.nan], np.float32)


@pytest.mark.parametrize("kv", [F16, Q8, F32])
def test_heads_in_a_cache(library: Library, table: str, kv: int) -> None:
    for dim in DIMS:
        heads = random(9, dim)
        heads[7] *= 0
        heads[8, : len(EXTREMES)] = EXTREMES
        stored = library.store("ref", kv, heads)
        if kv == Q8:  # which NaN a scale is may differ
            assert np.array_equal(library.store(table, kv, heads[:8]), stored[:8])
        else:
            assert np.array_equal(library.store(table, kv, heads), stored)
        for first, end in {(0, dim), (0, min(dim, 32)), (dim // 32 * 32 if dim % 32 else dim - dim % 32 - 16, dim)}:
            if first % 32 == 0:
                expected = library.load("ref", kv, stored, dim, first, end)
                assert same(library.load(table, kv, stored, dim, first, end), expected)
                assert np.all(expected[:, end - first :] == 0)


def test_a_head_in_a_cache_is_close_to_what_it_was(library: Library) -> None:
    heads = random(9, 80)
    for kv, bound in ((F16, 2.0**-11), (Q8, 0.6 / 127), (F32, 0.0)):
        loaded = library.load("ref", kv, library.store("ref", kv, heads), 80, 0, 80)[:, :80]
        size = np.abs(heads) if kv == F16 else np.abs(heads).max(axis=1, keepdims=True)
        assert np.all(np.abs(loaded - heads) <= bound * size + 2.0**-25)


def test_scores(library: Library, table: str) -> None:
    for width, n_queries, n in itertools.product((16, 64, 80, 256), (1, 2, 3, 4, 5, 16), (1, 3, 4, 7, 32)):
        queries, keys = random(n_queries, width), random(n, width, seed=2)
        queries[0] *= 0
        expected = library.scores("ref", queries, keys, 0.125)
        assert same(library.scores(table, queries, keys, 0.125), expected)
        exact = queries.astype("f8") @ keys.astype("f8").T * 0.125
        assert np.allclose(expected, exact, rtol=1e-5, atol=1e-4)


def test_the_score_of_zeros_is_plus_zero(library: Library) -> None:
    for table in filter(library.has, TABLES):
        for n in (1, 4):
            scores = library.scores(table, np.zeros((3, 32), "f4"), -np.ones((n, 32), "f4"), 1)
            assert not np.any(np.signbit(scores))


def test_weights(library: Library, table: str) -> None:
    for n in (*range(1, 40), 1000):
        x = random(n) * np.float32(30)
        expected = library.weights("ref", x, 3.7)
        assert same(library.weights(table, x, 3.7), expected)
        assert np.allclose(expected, np.exp((x - x.max()).astype("f8")) / 3.7, rtol=1e-6, atol=1e-38)
        for extreme in (np.inf, -np.inf, np.nan):
            x[n // 2] = extreme
            sums = [library.weights(name, x, 1).sum() for name in ("ref", table)]
            assert np.isfinite(sums[0]) == np.isfinite(sums[1])


def test_values(library: Library, table: str) -> None:
    for width, n_queries, n in itertools.product((16, 48, 64, 80, 256), (1, 2, 3, 4, 7), (1, 5, 32)):
        out, weights, values = random(n_queries, width + 3), random(n_queries, n + 2), random(n, width)
        values[0, :2] = np.inf, np.nan
        with np.errstate(invalid="ignore"):
            expected = library.add_values("ref", out, weights, values)
        assert same(library.add_values(table, out, weights, values), expected)
        assert np.array_equal(expected[:, width:], out[:, width:])


def defined(library: Library, shape: Shape, first: int, queries: Floats, keys: Floats, values: Floats) -> Floats:
    """Each head of each token alone, by the steps of the definition."""
    out, kv, dim, group = np.zeros_like(queries), shape.kv, shape.dim, shape.n_head // shape.n_head_kv
    width, zero = padded(dim), np.zeros((1, padded(dim)), np.float32)
    loaded = [
        [
            library.load("ref", kv, library.store("ref", kv, np.ascontiguousarray(x[:, h])), dim, 0, dim)
            for x in (keys, values)
        ]
        for h in range(shape.n_head_kv)
    ]
    for t, head in np.ndindex(len(queries), shape.n_head):
        end = first + t + 1
        start = max(0, end - shape.window) if shape.window else 0
        key, value = (x[start:end] for x in loaded[head // group])
        query = np.zeros((1, width), np.float32)
        query[0, :dim] = queries[t, head]
        powers = library.weights("ref", library.scores("ref", query, key, shape.scale)[0], 1)
        total = np.float32(0)
        for power in powers:
            total += power
        out[t, head] = library.add_values("ref", zero, (powers / total)[None], value)[0, :dim]
    return out


def shapes() -> Iterator[tuple[Shape, int, int]]:
    """Shapes with the position of a batch and its tokens: groups of 1, 2, 3, 4, 8 and 17 heads, windows, all types."""
    heads = ((1, 1), (4, 2), (9, 3), (8, 2), (8, 1), (17, 1), (6, 6))
    for i, ((n_head, n_head_kv), kv) in enumerate(itertools.product(heads, range(3))):
        for j, (first, n) in enumerate(((0, 1), (0, 13), (70, 1), (131, 1), (61, 21))):
            dim, window = DIMS[(i + j) % len(DIMS)], (0, 1, 5, 40, 64)[(i + 2 * j) % 5]
            yield Shape(n_head, n_head_kv, dim, 150, 32, kv, window, dim**-0.5), first, n


def test_batches(library: Library, table: str) -> None:
    for shape, first, n in shapes():
        queries = random(n, shape.n_head, shape.dim)
        keys, values = (random(first + n, shape.n_head_kv, shape.dim, seed=seed) for seed in (2, 3))
        expected = defined(library, shape, first, queries, keys, values)
        for workers in (1, 2, 3, 4, 70):
            found = library.attend(table, workers, shape, first, queries, keys, values)
            assert same(found, expected), (
                KV[shape.kv],
                workers,
                first,
                n,
                [getattr(shape, f[0]) for f in shape._fields_],
            )


@pytest.mark.parametrize("kv", [F16, F32])
def test_what_is_no_number_stays_with_those_that_read_it(library: Library, table: str, kv: int) -> None:
    """Position 5 of one head has an infinite value: no query before it, and none of the other head, may see that."""
    shape = Shape(6, 2, 64, 64, 16, kv, 3, 0.125)
    queries, keys, values = random(12, 6, 64), random(12, 2, 64, seed=2), random(12, 2, 64, seed=3)
    values[5, 1, 3] = np.inf
    keys[9, 0, 0] = np.nan
    found = np.isfinite(library.attend(table, 1, shape, 0, queries, keys, values))
    expected = np.ones(found.shape, bool)
    expected[5:8, 3:, 3] = False
    expected[9:, :3] = False
    assert np.array_equal(found, expected)
