"""The kernel's reader of GGUF files against the gguf library's, and against files that lie."""

from __future__ import annotations

import ctypes
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import gguf
import gguf_reader
import numpy as np
import pytest
from gguf_files import (
    NUMBERS,
    TEXTS,
    RawTensor,
    array_field,
    field,
    raw_file,
    text,
    u32_field,
    write_everything,
)
from gguf_reader import Reader, Refused
from native import ROOT
from refusals import lacks, refused

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import scan
from kgpt_build.models.gguf.types import TYPES

U64_MAX = (1 << 64) - 1


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return gguf_reader.build(tmp_path_factory.mktemp("gguf-reader"))


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_everything(tmp_path_factory.mktemp("gguf-files") / "everything.gguf")


def _assert_same(mine: Reader, path: Path) -> None:
    """Every field and every tensor is what the library finds in ``path``."""
    theirs = gguf.GGUFReader(path)
    fields = mine.fields()
    assert [*fields] == [name for name in theirs.fields if not name.startswith("GGUF.")]
    for name, (kind, item_kind, contents) in fields.items():
        other = theirs.fields[name]
        assert [kind] + [item_kind] * (item_kind is not None) == [*other.types[:2]]
        np.testing.assert_array_equal(contents, other.contents())
    tensors = mine.tensors()
    assert [*tensors] == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        expected = (tensor.tensor_type, tuple(int(n) for n in tensor.shape), tensor.data_offset, tensor.n_bytes)
        assert tensors[tensor.name] == expected


@pytest.mark.parametrize("alignment", [8, 32, 256])
@pytest.mark.parametrize("version", [2, 3])
def test_it_reads_what_the_library_reads(tmp_path: Path, library: ctypes.CDLL, version: int, alignment: int) -> None:
    path = write_everything(tmp_path / "m.gguf", alignment=alignment)
    data = path.read_bytes()
    path.write_bytes(data[:4] + struct.pack("<I", version) + data[8:])
    reader = Reader(library, path.read_bytes())
    assert (reader.gguf.version, reader.gguf.alignment) == (version, alignment)
    _assert_same(reader, path)


def test_it_reads_smollm2(library: ctypes.CDLL, smollm2: Path) -> None:
    reader = Reader(library, smollm2.read_bytes())
    _assert_same(reader, smollm2)
    assert reader.text("general.architecture") == "llama"


def test_compilers_agree(tmp_path: Path, everything: Path) -> None:
    for compiler in ("gcc", "clang"):
        if shutil.which(compiler):
            _assert_same(Reader(gguf_reader.build(tmp_path, compiler), everything.read_bytes()), everything)


def test_fields_and_tensors_are_found(library: ctypes.CDLL, everything: Path) -> None:
    reader = Reader(library, everything.read_bytes())
    assert all(reader.has(key) for key in reader.fields())
    assert all(reader.has_tensor(name) for name in reader.tensors())
    for key in ("", "number", "number.UINT8.00", "zzz", "a" * 5000):
        assert not reader.has(key)
        assert not reader.has_tensor(key)


def test_getters_take_every_kind_that_holds_the_value(library: ctypes.CDLL, everything: Path) -> None:
    reader = Reader(library, everything.read_bytes())
    for kind, values in NUMBERS.items():
        for i, value in enumerate(values):
            key = f"number.{kind}.{i}"
            if kind == "BOOL":
                assert reader.flag(key) == reader.flag(key, not value) == value
            elif kind.startswith("FLOAT") and abs(value) < 1e38:
                assert reader.f32(key) == reader.f32(key, 7) == np.float32(value)
            elif isinstance(value, int) and 0 <= value < 1 << 32:
                assert reader.u32(key) == reader.u32(key, 7) == value
            if not isinstance(value, bool) and abs(value) < 1e38:
                assert reader.f32(key) == np.float32(value)
    assert [reader.text(f"text.{i}") for i in range(len(TEXTS))] == [*TEXTS]
    assert reader.array("array.STRING", gguf_reader.STRING) == [*TEXTS]
    assert reader.array("array.UINT16", 2) == [*NUMBERS["UINT16"]]
    assert (reader.u32("none", 3), reader.f32("none", 0.5), reader.flag("none", True)) == (3, 0.5, True)


