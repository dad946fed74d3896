"""Checkpoints of PyTorch, read without it: values, and what is refused by name."""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused
from torch_files import (
    CHARS,
    N_CTX,
    N_EMBD,
    N_HEAD,
    N_LAYER,
    N_VOCAB,
    Call,
    Name,
    Saved,
    nanogpt_checkpoint,
    nanogpt_state,
    own_state,
    pickled,
    saved,
    write_torch,
)

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Checkpoint
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing import ImportOptions, read_checkpoint
from kgpt_build.models.pytorch.characters import characters_of
from kgpt_build.models.pytorch.unpickle import MOST_BYTES, unpickle


def imported(tmp_path: Path, value: Any, chars: Any = CHARS, **options: Any) -> Checkpoint:
    (tmp_path / "chars.json").write_text(json.dumps(chars))
    return read_checkpoint(write_torch(tmp_path / "ckpt.pt", value), ImportOptions(**options))


def values_of(checkpoint: Checkpoint) -> dict[str, Any]:
    return {tensor.name: tensor.read() for tensor in checkpoint.tensors}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module._orig_mod."])
def test_a_nanogpt(tmp_path: Path, bias: bool, prefix: str) -> None:
    checkpoint = imported(tmp_path, nanogpt_checkpoint(bias=bias, prefix=prefix))
    state, found = nanogpt_state(bias=bias), values_of(checkpoint)
    assert (checkpoint.architecture, checkpoint.name) == ("nanogpt", "ckpt")
    assert "output.weight" not in found, "the head is the embedding"
    assert len(found) == len(state) - 1
    for ours, theirs in {
        "token_embd.weight": "transformer.wte.weight",
        "blk.1.attn_qkv.weight": "transformer.h.1.attn.c_attn.weight",
        "blk.0.ffn_down.weight": "transformer.h.0.mlp.c_proj.weight",
        "output_norm.weight": "transformer.ln_f.weight",
    }.items():
        assert np.array_equal(found[ours], state[theirs].data.reshape(state[theirs].shape))
    path = tmp_path / "m.gguf"
    write_gguf(checkpoint, path)
    model = models.load_lm(path)
    sizes = model.hparams
    assert (sizes.n_embd, sizes.n_layer, sizes.n_head, sizes.n_ctx) == (N_EMBD, N_LAYER, N_HEAD, N_CTX)
    assert list(model.vocabulary.tokens) == CHARS


@pytest.mark.parametrize(("dtype", "kind"), [("f4", "F32"), ("f2", "F16"), ("bf16", "BF16"), ("f8", "F32")])
def test_types(tmp_path: Path, dtype: str, kind: str) -> None:
    """Matrices stay in their type, vectors become F32."""
    checkpoint = imported(tmp_path, nanogpt_checkpoint(dtype=dtype))
    kinds = {tensor.name: tensor.kind for tensor in checkpoint.tensors}
    assert (kinds["blk.0.attn_qkv.weight"], kinds["blk.0.attn_norm.weight"]) == (kind, "F32")
    state, found = nanogpt_state(dtype=dtype), values_of(checkpoint)
    exact = state["transformer.h.0.ln_1.weight"].data
    rounded = {
        "f2": exact.astype(np.float16).astype(np.float32),
        "bf16": (exact.view(np.uint32) & 0xFFFF0000).view(np.float32),
    }.get(dtype, exact)
    assert np.array_equal(found["blk.0.attn_norm.weight"], rounded)
    matrix = state["transformer.h.0.attn.c_proj.weight"]
    if kind == "BF16":
        upper = (matrix.data.view(np.uint32) >> 16).astype(np.uint16).reshape(matrix.shape)
        assert np.array_equal(found["blk.0.attn_output.weight"].view(np.uint16), upper)
    else:
        expected = matrix.data.reshape(matrix.shape).astype(found["blk.0.attn_output.weight"].dtype)
        assert np.array_equal(found["blk.0.attn_output.weight"], expected)
    write_gguf(checkpoint, tmp_path / "m.gguf")
    models.load(tmp_path / "m.gguf")


