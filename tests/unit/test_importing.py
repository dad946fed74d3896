"""The framework of importers, with a made-up format: a header line, then f32 values of a tiny llama."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from refusals import refused

from kgpt_build import models
from kgpt_build.cli import cli
from kgpt_build.errors import KgptError
from kgpt_build.models import importing
from kgpt_build.models.checkpoint import Checkpoint, Tensor, TypedValue
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing import ImportOptions

MAGIC = b"made-up\n"
EMBD, FF, CTX, CHARS = 4, 8, 16, "abc"


class MadeUp(ModuleType):
    """An importer. It counts how often it reads."""

    FORMAT = "made-up"
    reads = 0

    def recognises(self, source: Path, beginning: bytes) -> bool:
        return beginning.startswith(MAGIC)

    def files(self, source: Path, options: ImportOptions) -> Sequence[Path]:
        return [source, *([options.tokenizer] if options.tokenizer else [])]

    def read(self, source: Path, options: ImportOptions) -> Checkpoint:
        self.reads += 1
        if b"bad" in source.read_bytes():
            raise KgptError("the word bad is in it", "leave it out")
        return checkpoint(options.name or source.stem)


def checkpoint(name: str) -> Checkpoint:
    def tensor(name: str, *shape: int) -> Tensor:
        return Tensor(name, shape, "F32", lambda: np.full(shape, 0.5, np.float32))

    layer = [tensor(f"blk.0.{name}.weight", EMBD, EMBD) for name in ("attn_q", "attn_k", "attn_v", "attn_output")]
    vectors = ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")
    return Checkpoint(
        "llama",
        name,
        {
            "llama.context_length": CTX,
            "llama.embedding_length": EMBD,
            "llama.block_count": 1,
            "llama.feed_forward_length": FF,
            "llama.attention.head_count": 2,
            "llama.attention.layer_norm_rms_epsilon": 1e-5,
            "tokenizer.ggml.model": "kgpt-char",
            "tokenizer.ggml.tokens": [*CHARS, "<BOS>"],
            "tokenizer.ggml.bos_token_id": len(CHARS),
            "tokenizer.ggml.eos_token_id": len(CHARS),
            "kgpt.test.count": TypedValue(7, "UINT64"),
        },
        [
            tensor("token_embd.weight", len(CHARS) + 1, EMBD),
            *layer,
            *(tensor(f"{name}.weight", EMBD) for name in vectors),
            tensor("blk.0.ffn_gate.weight", FF, EMBD),
            tensor("blk.0.ffn_up.weight", FF, EMBD),
            tensor("blk.0.ffn_down.weight", EMBD, FF),
        ],
    )


@pytest.fixture
def importer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MadeUp:
    module = MadeUp("made_up_importer")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(importing, "IMPORTERS", (*importing.IMPORTERS, module.__name__))
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.made"
    path.write_bytes(MAGIC)
    return path


def test_a_source_is_loaded_like_a_gguf_file(importer: MadeUp, source: Path) -> None:
    model = models.load(source)
    assert isinstance(model, models.GgufModel)
    assert (model.arch, model.name, model.hparams.n_ff, model.type_text) == ("llama", "tiny", FF, "F32")


def test_it_is_imported_once(importer: MadeUp, source: Path) -> None:
    stages: list[str] = []
    first = importing.as_gguf(source, stage=stages.append)
    assert importing.as_gguf(source, stage=stages.append) == first
    assert (importer.reads, len(stages)) == (1, 1)
    source.write_bytes(MAGIC + b"changed")
    assert importing.as_gguf(source) != first
    assert importing.as_gguf(source, ImportOptions(name="other")) not in (first, importing.as_gguf(source))


def test_import_writes_a_file(importer: MadeUp, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    result = CliRunner().invoke(cli, ["import", str(source), "-o", str(out), "--name", "My model"])
    assert result.exit_code == 0, result.output
    assert "My model" in result.output
    assert models.load(out).name == "My model"
    assert models.metadata(out)["kgpt.test.count"] == 7


def test_a_refused_source_leaves_what_was_there(importer: MadeUp, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    out.write_bytes(b"old")
    source.write_bytes(MAGIC + b"bad")
    with refused(KgptError, f"{source} bad"):
        models.import_model(source, out, ImportOptions(), lambda _: None)
    assert out.read_bytes() == b"old"
    assert list((tmp_path / "cache" / "imported").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("file.bin", b"nothing known", "of no known format"),
        ("file.gguf", b"GGUF\3\0\0\0", "a GGUF file already"),
        ("folder", None, "holds no model of a known format"),
        ("empty", b"", "empty"),
    ],
)
def test_what_is_no_source_is_named(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with refused(KgptError, f"{name} the file is {words}" if name == "empty" else f"{name} {words}"):
        models.import_model(path, tmp_path / "out.gguf", ImportOptions(), lambda _: None)


def test_microgpts_json_becomes_a_gguf_file(tmp_path: Path) -> None:
    default = models.load_microgpt()
    tensors = {name: tensor.tolist() for name, tensor in default.tensors.items()}
    source = tmp_path / "model.json"
    source.write_text(json.dumps({"chars": list(default.tokenizer.chars), "state_dict": tensors}), encoding="utf-8")
    out = tmp_path / "model.gguf"
    models.import_model(source, out, ImportOptions(), lambda _: None)
    assert models.load_microgpt(out).hparams == default.hparams


@pytest.mark.parametrize("kind", ["Q8_0", "BF16", "F16"])
def test_types_are_written_as_they_are_read(tmp_path: Path, kind: str) -> None:
    from gguf import GGMLQuantizationType, GGUFReader, quants

    values = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    stored = values.astype(np.float16) if kind == "F16" else quants.quantize(values, GGMLQuantizationType[kind])
    path = tmp_path / "out.gguf"
    write_gguf(Checkpoint("llama", "x", {}, [Tensor("a", values.shape, kind, lambda: stored)]), path)
    (tensor,) = GGUFReader(path).tensors
    assert (tensor.tensor_type.name, tensor.shape.tolist()) == (kind, [64, 3])
    np.testing.assert_array_equal(tensor.data.reshape(stored.shape), stored)
