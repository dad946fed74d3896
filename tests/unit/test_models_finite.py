"""Weights that are no numbers are refused wherever a language model is taken, and the tensor is named."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from refusals import refused
from tiny_lm import N_EMBD, write_lm

from kgpt_build import cli, models
from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.finite import require_finite
from kgpt_build.models.gguf.scan import Scan, ScannedTensor, scan
from kgpt_build.models.gguf.types import TYPES

ODD = {"nan": 0x7FFF, "inf": 0x7C00, "-inf": 0xFC00}
WIDE = {"F32": "<f", "BF16": None, "F16": "<e"}


def _poked(path: Path, tensor: str, at: int, value: bytes) -> None:
    """``value`` is written at byte ``at`` of a tensor."""
    data = bytearray(path.read_bytes())
    header = scan(bytes(data))
    (found,) = (t for t in header.tensors if t.name == tensor)
    start = header.start + found.offset + at
    data[start : start + len(value)] = value
    path.write_bytes(data)


def _alone(kind: int, blocks: int, columns: int) -> tuple[Scan, bytearray]:
    """A file of one matrix with ``columns`` columns, all bits 0."""
    size = blocks * TYPES[kind].size
    rows = blocks * TYPES[kind].block // columns
    return Scan(3, {}, (ScannedTensor("w", kind, (columns, rows), 0, size),), 32), bytearray(32 + size)


HALVES = {
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q8_0": (0,),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
    "IQ4_NL": (0,),
    "IQ4_XS": (0,),
    "MXFP4": (),
}
"""Where the scales and minima lie in a block of GGML (ggml-common.h)."""


def test_the_halves_of_a_block_are_those_of_ggml() -> None:
    assert {kind.name: kind.halves for kind in TYPES.values() if kind.block > 1} == HALVES
    assert {kind.name: kind.exponents for kind in TYPES.values() if kind.exponents} == {"MXFP4": (0,)}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("number", [n for n, kind in TYPES.items() if kind.halves])
def test_scales_and_minima(number: int, odd: str) -> None:
    """Everywhere in a matrix of 12 rows of 3 blocks."""
    kind = TYPES[number]
    header, data = _alone(number, 36, 3 * kind.block)
    for block in (0, 1, 20, 35):
        for half in kind.halves:
            bad = bytearray(data)
            struct.pack_into("<H", bad, 32 + block * kind.size + half, ODD[odd])
            with pytest.raises(KgptError) as refused:
                require_finite(bytes(bad), header, f"{number}{odd}")
            first = block % 3 * kind.block
            assert refused.value.message == (
                f"the tensor 'w' has a {kind.name} block with a scale or minimum of {odd} in row {block // 3}, "
                f"columns {first} to {first + kind.block - 1} of 12 x {3 * kind.block}"
            )


@pytest.mark.parametrize(("exponent", "shown"), [(255, "nan"), (254, "2^127"), (253, "2^126")])
def test_scales_that_are_exponents(exponent: int, shown: str) -> None:
    """255 is E8M0's NaN. With 252, the largest value of MXFP4, 6 * 2^125, still fits f32."""
    kind = TYPES[39]
    header, data = _alone(39, 36, 96)
    for block in (0, 1, 20, 35):
        bad = bytearray(data)
        bad[32 + block * kind.size] = 252
        require_finite(bytes(bad), header, f"{exponent}-{block}")
        bad[32 + block * kind.size] = exponent
        row, first = block // 3, block % 3 * 32
        with refused(KgptError, f"'w' MXFP4 {shown} row {row}, columns {first} {first + 31} 12 96"):
            require_finite(bytes(bad), header, f"{exponent}")
    assert np.isfinite(
        gguf.quants.dequantize(np.full((1, 17), [252] + [0x77] * 16, np.uint8), gguf.GGMLQuantizationType.MXFP4)
    ).all()


