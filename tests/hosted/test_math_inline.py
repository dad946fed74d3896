"""erf in single precision against mpmath, at random and at all its seams; GELU by erf as the activation has it."""

from __future__ import annotations

import ctypes
import math

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
from native import shared_object

BOUND = 1.4
"""KG_ERF_ULP of kgpt/math_inline.h."""
Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module", params=["zig", "gcc"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("math_inline")
    return shared_object(folder, ["tests/hosted/math_inline_driver.c", "kernel_c/infer/vector.c"], request.param)


def computed(library: ctypes.CDLL, name: str, x: Floats) -> Floats:
    """The values of the driver's function ``name`` at ``x``."""
    out = np.array(x, np.float32)
    getattr(library, name)(out.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(out)))
    return out


def points() -> Floats:
    """Random floats of every size, and all neighbours of the places where the computation changes."""
    rng = np.random.default_rng(1)
    spread = np.float32(10.0) ** rng.uniform(-45, 1, 1500).astype(np.float32)
    near_ends = [np.arange(-300, 300).astype(np.int32) + np.float32(end).view(np.int32) for end in (1, 4)]
    worst = np.arange(-50, 50).astype(np.int32) + np.float32(0.99678534).view(np.int32)
    bits = np.concatenate([*near_ends, worst]).astype(np.int32)
    return np.concatenate([spread, rng.uniform(0, 4.2, 3000).astype(np.float32), bits.view(np.float32)])


def test_erf_is_within_the_bound_of_the_header(library: ctypes.CDLL) -> None:
    x = points()
    worst = 0.0
    with mpmath.workdps(40):
        for value, found in zip(x.tolist(), computed(library, "erf_of", x).tolist(), strict=True):
            exact = mpmath.erf(value)
            ulp = max(math.ldexp(1, math.frexp(float(exact))[1] - 24), 2.0**-149)
            worst = max(worst, float(abs(found - exact)) / ulp)
    assert 0.5 < worst < BOUND


def test_erf_is_odd(library: ctypes.CDLL) -> None:
    x = points()
    assert (computed(library, "erf_of", -x) == -computed(library, "erf_of", x)).all()
    assert math.copysign(1, computed(library, "erf_of", np.array([-0.0], np.float32))[0]) == -1


def test_gelu_is_x_times_the_normal_distribution(library: ctypes.CDLL) -> None:
    x = np.linspace(-12, 12, 4001, dtype=np.float32)
    exact = np.array([float(value * mpmath.ncdf(value)) for value in x.tolist()])
    assert np.abs(computed(library, "gelu_of", x) - exact).max() < 6e-7
    tanh = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert np.abs(exact - tanh).max() > 1e-4, "the two kinds of GELU differ, and this test can tell"