GETTERS: list[tuple[Callable[[Reader], object], str]] = [
    (lambda r: r.u32("none"), 'field "none" missing'),
    (lambda r: r.f32("none"), 'field "none" missing'),
    (lambda r: r.flag("none"), 'field "none" missing'),
    (lambda r: r.text("none"), 'field "none" missing'),
    (lambda r: r.array("none", 4), 'field "none" missing'),
    (lambda r: r.u32("text.1"), 'field "text.1" string, whole number'),
    (lambda r: r.u32("number.FLOAT32.2", 1), 'field "number.FLOAT32.2" f32, whole number'),
    (lambda r: r.u32("number.BOOL.0"), 'field "number.BOOL.0" bool, whole number'),
    (lambda r: r.u32("array.UINT8"), 'field "array.UINT8" array, whole number'),
    (lambda r: r.u32("number.INT8.0"), 'field "number.INT8.0" -128, 0 2^32 - 1'),
    (lambda r: r.u32("number.INT16.0"), 'field "number.INT16.0" -32768, 0 2^32 - 1'),
    (lambda r: r.u32("number.INT64.0", 1), 'field "number.INT64.0" -9223372036854775808, 0 2^32 - 1'),
    (lambda r: r.u32("number.UINT64.1"), 'field "number.UINT64.1" 18446744073709551615, 0 2^32 - 1'),
    (lambda r: r.f32("number.BOOL.0"), 'field "number.BOOL.0" bool, number'),
    (lambda r: r.f32("text.1"), 'field "text.1" string, number'),
    (lambda r: r.f32("number.FLOAT64.1", 1), 'field "number.FLOAT64.1" f32'),
    (lambda r: r.flag("number.UINT8.1", False), 'field "number.UINT8.1" u8, bool'),
    (lambda r: r.text("array.STRING"), 'field "array.STRING" array, string'),
    (lambda r: r.array("text.1", 8), 'field "text.1" string, array'),
    (lambda r: r.array("array.INT32", 8), 'field "array.INT32" array i32, strings'),
]


@pytest.mark.parametrize(("get", "message"), GETTERS)
def test_getters_refuse_by_name(
    library: ctypes.CDLL, everything: Path, get: Callable[[Reader], object], message: str
) -> None:
    with pytest.raises(Refused) as caught:
        get(Reader(library, everything.read_bytes()))
    assert not lacks(caught.value.message, message)
    assert caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_are_finite(library: ctypes.CDLL, value: float) -> None:
    data = raw_file([field("a", 6, struct.pack("<f", value)), field("b", 12, struct.pack("<d", value))])
    for key in "ab":
        with refused(Refused, f'field "{key}" finite f32'):
            Reader(library, data).f32(key)


def _with_tensors(*tensors: RawTensor, data: int = 64) -> bytes:
    return raw_file([], tensors, data=data)


