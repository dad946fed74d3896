"""Quantised matrices (``kernel_c/ops/quant``) as a shared library for tests and measurements in Python."""

from __future__ import annotations

import ctypes
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.c_library import FLAGS, ZIG
from kgpt_build.headers.interleave import Bytes
from kgpt_build.models.gguf.types import TYPES
from kgpt_build.settings import options

Floats = npt.NDArray[np.float32]

ROOT = Path(__file__).parents[1]
SOURCES = (
    "benchmarks/quant_driver.c",
    *("kernel_c/core/x86/memory.c", "kernel_c/core/x86/cpu.c", "kernel_c/ops/x86/isa.c"),
    *(f"kernel_c/ops/x86/attention_{name}.c" for name in ("avx2", "avx512")),
    *(f"kernel_c/ops/x86/{name}.c" for name in ("choose_attention", "choose_slots", "kv_avx2")),
    *(
        str(path.relative_to(ROOT))
        for room in ("attention", "quant")
        for path in sorted((ROOT / "kernel_c/ops" / room).rglob("*.c"))
        if not path.stem.endswith("_test")
    ),
)
_AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512")
SUFFIX_FLAGS = {
    "_avx2": ("-mavx2", "-mf16c"),
    "_avxvnni": ("-mavx2", "-mf16c", "-mavxvnni"),
    "_avx512": _AVX512,
    "_avx512vnni": (*_AVX512, "-mavx512vnni"),
    "_swar": ("-fno-tree-vectorize", "-fno-tree-slp-vectorize"),
}
EVEX = "kernel_c/ops/quant/avxvnni/q8_avxvnni.c"
"""Compiled a second time for AVX-512 VNNI: few processors have AVX-VNNI."""
VERSIONS = ("c", "swar", "avx2", "avxvnni", "avx512", "avx512vnni", "evex")
"""The slots of kernel_c/ops/quant/slots.c, and the code of avxvnni in the encoding of AVX-512."""
BY_NAME = {kind.name: number for number, kind in TYPES.items()}
CPUMASKS = options()["cpumask"].names  # enum kg_isa
F32, Q8, Q8K = range(3)  # enum kg_act


def act_of(type_number: int) -> int:
    """The type of activations for products with matrices of this type: enum kg_act."""
    return {1: F32, 32: Q8, 256: Q8K}[TYPES[type_number].block]


def scattered(
    generator: np.random.Generator, shape: tuple[int, ...], lowest: int, highest: int
) -> npt.NDArray[np.float64]:
    """Random numbers of many magnitudes."""
    return generator.standard_normal(shape) * 2.0 ** generator.integers(lowest, highest, shape)


