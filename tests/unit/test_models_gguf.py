from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from refusals import refused
from toy import toy_model

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models import Model

N_MUTATIONS = 3000


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toy.gguf"
    models.save_gguf(toy_model(), path)
    return path


def _write(path: Path, model: Model, /, **changes: Any) -> Path:
    """A GGUF file of ``model`` as someone else's writer might make it: ``changes`` by the last part of the key."""
    hparams = model.hparams
    fields: dict[str, tuple[Any, gguf.GGUFValueType]] = {
        "general.name": (model.name, gguf.GGUFValueType.STRING),
        "microgpt.context_length": (hparams.n_ctx, gguf.GGUFValueType.UINT32),
        "microgpt.embedding_length": (hparams.n_embd, gguf.GGUFValueType.UINT32),
        "microgpt.block_count": (hparams.n_layer, gguf.GGUFValueType.UINT32),
        "microgpt.feed_forward_length": (hparams.n_ff, gguf.GGUFValueType.UINT32),
        "microgpt.attention.head_count": (hparams.n_head, gguf.GGUFValueType.UINT32),
        "microgpt.attention.head_count_kv": (hparams.n_head_kv, gguf.GGUFValueType.UINT32),
        "microgpt.attention.layer_norm_rms_epsilon": (1e-5, gguf.GGUFValueType.FLOAT32),
        "tokenizer.ggml.model": ("kgpt-char", gguf.GGUFValueType.STRING),
        "tokenizer.ggml.tokens": ([*model.tokenizer.chars, "<BOS>"], gguf.GGUFValueType.ARRAY),
        "tokenizer.ggml.bos_token_id": (model.tokenizer.bos_id, gguf.GGUFValueType.UINT32),
        "tokenizer.ggml.eos_token_id": (model.tokenizer.bos_id, gguf.GGUFValueType.UINT32),
    }
    writer = gguf.GGUFWriter(path, changes.pop("arch", "microgpt"))
    tensor_type = changes.pop("tensor_type", np.float32)
    for key, (value, kind) in fields.items():
        short = key.rpartition(".")[2]
        value, kind = changes.get(short, (value, kind))
        if value is not None:
            writer.add_key_value(key, value, kind)
    writer.add_tensor("token_embd.weight", model.tensors["wte"].astype(tensor_type))
    names = {"wpe": "position_embd", "lm_head": "output", "attn_wq": "attn_q", "attn_wk": "attn_k", "attn_wv": "attn_v"}
    names |= {"attn_wo": "attn_output", "mlp_fc1": "ffn_up", "mlp_fc2": "ffn_down"}
    for name, tensor in model.tensors.items():
        layer, _, matrix = name.rpartition(".")
        if name != "wte":
            writer.add_tensor(f"{layer.replace('layer', 'blk.')}{'.' if layer else ''}{names[matrix]}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _assert_same(a: Model, b: Model) -> None:
    assert a.sha256 == b.sha256
    assert (a.name, a.arch, a.tokenizer) == (b.name, b.arch, b.tokenizer)
    assert [*a.tensors] == [*b.tensors]
    for name in a.tensors:
        np.testing.assert_array_equal(a.tensors[name], b.tensors[name])


@pytest.mark.parametrize(
    "model", [toy_model(), toy_model("\nabé中😀", n_ctx=3, n_embd=6, n_layer=11, n_head=3, n_ff=5)]
)
def test_round_trip(tmp_path: Path, model: Model) -> None:
    models.save_gguf(model, tmp_path / "m.gguf")
    loaded = models.load_microgpt(tmp_path / "m.gguf")
    _assert_same(loaded, model)
    assert loaded.hparams.norm_eps == np.float32(1e-5)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, saved: Path) -> None:
    other = tmp_path / "other.gguf"
    models.save_gguf(models.load_microgpt(saved), other)
    assert other.read_bytes() == saved.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.gguf", "toy.gguf"]


def test_extra_fields_are_kept_and_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    models.save_gguf(toy_model(), path, {"kgpt.a": "text", "kgpt.b": (1 << 64) - 1, "kgpt.c": 0.1})
    fields = models.metadata(path)
    assert (fields["kgpt.a"], fields["kgpt.b"], fields["kgpt.c"]) == ("text", (1 << 64) - 1, 0.1)
    _assert_same(models.load_microgpt(path), toy_model())


def test_another_writers_file_is_read(tmp_path: Path) -> None:
    _assert_same(models.load_microgpt(_write(tmp_path / "m.gguf", toy_model())), toy_model())


def test_the_name_is_the_files_if_there_is_none(tmp_path: Path) -> None:
    path = _write(tmp_path / "my model.gguf", toy_model(), name=(None, None))
    assert models.load_microgpt(path).name == "my model"


