"""Both sides of options.def: the host refuses the values that the kernel refuses, and shows the kernel's defaults."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from native import ROOT, shared_object

from kgpt_build.errors import UsageError
from kgpt_build.settings import Option, Settings, options

_SAMPLERS = ("infer/reply/llama2c_sampler", "infer/reply/lm_sampler", "infer/reply/sampler")
SOURCES = [
    "tests/hosted/options_driver.c",
    *(f"kernel_c/app/cmdline/{name}.c" for name in ("block_options", "cmdline", "lm_options", "options", "words")),
    *(f"kernel_c/{name}.c" for name in ("train/shape", *_SAMPLERS)),
    *(f"kernel_c/math/{name}.c" for name in ("dmath", "dmath_trig", "math", "random")),
    *(
        f"kernel_c/core/{name}.c"
        for name in ("arena", "arena_count", "digest/crc32", "error", "format", "parse", "str", "utf8")
    ),
]
NUMBERS = ("COUNT", "SEED", "DECIMAL", "DOUBLE")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    found = shared_object(tmp_path_factory.mktemp("options"), SOURCES)
    found.driver_takes.restype = found.driver_knows.restype = ctypes.c_bool
    found.driver_default.restype = ctypes.c_double
    return found


def kernel_takes(library: ctypes.CDLL, line: str) -> tuple[bool, str]:
    hint = ctypes.create_string_buffer(4096)
    return bool(library.driver_takes(line.encode(), hint)), hint.value.decode()


def values_of(option: Option) -> Iterator[Any]:
    """At the ends of what an option takes, and beyond them."""
    match option.kind:
        case "FLAG":
            yield from (True,)
        case "SEED":
            yield from (0, (1 << 64) - 1, 1 << 64, -1, "random", "dice")
        case "COUNT":
            yield from (option.least - 1, option.least, option.most, option.most + 1)
        case "DECIMAL" | "DOUBLE":
            least, most = float(option.least), float(option.most)
            step = 0.015625
            yield from (least - step, least, least + step, most - step, most, most + step)
        case "CHOICE" | "NAME":
            yield from (*option.names, "nothing", option.names[0].upper())
        case "TEXT" | "SYSTEM":
            most = min(option.most, 3583)
            yield from ("", "a b", "x" * most, 'é\n\t\\"')
            if option.most == most:
                yield "x" * (most + 1)
        case "TEXTS":
            yield from (("a", "b c"), ("x" * option.most,), ("x" * (option.most + 1),), ("x",) * (option.times + 1))
        case "BIASES":
            yield from (("3+1.5", "4-inf"), ("3",), ("3+",), ("4294967296+1",), ("1-1",) * (option.times + 1))


@pytest.mark.parametrize("name", options())
def test_host_and_kernel_take_the_same_values(library: ctypes.CDLL, name: str) -> None:
    option = options()[name]
    verdicts = set()
    for value in values_of(option):
        taken, hint = kernel_takes(library, " ".join(option.words(value)))
        assert taken == (not hint), value
        try:
            words = Settings(**{name: value}).cmdline_words()
        except UsageError:
            assert not taken, value
        else:
            assert taken, (value, hint)
            assert words == option.words(value)
        verdicts.add(taken)
    assert verdicts == {True} if option.kind == "FLAG" or option.name == "prompt" else {True, False}


@pytest.mark.parametrize("name", options())
def test_defaults_are_the_kernels(library: ctypes.CDLL, name: str) -> None:
    option = options()[name]
    for lm, default in ((False, option.default), (True, option.lm_default)):
        if option.is_for_lm and not lm:
            continue
        found = library.driver_default(name.encode(), lm)
        if option.kind == "CHOICE":
            assert (option.names[int(found)] if found < len(option.names) else "") == default
        elif option.kind in (*NUMBERS, "FLAG"):
            assert found == (float(np.float32(default)) if option.kind == "DECIMAL" else default)
        else:
            assert np.isnan(found) or found == 0
            assert not default


@pytest.mark.parametrize("name", options())
def test_where_a_key_is_known(library: ctypes.CDLL, name: str) -> None:
    option = options()[name]
    assert library.driver_knows(name.encode(), True) == (option.where in ("ALWAYS", "SET"))
    assert library.driver_knows(name.encode(), False) == (option.where in ("ALWAYS", "TRAIN"))


def test_the_host_knows_every_key(library: ctypes.CDLL) -> None:
    assert len(options()) > 50
    assert not kernel_takes(library, "temprature=1")[0]


def test_a_request_has_room_for_what_the_table_allows() -> None:
    header = (ROOT / "kernel_c" / "include" / "kgpt" / "request.h").read_text()
    limits = {name: int(value) for name, value in re.findall(r"#define KG_MAX_(\w+) (\d+)", header)}
    assert limits == {"STOPS": options()["stop"].times, "LOGPROBS": options()["logprobs"].most}