def test_no_other_bits_of_a_block_are_taken_for_a_scale() -> None:
    for number, kind in TYPES.items():
        if kind.block > 1:
            header, data = _alone(number, 4, kind.block)
            data[32:] = b"\xff" * (4 * kind.size)
            for block in range(4):
                for half in kind.halves:
                    struct.pack_into("<e", data, 32 + block * kind.size + half, 65504.0)
                for exponent in kind.exponents:
                    data[32 + block * kind.size + exponent] = 252
            require_finite(bytes(data), header, f"ones{number}")


@pytest.mark.parametrize(
    ("kind", "bits", "word"),
    [
        *(("F16", bits, "<H") for bits in ODD.values()),
        *(("BF16", bits, "<H") for bits in (0x7FC1, 0x7F80, 0xFF80)),
        *(("F32", bits, "<I") for bits in (0x7F800001, 0x7F800000, 0xFF800000)),
    ],
)
def test_plain_weights(kind: str, bits: int, word: str) -> None:
    number = next(n for n, known in TYPES.items() if known.name == kind)
    header, data = _alone(number, 60, 6)
    size = struct.calcsize(word)
    for most in (bits & ~(1 << (10 if kind == "F16" else 7 if kind == "BF16" else 23)),):
        struct.pack_into(word, data, 32 + 5 * size, most)  # one bit of the exponent less: a large number
        require_finite(bytes(data), header, f"{kind}{bits}")
        (shown := data.copy())[32 + 44 * size : 32 + 45 * size] = struct.pack(word, bits)
    with pytest.raises(KgptError, match=r"^the tensor 'w' holds -?(nan|inf) in row 7, column 2 of 10 x 6$"):
        require_finite(bytes(shown), header, f"{kind}{bits}odd")


def test_far_into_a_large_tensor() -> None:
    header, data = _alone(0, 9 << 20, 1 << 10)
    struct.pack_into("<f", data, 32 + 4 * ((8 << 20) + 3), np.nan)
    with refused(KgptError, "8192 3 9216 1024"):
        require_finite(bytes(data), header, "large")


_Write = Callable[[Path], Path]


def _vector(path: Path) -> Path:
    _poked(write_lm(path), "blk.1.ffn_norm.weight", 4 * 9, struct.pack("<f", np.inf))
    return path


def _scale(path: Path) -> Path:
    _poked(write_lm(path), "blk.0.attn_q.weight", 34 * 3, struct.pack("<H", ODD["nan"]))
    return path


MESSAGES: dict[_Write, str] = {
    _vector: "the tensor 'blk.1.ffn_norm.weight' holds inf in row 0, column 9 of 1 x 32",
    _scale: "the tensor 'blk.0.attn_q.weight' has a Q8_0 block with a scale or minimum of nan in row 3",
}
COMMANDS = (
    ("build", "MODEL"),
    ("build", "--lm", "MODEL"),
    ("pack", "kernel.elf", "MODEL"),
    ("image", "usb", "MODEL", "-o", "x.img"),
    ("image", "iso", "MODEL", "-o", "x.iso"),
    ("run", "MODEL"),
    ("run", "kernel.elf", "--model", "MODEL"),
    ("pull", "hf:some/where/model.gguf", "--from", "MODEL"),
)


@pytest.mark.parametrize("write", MESSAGES)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_refuses_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    write: _Write,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kernel.elf").write_bytes(_lm_kernel().read_bytes())
    write(Path("model.gguf"))
    assert cli.invoke(["model.gguf" if word == "MODEL" else word for word in words]) == 1
    assert MESSAGES[write] in capsys.readouterr().err


def _lm_kernel() -> Path:
    from kgpt_build.kernel.build import build_cached

    return build_cached(models.NO_MODEL)


def test_a_good_file_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lm(tmp_path / "good.gguf")
    models.load_lm(path)
    monkeypatch.setattr("kgpt_build.models.gguf.finite._complaint", pytest.fail)
    models.load_lm(path)
    assert gguf.GGUFReader(path).tensors[0].shape[0] == N_EMBD
