"""The kernel's MT19937 against CPython's own ``random``."""

from __future__ import annotations

import ctypes
import math
import random
from typing import Any

import pytest
from native import shared_object

SEEDS = [
    0,
    1,
    42,
    1337,
    2**31,
    2**32 - 1,
    2**32,
    2**53 + 1,
    2**64 - 1,
    *(random.Random(7).getrandbits(64) for _ in range(40)),
]


class Generator(ctypes.Structure):
    """struct kg_mt19937."""

    _fields_ = [
        ("state", ctypes.c_uint32 * 624),
        ("at", ctypes.c_uint32),
        ("has_next", ctypes.c_uint32),
        ("gauss_next", ctypes.c_double),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = ["kernel_c/math/mt19937.c", "kernel_c/math/dmath.c", "kernel_c/math/dmath_trig.c"]
    library = shared_object(tmp_path_factory.mktemp("mt19937"), sources)
    library.kg_mt19937_seed.argtypes = [ctypes.POINTER(Generator), ctypes.c_uint64]
    library.kg_mt19937_next.restype = library.kg_mt19937_below.restype = ctypes.c_uint32
    library.kg_mt19937_choose.restype = ctypes.c_uint32
    library.kg_mt19937_random.restype = library.kg_mt19937_gauss.restype = ctypes.c_double
    library.kg_mt19937_gauss.argtypes = [ctypes.POINTER(Generator), ctypes.c_double, ctypes.c_double]
    return library


def both(library: ctypes.CDLL, seed: int) -> tuple[Any, Generator, random.Random]:
    ours = Generator()
    address = ctypes.byref(ours)
    library.kg_mt19937_seed(address, seed)
    return address, ours, random.Random(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_draw_is_cpythons(library: ctypes.CDLL, seed: int) -> None:
    address, ours, theirs = both(library, seed)
    assert [library.kg_mt19937_next(address) for _ in range(1300)] == [theirs.getrandbits(32) for _ in range(1300)]
    assert [library.kg_mt19937_random(address) for _ in range(700)] == [theirs.random() for _ in range(700)]
    for n in (1, 2, 3, 100, 2**31, 2**31 + 1, 2**32 - 1):
        assert library.kg_mt19937_below(address, n) == theirs.randrange(n)
    assert theirs.getstate()[1][-1] == ours.at


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 32033])
def test_shuffle(library: ctypes.CDLL, n: int) -> None:
    for seed in SEEDS[:8]:
        address, _, theirs = both(library, seed)
        items = (ctypes.c_uint32 * n)(*range(n))
        library.kg_mt19937_shuffle(address, items, n)
        expected = list(range(n))
        theirs.shuffle(expected)
        assert list(items) == expected
        assert library.kg_mt19937_next(address) == theirs.getrandbits(32)


@pytest.mark.parametrize("seed", SEEDS[:12])
def test_gauss_up_to_the_last_bits_of_the_library(library: ctypes.CDLL, seed: int) -> None:
    address, ours, theirs = both(library, seed)
    same = 0
    for _ in range(1001):
        found, expected = library.kg_mt19937_gauss(address, 0.0, 0.08), theirs.gauss(0, 0.08)
        assert math.isclose(found, expected, rel_tol=1e-15)
        same += found == expected
    assert same > 900
    assert ours.has_next == 1
    assert theirs.getstate()[2] is not None
    library.kg_mt19937_seed(address, seed)
    assert ours.has_next == 0


@pytest.mark.parametrize("seed", SEEDS[:12])
def test_choices(library: ctypes.CDLL, seed: int) -> None:
    address, _, theirs = both(library, seed)
    for n in (1, 2, 5, 27, 100):
        weights = [random.Random(n).random() ** 4 for _ in range(n)]
        c_weights, scratch = (ctypes.c_double * n)(*weights), (ctypes.c_double * n)()
        for _ in range(50):
            assert library.kg_mt19937_choose(address, c_weights, n, scratch) == theirs.choices(range(n), weights)[0]