LIES = [
    (b"", "file empty"),
    (b"GG", "truncated magic byte 0: 4 bytes needed, 2 left"),
    (b"GGML\3\0\0\0", "GGUF file: bytes 47 47 4d 4c"),
    (b"GGUF\3", "truncated version byte 4"),
    (raw_file(version=0), "GGUF version 0"),
    (raw_file(version=1), "GGUF version 1"),
    (raw_file(version=4), "GGUF version 4"),
    (raw_file(version=3 << 24), "file big-endian"),
    (raw_file(version=2 << 24), "file big-endian"),
    (raw_file(n_tensors=U64_MAX), "header claims 18446744073709551615 tensors, file 96 bytes"),
    (raw_file(n_fields=1 << 32), "header claims 4294967296 fields, file 96 bytes"),
    (raw_file(n_fields=65537, data=1 << 20), "header claims 65537 fields, 65536"),
    (raw_file(n_tensors=65537, data=1 << 22), "header claims 65537 tensors, 65536"),
    (raw_file([struct.pack("<Q", U64_MAX)]), "truncated field name byte 32: 18446744073709551615 bytes needed"),
    (raw_file([text("")], data=99), "field name byte 32 0 bytes, 1 65535"),
    (raw_file([text("k" * 65536)], data=99), "field name byte 65568 65536 bytes, 1 65535"),
    (raw_file([text(b"\xff\xfe")], data=99), "field name byte 34 UTF-8"),
    (raw_file([text(b"\xed\xa0\x80")], data=99), "field name byte 35 UTF-8"),
    (raw_file([u32_field("k", 1), u32_field("j", 1), u32_field("k", 2)]), 'field "k" twice'),
    (raw_file([field("k", 13, b"")]), 'value "k" unknown kind 13'),
    (
        raw_file([field("k\n\x1b[2J\u0085", U64_MAX & 0xFFFFFFFF, b"")]),
        'value "k??[2J??" unknown kind',
    ),
    (raw_file([field("k" * 99, 77, b"")]), f'value "{"k" * 64}…" unknown kind 77'),
    (raw_file([field("é" * 40, 77, b"")]), f'value "{"é" * 32}…" unknown kind 77'),
    (raw_file([field("k", 7, b"\2")]), 'value "k" bool 2, 0 1'),
    (raw_file([array_field("k", 7, 3, b"\0\1\xff")]), 'value "k" bool 255, 0 1'),
    (raw_file([field("k", 8, text(b"\x80"))]), 'value "k" byte 46 UTF-8'),
    (
        raw_file([field("k", 8, struct.pack("<Q", 1 << 63))]),
        'truncated value "k" byte 45: 9223372036854775808 bytes',
    ),
    (raw_file([array_field("k", 9, 1, bytes(20))]), 'value "k" array unsupported kind 9'),
    (raw_file([array_field("k", 13, 1, bytes(20))]), 'value "k" array unknown kind 13'),
    (
        raw_file([array_field("k", 12, 1 << 61, b"")]),
        'truncated value "k" byte 49: 2305843009213693952 items 8 bytes',
    ),
    (
        raw_file([array_field("k", 0, U64_MAX, b"")]),
        'truncated value "k" byte 49: 18446744073709551615',
    ),
    (
        raw_file([array_field("k", 8, U64_MAX, b"")], data=0),
        'truncated item 1 value "k" byte 57',
    ),
    (
        raw_file([array_field("k", 8, 2, text("a") + text(b"\xc0"))]),
        'item 1 of value "k" byte 67',
    ),
    (raw_file([u32_field("general.alignment", 3)]), "general.alignment 3, power two 8 65536"),
    (raw_file([u32_field("general.alignment", 0)]), "general.alignment 0, power two 8 65536"),
    (raw_file([u32_field("general.alignment", 4)]), "general.alignment 4, power two 8 65536"),
    (raw_file([u32_field("general.alignment", 1 << 31)]), "general.alignment 2147483648, power two"),
    (raw_file([field("general.alignment", 8, text("32"))]), "general.alignment u32"),
    (_with_tensors(RawTensor("")), "tensor name byte 32 0 bytes, 1 64"),
    (_with_tensors(RawTensor("n" * 65)), "tensor name byte 97 65 bytes, 1 64"),
    (_with_tensors(RawTensor("a"), RawTensor("a", offset=32)), 'tensor "a" twice'),
    (_with_tensors(RawTensor(n_dims=0)), 'tensor "t" 0 dimensions, 1 4'),
    (_with_tensors(RawTensor(n_dims=5)), 'tensor "t" 5 dimensions, 1 4'),
    (_with_tensors(RawTensor(n_dims=4), data=0), 'truncated description tensor "t" byte 61'),
    (_with_tensors(RawTensor(dims=(0,))), 'tensor "t" impossible shape 0'),
    (_with_tensors(RawTensor(dims=(4, 0, 2))), 'tensor "t" impossible shape 4 x 0 x 2'),
    (
        _with_tensors(RawTensor(dims=(1 << 32, 1 << 32))),
        'tensor "t" impossible shape 4294967296 x 4294967296',
    ),
    (
        _with_tensors(RawTensor(dims=(1 << 63, 2, 1 << 63, 2))),
        'tensor "t" impossible shape 9223372036854775808 x 2',
    ),
    (_with_tensors(RawTensor(dims=(U64_MAX,) * 4)), 'tensor "t" impossible shape 18446744073709551615'),
    (_with_tensors(RawTensor(type=18)), 'tensor "t" type IQ3_XXS, which'),
    (_with_tensors(RawTensor(type=40)), 'tensor "t" type NVFP4, which'),
    (_with_tensors(RawTensor(type=31)), 'tensor "t" type 31, which'),
    (_with_tensors(RawTensor(type=U64_MAX & 0xFFFFFFFF)), 'tensor "t" type 4294967295, which is not'),
    (
        _with_tensors(RawTensor(dims=(48,), type=2)),
        'rows tensor "t" 48 values, multiple 32',
    ),
    (
        _with_tensors(RawTensor(dims=(64, 8), type=12)),
        'rows tensor "t" 64 values, multiple',
    ),
    (_with_tensors(RawTensor(offset=8)), 'tensor "t" offset 8, multiple general.alignment'),
    (_with_tensors(RawTensor(offset=64)), 'truncated data tensor "t": 16 bytes needed offset 64'),
    (_with_tensors(RawTensor(offset=U64_MAX - 31)), 'truncated data tensor "t": 16 bytes needed'),
    (_with_tensors(RawTensor(dims=(17,))), 'truncated data tensor "t": 68 bytes needed offset 0'),
    (_with_tensors(RawTensor(dims=(1 << 40,))), 'truncated data tensor "t": 4398046511104 bytes needed'),
    (_with_tensors(RawTensor(), data=0)[:-3], 'truncated data tensor "t": 16 bytes needed offset 0'),
    (_with_tensors(RawTensor("a"), RawTensor("b")), 'tensors "a" "b" overlap'),
    (_with_tensors(RawTensor("a", offset=32), RawTensor("b", (9,))), 'tensors "b" "a" overlap'),
]


@pytest.mark.parametrize(("data", "message"), LIES, ids=range(len(LIES)))
def test_lies_are_refused_by_name(library: ctypes.CDLL, data: bytes, message: str) -> None:
    with pytest.raises(Refused) as caught:
        Reader(library, data)
    assert not lacks(caught.value.message, message)
    assert caught.value.hint
    assert len(caught.value.message) < 319