def test_strides_offsets_and_shared_storages(tmp_path: Path) -> None:
    """A transposed view, and two vectors in one storage behind something else."""
    value = nanogpt_checkpoint()
    state, name = value["model"], "transformer.h.0.attn.c_proj.weight"
    whole = state[name].data.reshape(N_EMBD, N_EMBD)
    both = np.arange(3 + 2 * N_EMBD, dtype=np.float32)
    value["model"] = state | {
        name: Saved("transposed", np.ascontiguousarray(whole.T).reshape(-1), "f4", (N_EMBD, N_EMBD), (1, N_EMBD)),
        "transformer.h.0.ln_1.weight": Saved("both", both, "f4", (N_EMBD,), (1,), 3),
        "transformer.h.0.ln_2.weight": Saved("both", both, "f4", (N_EMBD,), (2,), 2),
    }
    found = values_of(imported(tmp_path, value))
    assert np.array_equal(found["blk.0.attn_output.weight"], whole)
    assert np.array_equal(found["blk.0.attn_norm.weight"], both[3 : 3 + N_EMBD])
    assert np.array_equal(found["blk.0.ffn_norm.weight"], both[2 : 2 + 2 * N_EMBD : 2])


def test_a_head_of_its_own_is_kept(tmp_path: Path) -> None:
    value = nanogpt_checkpoint()
    other = np.ones((N_VOCAB, N_EMBD), np.float32)
    value["model"]["lm_head.weight"] = saved("head", other)
    value["model"]["lm_head.bias"] = saved("head bias", np.arange(N_VOCAB, dtype=np.float32))
    found = values_of(imported(tmp_path, value))
    assert np.array_equal(found["output.weight"], other)
    assert np.array_equal(found["output.bias"], np.arange(N_VOCAB))


def test_masks_of_older_nanogpts_are_left_out(tmp_path: Path) -> None:
    value = nanogpt_checkpoint(bias=True)
    value["model"]["transformer.h.0.attn.bias"] = saved("mask", np.ones((1, 1, N_CTX, N_CTX), np.float32))
    assert len(values_of(imported(tmp_path, value))) == len(nanogpt_state(bias=True)) - 1


def test_a_padded_vocabulary_is_cut(tmp_path: Path) -> None:
    """The rows behind the last token stand for no text: nanoGPT pads to a multiple of 64."""
    value = nanogpt_checkpoint(n_vocab=64)
    found = values_of(imported(tmp_path, value))
    embedding = value["model"]["transformer.wte.weight"]
    assert np.array_equal(found["token_embd.weight"], embedding.data.reshape(64, N_EMBD)[:N_VOCAB])


@pytest.mark.parametrize("n_vocab", [N_VOCAB - 1, N_VOCAB + 1, 63, 65, 192])
def test_a_vocabulary_that_does_not_fit(tmp_path: Path, n_vocab: int) -> None:
    with refused(KgptError, f"chars.json {N_VOCAB} tokens {n_vocab} rows"):
        imported(tmp_path, nanogpt_checkpoint(n_vocab=n_vocab))


def test_without_a_vocabulary(tmp_path: Path) -> None:
    with refused(KgptError, "vocabulary 10 tokens missing") as caught:
        read_checkpoint(write_torch(tmp_path / "x.pt", nanogpt_checkpoint()))
    assert "--tokenizer meta.pkl" in caught.value.hint


BPE = {
    "model": {"type": "BPE", "vocab": {char: i for i, char in enumerate([*"abcdefghij", "ab"])}, "merges": ["a b"]},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    "added_tokens": [{"id": 11, "content": "<|endoftext|>", "special": True}],
}
"""GPT-2's kind of tokenizer, with 12 tokens."""