def random_rows(type_number: int, rows: int, columns: int, seed: int) -> Bytes:
    """Rows (R, bytes of a row) of blocks with random values, and finite scales of all kinds."""
    kind, generator = TYPES[type_number], np.random.default_rng(seed)
    if kind.name in ("F32", "F16", "BF16"):
        values = scattered(generator, (rows, columns), -9, 4).astype("f4")
        bits = {"F32": values, "F16": values.astype("f2"), "BF16": (values.view("u4") >> 16).astype("u2")}[kind.name]
        return bits.view(np.uint8).reshape(rows, -1)
    data = generator.integers(0, 256, (rows, columns // kind.block, kind.size), np.uint8)
    for start in kind.halves:  # normal, subnormal, zeros, of both signs
        halves = scattered(generator, data.shape[:2], -12, 2).astype("f2")
        odd = generator.integers(0, 12, data.shape[:2])
        halves[odd == 0] = np.float16(3e-6)
        halves[odd == 1] = np.float16(-0.0)
        data[..., start : start + 2] = halves[..., None].view(np.uint8)
    for start in kind.exponents:  # and the two whose half is subnormal
        exponents = generator.integers(110, 130, data.shape[:2], np.uint8)
        odd = generator.integers(0, 12, data.shape[:2])
        data[..., start] = np.where(odd < 2, odd, exponents)
    return data.reshape(rows, -1)


class _Matrix(ctypes.Structure):
    """struct kg_matrix."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_uint32) for name in ("type", "rows", "columns")),
        ("interleaved", ctypes.c_bool),
    ]


class Matrix:
    """A matrix in memory of exactly its size, and its struct kg_matrix."""

    def __init__(self, data: Bytes, type_number: int, rows: int, columns: int, *, interleaved: bool) -> None:
        self.bytes = np.ascontiguousarray(data).reshape(-1).copy()
        self.struct = _Matrix(self.bytes.ctypes.data, type_number, rows, columns, interleaved)


class Quant:
    """The functions of the shared library."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.kg_act_size.restype = ctypes.c_uint64
        library.kg_f16_to_f32.restype = ctypes.c_float
        library.driver_slot_name.restype = library.driver_best.restype = ctypes.c_char_p
        library.driver_open.restype = library.driver_slot_has.restype = ctypes.c_bool
        names = [library.driver_slot_name(ctypes.c_uint32(i)) for i in range(len(VERSIONS) + 1)]
        assert names == [*(name.encode() for name in VERSIONS), None], f"the slots are {names}"
        self.versions = [name for i, name in enumerate(VERSIONS) if library.driver_open(ctypes.c_uint32(i))]
        """The slots that this machine can run; the first is plain C, the specification."""
        self.lacking = [name for name in VERSIONS if name not in self.versions]

    def has(self, version: str, type_number: int) -> bool:
        """True if the slot has a function of its own for products of this type."""
        return bool(self._library.driver_slot_has(VERSIONS.index(version), type_number))

    def best(self, type_number: int, features: int, allowed: str = "avx512vnni") -> str:
        """The slot that the engine chooses for products of this type. ``features``: enum kg_cpu_feature."""
        name = self._library.driver_best(type_number, ctypes.c_uint32(features), CPUMASKS.index(allowed))
        return str(name.decode())

    def interleave(self, matrix: Matrix) -> None:
        """kg_matrix_interleave."""
        scratch = np.empty(8 * matrix.bytes.size // matrix.struct.rows, np.uint8)
        self._library.kg_matrix_interleave(ctypes.byref(matrix.struct), _at(scratch))

    def row(self, matrix: Matrix, row: int) -> Floats:
        """kg_matrix_row."""
        out = np.empty(matrix.struct.columns, np.float32)
        self._library.kg_matrix_row(ctypes.byref(matrix.struct), row, _at(out))
        return out

    def act(self, version: str, act: int, x: Floats) -> Bytes:
        """Activations (T, columns) -> (T, bytes), rows 64 bytes aligned."""
        tokens, columns = x.shape
        size = -(-self._library.kg_act_size(act, columns) // 64) * 64
        out = _aligned(tokens * size).reshape(tokens, size)
        for t in range(tokens):
            self._library.driver_act(VERSIONS.index(version), act, _at(out[t]), _at(x[t]), columns)
        return out

    def seconds(self, version: str, matrix: Matrix, acts: Bytes, runs: int) -> float:
        """The shortest time in seconds of ``runs`` products of all rows with all tokens."""
        rows, y = matrix.struct.rows, np.empty((len(acts), matrix.struct.rows), np.float32)
        arguments = (VERSIONS.index(version), _at(y), ctypes.c_size_t(rows), ctypes.byref(matrix.struct), 0, rows)
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            self._library.driver_rows(*arguments, _at(acts), ctypes.c_size_t(acts.strides[0]), len(acts))
            times.append(time.perf_counter() - start)
        return min(times)

    def rows(self, version: str, matrix: Matrix, acts: Bytes, first: int, n: int) -> Floats:
        """Products (T, rows) for ``n`` rows from ``first`` on; the other elements are 7."""
        tokens, rows = len(acts), matrix.struct.rows
        y = np.full((tokens, rows + 3), 7, np.float32)
        self._library.driver_rows(
            VERSIONS.index(version), _at(y), ctypes.c_size_t(rows + 3), ctypes.byref(matrix.struct), first, n,
            _at(acts), ctypes.c_size_t(acts.strides[0]), tokens,
        )  # fmt: skip
        assert np.all(y[:, rows:] == 7)
        return y[:, :rows]

    def f16_to_f32(self, half: int) -> float:
        return float(self._library.kg_f16_to_f32(ctypes.c_uint16(half)))

    def f32_to_f16(self, value: float) -> int:
        return int(self._library.kg_f32_to_f16(ctypes.c_float(value))) & 0xFFFF


def _at(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _aligned(size: int) -> Bytes:
    memory = np.zeros(size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip : skip + size]


def build(folder: Path) -> Quant:
    """Compile the library, each file with its flags in kernel.mk."""
    objects = []

    def compile_source(source: str, flags: Sequence[str], name: str) -> None:
        objects.append(folder / f"{name}.o")
        words = [*ZIG, *FLAGS, *flags, "-Ikernel_c/include", "-Ikernel_c", "-c", source, "-o", str(objects[-1])]
        subprocess.run(words, cwd=ROOT, check=True)

    for source in SOURCES:
        stem = Path(source).stem
        compile_source(source, next((flags for name, flags in SUFFIX_FLAGS.items() if stem.endswith(name)), ()), stem)
    compile_source(EVEX, (*SUFFIX_FLAGS["_avx512vnni"], "-DKG_EVEX"), "evex")
    library = folder / "libkgquant.so"
    subprocess.run([*ZIG, "-shared", "-nostdlib", "-o", str(library), *map(str, objects)], check=True)
    return Quant(ctypes.CDLL(str(library)))