U32, STRING, ARRAY = gguf.GGUFValueType.UINT32, gguf.GGUFValueType.STRING, gguf.GGUFValueType.ARRAY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "bert"}, "architecture 'bert'"),
        ({"context_length": (None, U32)}, "'microgpt.context_length' missing"),
        ({"context_length": ("4", STRING)}, "'microgpt.context_length' '4'"),
        ({"context_length": (0, U32)}, "'microgpt.context_length' 0 1"),
        ({"context_length": (8, U32)}, "'wpe' shape 4 8"),
        ({"block_count": (2, U32)}, "'microgpt.block_count' 2 layers tensors"),
        ({"block_count": (1 << 31, U32)}, "'microgpt.block_count' 2147483648 1 1024"),
        (
            {"head_count": (3, U32), "head_count_kv": (3, U32)},
            "'microgpt.embedding_length' 4 attention.head_count",
        ),
        ({"layer_norm_rms_epsilon": (1, U32)}, "'microgpt.attention.layer_norm_rms_epsilon' 1"),
        ({"model": ("llama", STRING)}, "tokenizer 'llama'"),
        ({"tokens": (None, ARRAY)}, "'tokenizer.ggml.tokens' missing"),
        ({"tokens": ([1, 2, 3], ARRAY)}, "'tokenizer.ggml.tokens' list texts"),
        ({"tokens": (["a", "a", "<BOS>"], ARRAY)}, "'a' twice"),
        ({"tokens": (["a", "b", "c", "<BOS>"], ARRAY)}, "tokenizer.ggml.bos_token_id 2 3"),
        ({"eos_token_id": (0, U32)}, "tokenizer.ggml.eos_token_id 0 2"),
        ({"tensor_type": np.float16}, "'token_embd.weight' type F16"),
        ({"tensor_type": np.float64}, "'token_embd.weight' type F64"),
        ({"tensor_type": np.int32}, "'token_embd.weight' type I32"),
    ],
)
def test_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = _write(tmp_path / "m.gguf", toy_model(), **changes)
    with refused(KgptError, message) as caught:
        models.load_microgpt(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.hint
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("kind", ["quantized", "wrong shape", "nan"])
def test_refused_tensors(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.gguf"
    models.save_gguf(toy_model(), path)
    data = bytearray(path.read_bytes())
    at = data.index(b"token_embd.weight") + len("token_embd.weight") + 4
    if kind == "quantized":
        struct.pack_into("<I", data, at + 16, gguf.GGMLQuantizationType.Q4_0)
        message = "'token_embd.weight' Q4_0"
    elif kind == "wrong shape":
        struct.pack_into("<QQ", data, at, 3, 4)
        message = "'wte' shape"
    else:
        struct.pack_into("<f", data, len(data) - 4, float("nan"))
        message = "'layer0.mlp_fc2' nan 3 15"
    path.write_bytes(data)
    with refused(KgptError, message):
        models.load_microgpt(path)


def test_not_a_file(tmp_path: Path) -> None:
    with refused(KgptError, "none.gguf: no such file"):
        models.load_microgpt(tmp_path / "none.gguf")
    with refused(KgptError, "is a directory"):
        models.load_microgpt(tmp_path)
    with refused(KgptError, "File name too long"):
        models.load_microgpt(tmp_path / ("x" * 300))


@pytest.mark.parametrize("content", [b"", b"GG", b"\x7fELF\x02\x01", b"GGML\0\0\0\0", b"FUGG", b"names\n", b"GGUF"])
def test_not_a_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(KgptError, match=r"empty|neither a GGUF|truncated|not a model"):
        models.load_microgpt(path)


@pytest.mark.parametrize(("version", "message"), [(1, "version 1"), (4, "version 4"), (3 << 24, "big-endian")])
def test_other_versions(saved: Path, version: int, message: str) -> None:
    data = bytearray(saved.read_bytes())
    struct.pack_into("<I", data, 4, version)
    saved.write_bytes(data)
    with refused(KgptError, message):
        models.load_microgpt(saved)


def test_truncated_everywhere(saved: Path) -> None:
    data = saved.read_bytes()
    for size in [*range(1, len(data), 7), len(data) - 1]:
        saved.write_bytes(data[:size])
        with pytest.raises(KgptError) as caught:
            models.load_microgpt(saved)
        assert "\n" not in caught.value.message


def test_lengths_that_lie_are_refused_quickly(saved: Path) -> None:
    """The library would loop over a false count for hours."""
    data = saved.read_bytes()
    at = data.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens") + 8
    for place, size in ((8, 8), (16, 8), (at, 8), (24, 8)):
        for lie in (1 << 20, 1 << 40, (1 << 64) - 1):
            saved.write_bytes(data[:place] + lie.to_bytes(8, "little") + data[place + size :])
            with pytest.raises(KgptError):
                models.load_microgpt(saved)


def test_random_damage_never_gives_another_exception(saved: Path) -> None:
    data = saved.read_bytes()
    header = data.index(b"blk.0.ffn_down.weight") + 64
    rng = random.Random(7)
    refusals = []
    for _ in range(N_MUTATIONS):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(header)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        saved.write_bytes(damaged)
        try:
            models.load_microgpt(saved)
        except KgptError as error:
            refusals.append(error.message)
    assert len(refusals) > N_MUTATIONS / 2
    assert not [message for message in refusals if "\n" in message]


def test_unwritable_output(tmp_path: Path) -> None:
    with refused(KgptError, "cannot write"):
        models.save_gguf(toy_model(), tmp_path / "none" / "m.gguf")
    (tmp_path / "folder").mkdir()
    with refused(KgptError, "cannot write"):
        models.save_gguf(toy_model(), tmp_path / "folder")
    assert [*tmp_path.iterdir()] == [tmp_path / "folder"]