@pytest.mark.parametrize("n_vocab", [12, 64, 128])
def test_a_byte_level_tokenizer(tmp_path: Path, n_vocab: int) -> None:
    """As of a nanoGPT that was trained on GPT-2's tokens: 50,257 of 50,304 rows."""
    (tmp_path / "gpt2.json").write_text(json.dumps(BPE))
    value = nanogpt_checkpoint(n_vocab=n_vocab)
    checkpoint = imported(tmp_path, value, tokenizer=tmp_path / "gpt2.json")
    write_gguf(checkpoint, tmp_path / "m.gguf")
    model = models.load_lm(tmp_path / "m.gguf")
    assert (model.vocabulary.model, model.vocabulary.pre, model.hparams.n_vocab) == ("gpt2", "gpt-2", 12)
    assert model.vocabulary.tokens[10:] == ("ab", "<|endoftext|>")


@pytest.mark.parametrize(("n_vocab", "facts"), [(11, "<|endoftext|> 11 rows"), (70, "gpt2.json 12 tokens 70 rows")])
def test_a_byte_level_tokenizer_of_another_model(tmp_path: Path, n_vocab: int, facts: str) -> None:
    (tmp_path / "gpt2.json").write_text(json.dumps(BPE))
    with refused(KgptError, facts):
        imported(tmp_path, nanogpt_checkpoint(n_vocab=n_vocab), tokenizer=tmp_path / "gpt2.json")


# --- state dicts of kgpt's own models ---


@pytest.mark.parametrize("arch", ["nanogpt", "microgpt", "llama"])
@pytest.mark.parametrize("place", ["inside", "beside", "trainer"])
def test_state_dicts_of_our_own_models(tmp_path: Path, arch: str, place: str) -> None:
    settings = {"n_head": N_HEAD, "block_size": N_CTX}
    state = own_state(arch)
    value: dict[str, Any] = {"model": state, "config": settings}
    if place == "trainer":
        value = {"settings": settings, "weights": own_state(arch), "best": state, "optimizer": {"state": {}}, "step": 3}
    if place == "beside":
        value = dict(state)
        (tmp_path / "config.json").write_text(json.dumps(settings))
    checkpoint = imported(tmp_path, value)
    assert checkpoint.architecture == arch
    assert {tensor.name for tensor in checkpoint.tensors} == set(state)
    write_gguf(checkpoint, tmp_path / "m.gguf")
    model = models.load(tmp_path / "m.gguf")
    assert isinstance(model, models.GgufModel)
    assert (model.hparams.n_head, model.hparams.n_ff, model.hparams.n_ctx) == (N_HEAD, 24, N_CTX)


@pytest.mark.parametrize(("arch", "lacks"), [("nanogpt", "n_head"), ("llama", "block_size")])
def test_sizes_that_shapes_do_not_say(tmp_path: Path, arch: str, lacks: str) -> None:
    with refused(KgptError, f"{lacks} follow shapes") as caught:
        imported(tmp_path, own_state(arch))
    assert "config.json" in caught.value.hint


# --- what is wrong with a model ---


def without(*names: str) -> Callable[[dict[str, Any]], None]:
    def change(value: dict[str, Any]) -> None:
        for name in names:
            del value["model"][name]

    return change


def with_tensor(name: str, values: Any, dtype: str = "f4") -> Callable[[dict[str, Any]], None]:
    def change(value: dict[str, Any]) -> None:
        value["model"][name] = saved("new", np.asarray(values), dtype)

    return change


def with_setting(name: str, number: Any) -> Callable[[dict[str, Any]], None]:
    def change(value: dict[str, Any]) -> None:
        value["model_args"][name] = number

    return change


