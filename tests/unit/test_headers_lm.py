"""A language model as it lies in an image."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from refusals import refused
from tiny_lm import write_lm

from kgpt_build import headers, models
from kgpt_build.errors import KgptError
from kgpt_build.headers import LmBlob, blob, config, interleave, interleaved, lm_text
from kgpt_build.models import NO_MODEL, GgufModel


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(tmp_path: Path) -> GgufModel:
    return models.load_lm(write_lm(tmp_path / "tiny.gguf"))


def whole(content: LmBlob) -> bytes:
    return b"".join(bytes(piece) for piece in content.pieces())


def test_matrices_are_interleaved_and_nothing_else_changes(tiny: GgufModel) -> None:
    before, after = tiny.path.read_bytes(), interleaved.file_of(tiny).read_bytes()
    assert len(before) == len(after)
    assert before[: tiny.header.start] == after[: tiny.header.start]
    for tensor in tiny.header.tensors:
        start = tiny.header.start + tensor.offset
        ours, theirs = after[start : start + tensor.size], before[start : start + tensor.size]
        if tensor.kind == 8:
            rows = tensor.dims[1]
            assert ours != theirs
            back = interleave.deinterleave(np.frombuffer(ours, np.uint8), 8, rows)
            assert back.tobytes() == theirs
        else:
            assert ours == theirs


def test_the_interleaved_file_is_made_once_and_anew_where_it_is_damaged(
    tiny: GgufModel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interleaved.file_of(tiny)
    assert path.parent == own_cache / "interleaved"
    good, inode = path.read_bytes(), path.stat().st_ino
    forget(monkeypatch)
    assert interleaved.file_of(tiny).stat().st_ino == inode
    for damaged in (bytes(tiny.size), b"cut off", good[:-1] + bytes([good[-1] ^ 1])):
        path.write_bytes(damaged)
        forget(monkeypatch)
        assert interleaved.file_of(tiny).read_bytes() == good
    path.with_suffix(".sha256").unlink()
    forget(monkeypatch)
    assert interleaved.file_of(tiny).read_bytes() == good


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process finds it."""
    monkeypatch.setattr(interleaved, "_whole", set())


def test_the_blob(tiny: GgufModel) -> None:
    data = whole(LmBlob(tiny, b"chat"))
    info = blob.read_blob(data + b"behind it")
    assert (info.arch, info.name, info.sha256, info.size) == ("gguf", "Tiny llama", tiny.sha256, len(data))
    assert (info.weight_type, info.bos_id) == (blob.WEIGHT_GGUF, 0)
    assert data[172:176] == b"\1\0\0\0"  # flags: interleaved
    assert (info.vocab_offset, info.vocab_size, info.weights_offset) == (256, 4, 320)
    assert info.chat == b"chat"
    assert info.weights_size == tiny.size
    assert data[320 : 320 + tiny.size] == interleaved.file_of(tiny).read_bytes()
    assert len(data) % blob.ALIGN == 0
    assert info.crc32 == zlib.crc32(data[256:])
    assert info.lm is not None
    assert (info.lm.arch, info.lm.hparams, info.n_parameters) == ("llama", tiny.hparams, tiny.n_parameters)
    with refused(KgptError, "check sum"):
        blob.read_blob(data[:400] + b"x" + data[401:])


def test_the_blob_of_no_model() -> None:
    data = whole(LmBlob(NO_MODEL))
    info = blob.read_blob(data)
    assert (len(data), info.arch, info.lm, info.is_lm, info.n_parameters) == (256, "none", None, True, 0)


def test_a_model_that_is_too_large(tiny: GgufModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgpt_build.headers.lm.MAX_BYTES", tiny.size)
    with refused(KgptError, f"{tiny.name} kernel {tiny.size:,}"):
        LmBlob(tiny)


def test_the_headers(tiny: GgufModel, tmp_path: Path) -> None:
    content = LmBlob(tiny, b"chat")
    written = headers.generate(content, tmp_path / "gen", version="1", cmdline="ctx=8")
    names = [path.name for path in written]
    assert {"kgpt_config.h", "kgpt_vocab.h", "kgpt_weights.h", "kgpt_weights.bin"} <= set(names)
    weights = written[names.index("kgpt_weights.bin")]
    assert weights.is_symlink()
    assert weights.read_bytes() == interleaved.file_of(tiny).read_bytes()
    text = config.text(content, "ctx=8", "1")
    assert text == written[0].read_text()
    for line in (
        '#define KGPT_MODEL_ARCH "gguf"',
        "#define KGPT_WEIGHT_TYPE 4294967295u",
        "#define KGPT_MODEL_FLAGS 1u",
        "#define KGPT_VOCAB_SIZE 4u",
        f"#define KGPT_WEIGHTS_SIZE {tiny.size}u",
        '#define KGPT_CMDLINE "ctx=8"',
    ):
        assert line in text
    assert "    0x63, 0x68, 0x61, 0x74," in lm_text.vocab_text(content, "1")
    assert '.incbin \\"kgpt_weights.bin\\"' in lm_text.weights_text(content, "1")
    headers.generate(LmBlob(NO_MODEL), tmp_path / "gen", version="1")
    assert not (tmp_path / "gen" / "kgpt_weights.bin").exists()
    assert "kgpt_chat" not in (tmp_path / "gen" / "kgpt_vocab.h").read_text()
