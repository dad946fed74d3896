"""Structures that the tests and benchmarks lay out for ctypes have the size that their headers give them.

One that is too short is written past by the kernel's functions, and Python crashes some tests later.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import exact
import gguf_reader
import lm_text
import test_keyboard
import test_mt19937

from benchmarks import c_error, fast_library
from kgpt_build.paths import source_root

LAYOUTS: dict[str, tuple[str, tuple[type[ctypes.Structure], ...]]] = {
    "kg_adam": ("train_fast", (fast_library.Adam,)),
    "kg_arena": ("arena", (gguf_reader._Arena, fast_library.Arena)),
    "kg_corpus": ("train_corpus", (exact._Corpus, fast_library.Corpus)),
    "kg_error": ("error", (c_error.Error,)),
    "kg_gguf": ("gguf", (gguf_reader._Gguf,)),
    "kg_gguf_tensor": ("gguf", (gguf_reader.Tensor,)),
    "kg_gguf_value": ("gguf", (gguf_reader.Value,)),
    "kg_keyboard": ("keyboard", (test_keyboard.State,)),
    "kg_lm_sampling": ("lm_sampler", (lm_text._Sampling,)),
    "kg_mt19937": ("mt19937", (test_mt19937.Generator,)),
}
"""Structure → its header, and what lays it out in Python."""


def test_sizes_are_those_of_the_headers(tmp_path: Path) -> None:
    headers = sorted({header for header, _ in LAYOUTS.values()})
    lines = ["#include <stdio.h>", *(f'#include "kgpt/{header}.h"' for header in headers), "int main(void) {"]
    lines += [f'printf("%zu\\n", sizeof(struct {name}));' for name in LAYOUTS]
    (tmp_path / "sizes.c").write_text("\n".join([*lines, "return 0; }", ""]))
    include = source_root() / "kernel_c" / "include"
    subprocess.run(["gcc", f"-I{include}", tmp_path / "sizes.c", "-o", tmp_path / "sizes"], check=True)
    sizes = subprocess.run([tmp_path / "sizes"], capture_output=True, text=True, check=True).stdout.split()
    for (name, (_, mirrors)), size in zip(LAYOUTS.items(), sizes, strict=True):
        assert [ctypes.sizeof(mirror) for mirror in mirrors] == [int(size)] * len(mirrors), name