FFN, LN = "transformer.h.1.mlp.c_fc.weight", "transformer.h.0.ln_1.weight"
WRONG: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (without(FFN), f"missing {FFN}"),
    (without(FFN, LN, "transformer.wpe.weight"), f"missing {FFN} {LN} transformer.wpe.weight"),
    (without("transformer.ln_f.weight"), "missing transformer.ln_f.weight"),
    (with_tensor("transformer.h.0.attn.rotary.weight", np.ones(3)), "transformer.h.0.attn.rotary.weight"),
    (with_tensor("head.extra", np.ones(3)), "head.extra"),
    (with_tensor(LN, np.ones(N_EMBD + 1)), f"{LN} 17 16"),
    (with_tensor(FFN, np.ones((3, N_EMBD))), f"{FFN} 3 64"),
    (with_tensor(LN, np.ones(N_EMBD), "i8"), f"{LN} int64"),
    (with_tensor("transformer.wte.weight", np.ones(5)), "transformer.wte.weight 5 matrix"),
    (with_setting("n_embd", 32), "n_embd 32 16"),
    (with_setting("n_layer", 3), "n_layer 3 2"),
    (with_setting("block_size", 99), "n_ctx 99 12"),
    (with_setting("vocab_size", 11), "n_vocab 11 10"),
    (with_setting("n_head", 3), "16 3 heads"),
    (with_setting("n_head", "4"), "n_head '4'"),
    (with_setting("n_head", True), "n_head True"),
]


@pytest.mark.parametrize(("change", "facts"), WRONG)
def test_faults_of_a_model_are_named(tmp_path: Path, change: Callable[[dict[str, Any]], None], facts: str) -> None:
    value = nanogpt_checkpoint()
    change(value)
    with refused(KgptError, facts):
        imported(tmp_path, value)


def test_hugging_faces_gpt2_is_called_so(tmp_path: Path) -> None:
    value = nanogpt_checkpoint()
    for name, tensor in value["model"].items():
        if "c_attn" in name:
            value["model"][name] = saved(f"{name} t", tensor.data.reshape(tensor.shape[::-1]))
    with pytest.raises(KgptError) as caught:
        imported(tmp_path, value)
    assert "Hugging Face" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        ([1, 2], "list state dict"),
        ({"iter_num": 3}, "state dict iter_num"),
        ({"conv.weight": saved("0", np.ones(3, np.float32))}, "conv.weight known model"),
        (saved("0", np.ones(3, np.float32)), "tensor state dict"),
    ],
)
def test_what_is_no_model(tmp_path: Path, value: Any, facts: str) -> None:
    with refused(KgptError, facts):
        imported(tmp_path, value)


# --- what is wrong with a file ---


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("torch.nn.modules.linear", "Linear"),
        ("numpy.core.multiarray", "scalar"),
    ],
)
def test_a_pickle_that_wants_more_is_refused(tmp_path: Path, module: str, name: str) -> None:
    value = nanogpt_checkpoint() | {"more": Call(Name(module, name), ("echo x > /tmp/never",))}
    with refused(KgptError, f"'{module}.{name}'"):
        imported(tmp_path, value)


def test_calls_of_what_may_only_be_named(tmp_path: Path) -> None:
    for of in (Name("torch", "FloatStorage"), Name("torch", "float32")):
        with refused(KgptError, "pickle call"):
            imported(tmp_path, {"model": Call(of, (1 << 40,))})


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (b"", "empty"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "PyTorch 1.6"),
        (b"sys_info\0".ljust(257, b"\0") + b"ustar\0" + bytes(300), "tar"),
        (pickle.dumps({"a": 1}, 4), "plain pickle"),
        (b"hello", "zip"),
    ],
)
def test_other_formats_of_torch_save(tmp_path: Path, data: bytes, facts: str) -> None:
    (tmp_path / "x.pth").write_bytes(data)
    with refused(KgptError, facts):
        read_checkpoint(tmp_path / "x.pth")