def _kernel_refuses(library: ctypes.CDLL, data: bytes) -> bool:
    """What the host refuses: besides, a general.architecture that is no text, which the kernel asks for later."""
    try:
        reader = Reader(library, data)
        if reader.has("general.architecture"):
            reader.text("general.architecture")
    except Refused:
        return True
    return False


def _host_refuses(data: bytes) -> bool:
    """A type that is not known is refused after the scan, by its name."""
    try:
        return any(tensor.kind not in TYPES for tensor in scan(data).tensors)
    except KgptError:
        return True


@pytest.mark.parametrize("data", [data for data, _ in LIES], ids=range(len(LIES)))
def test_the_host_refuses_the_same_lies(data: bytes) -> None:
    assert _host_refuses(data)


def test_the_host_refuses_the_same_damage(library: ctypes.CDLL, tmp_path: Path) -> None:
    tensors = ["F32", "Q4_1", "BF16", "Q6_K"]
    data = write_everything(tmp_path / "small.gguf", alignment=8, tensors=tensors).read_bytes()
    header, rng = data.index(b"tensor.Q6_K") + 40, random.Random(5)
    verdicts = []
    for at in range(header):
        for byte in {rng.choice((0, 1, 0x7F, 0x80, 0xFF)), data[at] ^ 1 << rng.randrange(8)} - {data[at]}:
            damaged = data[:at] + bytes([byte]) + data[at + 1 :]
            verdicts.append(_host_refuses(damaged))
            assert verdicts[-1] == _kernel_refuses(library, damaged), (at, byte)
    assert sum(verdicts) > header / 4
    assert sum(not verdict for verdict in verdicts) > header / 4


def test_a_file_may_be_all_header(library: ctypes.CDLL) -> None:
    reader = Reader(library, raw_file([u32_field("k", 5)], data=0))
    assert reader.fields() == {"k": (4, None, 5)}
    assert Reader(library, raw_file(data=0)).fields() == {}


def test_tensors_may_touch_and_come_in_any_order(library: ctypes.CDLL) -> None:
    data = _with_tensors(RawTensor("a", (8,), offset=32), RawTensor("b", (8,)))
    start = len(data) - 64
    assert [at for _, _, at, _ in Reader(library, data).tensors().values()] == [start + 32, start]


def test_too_little_memory_is_said(library: ctypes.CDLL, everything: Path) -> None:
    data = everything.read_bytes()
    needed = Reader(library, data).peak
    assert Reader(library, data, memory=needed + 63).peak == needed
    for memory in range(0, needed, 64):
        with refused(Refused, "memory tables GGUF"):
            Reader(library, data, memory=memory)


def test_many_names_take_no_longer_than_they_must(library: ctypes.CDLL) -> None:
    """Comparing each with each would take minutes here; the names are of one length, and differ at their end."""
    names = [f"{'x' * 40}{i:08}" for i in range(60000)]
    fields = [field(name, 0, b"\1") for name in names]
    tensors = [RawTensor(name, (1,), offset=32 * i) for i, name in enumerate(names)]
    reader = Reader(library, raw_file(fields, tensors, data=32 * len(names)))
    assert reader.gguf.n_fields == reader.gguf.n_tensors == len(names)
    assert reader.has(names[777])
    assert reader.has_tensor(names[-1])
    with refused(Refused, f'field "{names[31234]}" twice'):
        Reader(library, raw_file([*fields, fields[31234]]))


def test_no_cut_and_no_damaged_byte_breaks_it(tmp_path: Path) -> None:
    """Under sanitizers, the page behind the file unreadable."""
    if not shutil.which("gcc"):
        pytest.skip("the sanitizers need gcc: apt-get install gcc libc6-dev")
    small = write_everything(tmp_path / "small.gguf", tensors=["F32", "Q4_1", "Q8_0", "Q6_K"])
    header = gguf.GGUFReader(small).data_offset
    program = tmp_path / "gguf_sweep"
    flags = ["-g", "-O1", "-std=gnu11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    includes = ["-Ikernel_c/include", "-Itests/fuzz"]
    sources = ["tests/hosted/gguf_sweep.c", "tests/fuzz/gguf_walk.c", "tests/fuzz/checked_arena.c"]
    sources += [source for source in gguf_reader.SOURCES if not source.endswith("/arena.c")]
    subprocess.run(["gcc", *flags, *includes, *sources, "-o", str(program)], cwd=ROOT, check=True)
    ran = subprocess.run([program, small, str(header)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    counts = {word: int(n) for word, n in (line.split() for line in ran.stdout.splitlines())}
    assert counts["cut"] == header
    assert counts["refused"] > header
    assert counts["accepted"] > header
