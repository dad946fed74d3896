"""What an arena counts for an object is what the object takes, to the byte, whatever its shape."""

from __future__ import annotations

import ctypes

import lm
import numpy as np
import pytest
from native import shared_object
from rooms import listed

MEMORY = 64 << 20
SHAPES = 200


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("carving")
    more = [
        path
        for path in listed(
            "ENGINE", "ENGINE_TRAIN", rooms=("train", "train/dense", "train/exact", "train/fast", "train/x86")
        )
        if not path.endswith("_test.c")
    ]
    shell = [f"kernel_c/app/shell/{name}.c" for name in ("lineedit", "lineedit_draw", "lineedit_history")]
    mt19937 = ["kernel_c/math/mt19937.c"]
    sources = ["tests/hosted/carving_driver.c", *lm.engine_sources(folder), *more, *shell, *mt19937]
    loaded = shared_object(folder, list(dict.fromkeys(sources)), include=folder)
    loaded.driver_name.restype = ctypes.c_char_p
    loaded.driver_carve.restype = ctypes.c_uint64
    return loaded


@pytest.mark.parametrize("name", ["session", "sampler", "exact", "fast", "dense", "lineedit"])
def test_counted_is_taken(library: ctypes.CDLL, name: str) -> None:
    names = [(library.driver_name(i) or b"").decode() for i in range(7)]
    assert names[6] == "", "an object without its test"
    memory = np.zeros(MEMORY + 64, np.uint8)
    at, counted, sizes = memory.ctypes.data + -memory.ctypes.data % 64, ctypes.c_uint64(), set[int]()
    for seed in range(SHAPES):
        taken = library.driver_carve(
            names.index(name),
            ctypes.c_uint64(seed),
            ctypes.c_void_p(at),
            ctypes.c_uint64(MEMORY),
            ctypes.byref(counted),
        )
        assert taken == counted.value > 0, f"shape {seed}"
        sizes.add(taken)
    assert len(sizes) > SHAPES / 10