def test_zips_that_torch_does_not_write(tmp_path: Path) -> None:
    with refused(KgptError, "compressed 'archive/data.pkl'"):
        read_checkpoint(write_torch(tmp_path / "x.pt", nanogpt_checkpoint(), compressed=True))
    for names, facts in ((["a"], "0 data.pkl"), (["a/data.pkl", "b/data.pkl"], "2 data.pkl")):
        with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
            for name in names:
                archive.writestr(name, b"")
        with refused(KgptError, facts):
            read_checkpoint(tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        for name in ("a/data.pkl", "a/constants.pkl", "a/code/x.py"):
            archive.writestr(name, b"")
    with refused(KgptError, "TorchScript"):
        read_checkpoint(tmp_path / "x.pt")


BOMBS: list[tuple[bytes, str]] = [
    (b"r\xff\xff\xff\x7f.", "pickle"),  # LONG_BINPUT with nothing on the stack
    (b"Nr\xff\xff\xff\x7f.", "state dict"),  # and far away in the memo: no memory for what lies before
    (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "pickle"),  # BINUNICODE8 of 2^63 bytes
    (b"\x8b\xff\xff\xff\x7f.", "pickle"),  # LONG4 of 2^31 bytes
    (b"\x8a\x20" + b"\x7f" * 32 + b".", "pickle 64"),  # an int of 256 bits
    (b"(" * 1000 + b".", "pickle"),
    (b"}}Ns.", "pickle key"),  # a dict as a key
    (b"(((((tttttK\x01d.", "pickle"),
    (b"." + b"rest", "pickle"),
    (b"", "pickle"),
    (b"Ia\n.", "pickle"),
    (b"\x82\x01.", "EXT1"),
    (b"(i__builtin__\neval\n.", "INST"),
    (b"]" * (MOST_BYTES + 1), "8,388,610"),
    (b"N" * 2_000_100 + b".", "2,000,000"),
]


@pytest.mark.parametrize(("data", "facts"), BOMBS, ids=range(len(BOMBS)))
def test_pickles_that_are_damaged_or_made_to_harm(tmp_path: Path, data: bytes, facts: str) -> None:
    write_torch(tmp_path / "x.pt", {}, data_pkl=data)
    with pytest.raises(KgptError) as caught:
        read_checkpoint(tmp_path / "x.pt")
    assert all(fact in str(caught.value) for fact in facts.split() if fact != "8,388,610"), caught.value


@pytest.mark.parametrize(
    ("tensor", "facts"),
    [
        (Saved("0", np.ones(4, np.float32), "f4", (5,), (1,)), "5 4"),
        (Saved("0", np.ones(4, np.float32), "f4", (2,), (1,), 3), "2 4"),
        (Saved("0", np.ones(4, np.float32), "f4", (2, 2), (4, 1)), "4"),
        (Saved("0", np.ones(4, np.float32), "f4", (1 << 40,), (0,)), "4"),
        (Saved("0", np.ones(4, np.float32), "f4", (2,), (-1,), 1), "tensor described"),
        (Saved("0", np.ones(4, np.float32), "f4", (2, 2), (1,)), "2 dimensions 1"),
        (Saved("0", np.ones(4, np.float32), "f4", (1,) * 9, (1,) * 9), "9 dimensions"),
    ],
)
def test_tensors_outside_their_storage(tmp_path: Path, tensor: Saved, facts: str) -> None:
    with refused(KgptError, facts):
        imported(tmp_path, {"model": {"x": tensor}})


def test_a_storage_of_another_size(tmp_path: Path) -> None:
    value = nanogpt_checkpoint()
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickled(value))
        archive.writestr("archive/data/0", b"short")
    with refused(KgptError, "'0' 5 640"):
        read_checkpoint(tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickled(value))
    with refused(KgptError, "'0' missing"):
        read_checkpoint(tmp_path / "x.pt")


