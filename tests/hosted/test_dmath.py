"""exp, log, pow, sin and cos in double precision, against mpmath: random numbers, and those where it is difficult."""

from __future__ import annotations

import ctypes
import importlib.util
import math
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mpmath
import pytest
from native import ROOT, real_function, shared_object

SOURCES = ["kernel_c/math/dmath.c", "kernel_c/math/dmath_trig.c"]
COUNT = 3000
NORMAL, DENORMAL = 0.6, 0.8
"""The bounds in kgpt/dmath.h, in ulp."""

Arguments = tuple[float, ...]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return shared_object(tmp_path_factory.mktemp("dmath"), SOURCES)


def uniform(low: float, high: float) -> Callable[[random.Random], Arguments]:
    return lambda rng: (rng.uniform(low, high),)


def any_positive(rng: random.Random) -> Arguments:
    return (math.ldexp(rng.uniform(0.5, 1), rng.randint(-1073, 1024)),)


def near_one(rng: random.Random) -> Arguments:
    return (1 + rng.uniform(-1, 1) * 2.0 ** -rng.randint(1, 52),)


def near_quarter_turn(rng: random.Random) -> Arguments:
    return (rng.randint(1, 600_000) * (math.pi / 2),)


def any_power(rng: random.Random) -> Arguments:
    x = math.exp(rng.uniform(-700, 700))
    return x, rng.uniform(-740, 705) / math.log(x)


def power_of(*exponents: float) -> Callable[[random.Random], Arguments]:
    return lambda rng: (math.exp(rng.uniform(-12, 12)), rng.choice(exponents))


def power_of_beta(rng: random.Random) -> Arguments:
    return rng.choice([0.85, 0.9, 0.95, 0.99, 0.999]), float(rng.randint(1, 20_000))


CASES: list[tuple[str, Callable[[random.Random], Arguments]]] = [
    ("exp", uniform(-745.2, 709.7)),
    ("exp", uniform(-20, 0)),
    ("exp", uniform(-745.1, -708)),
    ("exp", uniform(-1e-3, 1e-3)),
    ("log", any_positive),
    ("log", uniform(0, 1)),
    ("log", near_one),
    ("sin", uniform(0, 2 * math.pi)),
    ("sin", uniform(-(2.0**20), 2.0**20)),
    ("sin", near_quarter_turn),
    ("cos", uniform(0, 2 * math.pi)),
    ("cos", uniform(-(2.0**20), 2.0**20)),
    ("cos", near_quarter_turn),
    ("pow", any_power),
    ("pow", power_of(-0.5, -1.5, -2.0, 0.5, -1.0, 2.0, 3.0)),
    ("pow", power_of_beta),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_within_the_bounds_of_the_header(library: ctypes.CDLL, case: int) -> None:
    name, draw = CASES[case]
    rng = random.Random(case)
    arguments = [draw(rng) for _ in range(COUNT)]
    function = real_function(library, f"kg_{name}", len(arguments[0]))
    exact = getattr(mpmath, {"pow": "power"}.get(name, name))
    with mpmath.workprec(250):
        for words in arguments:
            true = exact(*map(mpmath.mpf, words))
            if not math.isfinite(float(true)):  # rounds past the largest double
                assert function(*words) == math.inf
                continue
            ulp = math.ulp(float(true))
            off = abs(mpmath.mpf(function(*words)) - true) / ulp
            assert off <= (DENORMAL if ulp == math.ulp(0.0) else NORMAL), (words, float(off))


@pytest.mark.parametrize("name", ["exp", "log", "sin", "cos"])
def test_special_values_are_those_of_the_c_library(library: ctypes.CDLL, name: str) -> None:
    function = real_function(library, f"kg_{name}")
    for x in (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, 5e-324, -5e-324):
        assert repr(function(x)) == repr(_library_value(name, x)), x


@pytest.mark.parametrize("x", [0.0, -0.0, 0.5, 1.0, 2.0, -0.5, -1.0, -3.0, math.inf, -math.inf, math.nan, 5e-324])
def test_powers_of_special_values_are_those_of_the_c_library(library: ctypes.CDLL, x: float) -> None:
    function = real_function(library, "kg_pow", 2)
    for y in (0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 1e300, -1e300, math.inf, -math.inf, math.nan):
        assert repr(function(x, y)) == repr(_library_power(x, y)), (x, y)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_every_compiler_gives_the_same_bits(library: ctypes.CDLL, tmp_path: Path, compiler: str) -> None:
    other = shared_object(tmp_path, SOURCES, compiler)
    for case, (name, draw) in enumerate(CASES):
        rng = random.Random(case)
        for _ in range(300):
            words = draw(rng)
            functions = [real_function(each, f"kg_{name}", len(words)) for each in (library, other)]
            assert functions[0](*words) == functions[1](*words)


def test_the_tables_are_what_the_script_writes() -> None:
    script = _import(ROOT / "scripts" / "dmath_tables.py")
    assert script.TARGET.read_text() == script.header()


def _library_value(name: str, x: float) -> float:
    """What C says where Python raises: minus infinity for log 0, NaN for the rest."""
    try:
        return float(getattr(math, name)(x))
    except ValueError:
        return -math.inf if name == "log" and x == 0 else math.nan


def _library_power(x: float, y: float) -> float:
    """What C says where Python raises: infinite for 0 to a negative power or a result too large, else NaN."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0 and y % 2 == 1 else math.inf
    except ValueError:
        if x != 0:
            return math.nan
        return math.copysign(math.inf, x) if y % 2 == 1 else math.inf


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