def test_truncated_anywhere_and_damaged_at_random(tmp_path: Path) -> None:
    """Each such file is refused with one line, or reads as the model; nothing else is raised."""
    (tmp_path / "chars.json").write_text(json.dumps(CHARS))
    whole = write_torch(tmp_path / "whole.pt", nanogpt_checkpoint()).read_bytes()
    path, rng, taken = tmp_path / "x.pt", random.Random(1), 0
    for i in range(700):
        data = bytearray(whole)
        if i % 2:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.choice((0, 1, 3)) if i % 2 else 2):
            near_end = rng.random() < 0.5
            at = rng.randrange(max(0, len(data) - 3000) if near_end else 0, len(data)) if data else 0
            data[at : at + 1] = bytes([rng.choice((0, 255, rng.randrange(256)))])
        path.write_bytes(data)
        refusal = fault_of(path)
        taken += refusal is None
        assert refusal is None or ("\n" not in refusal.message and refusal.hint)
    assert taken < 200


def fault_of(path: Path) -> KgptError | None:
    """What is wrong with a checkpoint, or None."""
    try:
        for tensor in read_checkpoint(path).tensors:
            tensor.read()
    except KgptError as error:
        return error
    return None


def test_torch_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "chars.json").write_text(json.dumps(CHARS))
    write_torch(tmp_path / "ckpt.pt", nanogpt_checkpoint())
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from kgpt_build.cli import cli\n"
        f"cli(['import', {str(tmp_path / 'ckpt.pt')!r}, '-o', {str(tmp_path / 'm.gguf')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert models.load(tmp_path / "m.gguf").n_parameters > 0


# --- characters ---


def test_meta_pkl(tmp_path: Path) -> None:
    meta = {"vocab_size": N_VOCAB, "itos": dict(enumerate(CHARS)), "stoi": {char: i for i, char in enumerate(CHARS)}}
    path = write_torch(tmp_path / "ckpt.pt", nanogpt_checkpoint())
    for protocol in range(6):
        (tmp_path / "meta.pkl").write_bytes(pickle.dumps(meta, protocol))
        assert read_checkpoint(path).fields["tokenizer.ggml.tokens"] == CHARS
    (tmp_path / "meta.pkl").write_bytes(pickled({"itos": Call(Name("collections", "OrderedDict"), ())}))
    with refused(KgptError, "'collections.OrderedDict' meta.pkl"):
        read_checkpoint(path)


def test_characters_in_the_checkpoint(tmp_path: Path) -> None:
    found = imported(tmp_path, nanogpt_checkpoint() | {"chars": "".join(CHARS)}, chars=["other"])
    assert found.fields["tokenizer.ggml.tokens"] == CHARS


@pytest.mark.parametrize(
    "value",
    [
        ["a", "b"],
        "ab",
        {"chars": ["a", "b"]},
        {"itos": ["a", "b"]},
        {"itos": {"1": "b", "0": "a"}},
        {"itos": {1: "b", 0: "a"}},
        {"stoi": {"b": 1, "a": 0}},
        {"stoi": {"b": 1, "a": 0}, "itos": {"0": "a", "1": "b"}, "vocab_size": 2},
    ],
)
def test_forms_of_characters(value: Any) -> None:
    assert characters_of(value, "x") == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        ({}, "chars itos stoi"),
        ({"itos": {"0": "a", "2": "b"}}, "itos 1"),
        ({"itos": {"0": "a", "0 ": "b"}}, "itos '0"),
        ({"stoi": {"a": 0, "b": 0}}, "stoi"),
        ({"stoi": {"a": True}}, "stoi True"),
        ({"stoi": {"a": 0}, "itos": {"0": "b"}}, "itos stoi differ"),
        ([1, 2], "list characters"),
        (7, "list characters"),
    ],
)
def test_what_is_no_vocabulary(value: Any, facts: str) -> None:
    with refused(KgptError, facts):
        characters_of(value, "x")


def test_every_instruction_of_plain_pickles() -> None:
    value: dict[str | int, Any] = {
        "a": [1, -2, 1 << 40, 2.5, None, True, False, b"xy", ("t", ()), {}, []],
        "é": (1, 2, 3, 4),
    }
    value[7] = "x" * 300
    for protocol in range(3, 6):
        assert unpickle(pickle.dumps(value, protocol), "x") == value
