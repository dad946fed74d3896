"""A model that computes what is no number: the layer is named, and the run fails."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable
from pathlib import Path

import lm
import numpy as np
import pytest
from gguf import GGUFReader
from hosted import Hosted, Run, random_model
from lm_brought import Brought
from lm_tiny import TINY, write
from refusals import lacks

from kgpt_build.kernel.build import build_cached
from kgpt_build.models import Model

TOKENS = [3, 1, 4, 1, 5, 9, 2, 6]
HALF_NAN, HALF_INF = b"\x01\x7e", b"\x00\x7c"


def poked(path: Path, tensor: str, value: bytes, at: int = 0) -> bytes:
    """The file with ``value`` at byte ``at`` of a tensor."""
    data = bytearray(path.read_bytes())
    (found,) = (t for t in GGUFReader(path).tensors if t.name == tensor)
    start = found.data_offset + at
    data[start : start + len(value)] = value
    return bytes(data)


def refusal(library: ctypes.CDLL, data: bytes, tokens: list[int] = TOKENS, **session: object) -> str:
    engine = lm.Engine(library, data)
    engine.session(**{"n_batch": 3, "kv": "f16", "all_logits": False, **session})  # type: ignore[arg-type]
    with pytest.raises(lm.Refused) as caught:
        engine.eval(tokens)
    assert "kgpt build MODEL names the tensor" in caught.value.args[1]
    assert engine.tokens == tokens[: len(engine.tokens)]
    assert len(engine.tokens) < len(tokens)
    return str(caught.value.args[0])


def _single(value: float) -> bytes:
    return struct.pack("<f", value)


PLACES = [
    ("llama", "token_embd.weight", _single(math.nan), 4 * 64 * 6, "embedding token 6"),
    ("llama", "blk.0.attn_norm.weight", _single(math.inf), 8, "layer 0, attention"),
    ("llama", "blk.1.attn_q.weight", _single(math.nan), 400, "layer 1, attention"),
    ("llama", "blk.1.attn_k.weight", _single(math.inf), 400, "layer 1, attention"),
    ("llama", "blk.0.attn_v.weight", _single(-math.inf), 400, "layer 0, attention"),
    ("llama", "blk.0.attn_output.weight", _single(math.nan), 0, "layer 0, attention"),
    ("llama", "blk.1.ffn_gate.weight", _single(math.nan), 0, "layer 1, feed-forward"),
    ("llama", "blk.0.ffn_up.weight", _single(math.inf), 0, "layer 0, feed-forward"),
    ("llama", "blk.1.ffn_down.weight", _single(math.nan), 0, "layer 1, feed-forward"),
    ("llama", "output_norm.weight", _single(math.nan), 0, "layer 1, final norm"),
    ("llama", "output.weight", _single(math.nan), 4 * 64 * 7, "layer 1, output's matrix"),
    ("llama", "blk.1.ffn_down.weight", _single(3e38) * 64, 0, "layer 1, feed-forward"),
    ("gemma3", "blk.4.attn_k_norm.weight", _single(math.nan), 0, "layer 4, attention"),
    ("gemma3", "blk.6.post_ffw_norm.weight", _single(math.nan), 0, "layer 6, feed-forward"),
    ("gpt2", "blk.1.ffn_up.bias", _single(math.nan), 0, "layer 1, feed-forward"),
    ("phi2", "blk.0.attn_qkv.bias", _single(math.nan), 0, "layer 0, attention"),
    ("phi3", "blk.2.ffn_up.weight", _single(math.nan), 0, "layer 2, feed-forward"),
    ("microgpt", "blk.0.ffn_up.weight", _single(math.nan), 0, "layer 0, feed-forward"),
    ("microgpt", "position_embd.weight", _single(math.inf), 4 * 64 * 7, "embedding token 6"),
]


@pytest.mark.parametrize(("name", "tensor", "value", "at", "words"), PLACES)
@pytest.mark.parametrize("isa", lm.ISAS)
def test_the_layer_is_named(
    lm_library: ctypes.CDLL, tmp_path: Path, isa: str, name: str, tensor: str, value: bytes, at: int, words: str
) -> None:
    data = poked(write(tmp_path / "model.gguf", TINY[name]), tensor, value, at)
    message = refusal(lm_library, data, isa=isa)
    assert not lacks(message, f"logits finite {words}")


QUANTISED = [name for name, tiny in TINY.items() if tiny.arch == "llama" and tiny.kind not in ("F32", "BF16")]
SCALES = {"Q2_K": 80, "Q3_K": 108, "Q6_K": 208}
EXPONENTS = {HALF_NAN: b"\xff", HALF_INF: b"\xfe"}
"""Of MXFP4, whose scales are no halves."""


@pytest.mark.parametrize("name", QUANTISED)
@pytest.mark.parametrize("matrix", ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"])
@pytest.mark.parametrize("value", [HALF_NAN, HALF_INF])
def test_a_scale_is_not_lost_where_values_become_bytes(
    lm_library: ctypes.CDLL, tmp_path: Path, name: str, matrix: str, value: bytes
) -> None:
    """Nor in a cache of 8 bits: with plain C and with AVX2."""
    tensor = f"blk.1.{matrix}.weight"
    kind = TINY[name].kind_of(tensor, (1, 1))
    value = EXPONENTS[value] if kind == "MXFP4" else value
    data = poked(write(tmp_path / "model.gguf", TINY[name]), tensor, value, SCALES.get(kind, 0))
    for isa in lm.ISAS:
        for kv in lm.KV:
            assert not lacks(refusal(lm_library, data, isa=isa, kv=kv), "logits finite layer 1,")


def test_what_no_token_looks_at_does_not_matter(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    """The embedding of a token that does not occur."""
    engine = lm.Engine(lm_library, poked(write(tmp_path / "model.gguf", TINY["llama"]), "token_embd.weight",
                                         _single(math.nan), 4 * 64 * 30))  # fmt: skip
    engine.session()
    assert np.isfinite(engine.eval(TOKENS)).all()
    with pytest.raises(lm.Refused) as caught:
        engine.eval([30])
    assert not lacks(caught.value.args[0], "embedding token 30")


def test_after_a_refusal_the_session_goes_on(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    """The batch is forgotten; what was computed before stays, to the bit."""
    path = write(tmp_path / "model.gguf", TINY["llama"])
    damaged = lm.Engine(lm_library, poked(path, "token_embd.weight", _single(math.inf), 4 * 64 * 30))
    whole = lm.Engine(lm_library, path.read_bytes())
    for engine in (damaged, whole):
        engine.session(all_logits=False)
        engine.eval(TOKENS)
    with pytest.raises(lm.Refused):
        damaged.eval([30])
    assert damaged.tokens == TOKENS
    assert damaged.eval([8]).tobytes() == whole.eval([8]).tobytes()


def fails(run: Run, words: str) -> None:
    assert run.returncode == 4, run.console
    assert run.events[-1] == {"event": "exit", "code": 4, "reason": "nonfinite"}
    message = run.of("error")[0]["message"]
    assert not lacks(message, words)
    assert message in run.console


Spoil = Callable[[bytes], bytes]


@pytest.fixture
def damaged(without_model: Hosted, tmp_path: Path) -> Brought:
    """A model whose second layer has a NaN."""
    brought = Brought(without_model, tmp_path)
    brought.path.write_bytes(poked(brought.path, "blk.1.ffn_down.weight", HALF_NAN))
    return brought


@pytest.mark.parametrize("words", ["mode=generate", "mode=generate prompt=ab", "mode=chat prompt=ab"])
def test_a_run_fails(damaged: Brought, words: str) -> None:
    run = damaged.run(f"exit {words}")
    fails(run, "the logits are not finite after layer 1, feed-forward")
    assert not run.of("token")


def test_a_chat_says_so_and_fails_in_the_end(damaged: Brought) -> None:
    run = damaged.run("mode=chat", "ab", "/quit")
    fails(run, "the logits are not finite after layer 1, feed-forward")


def test_a_benchmark_fails(damaged: Brought) -> None:
    fails(damaged.run("exit mode=bench pp=4 tg=4"), "the logits are not finite after layer 1, feed-forward")


def test_a_microgpt_that_grows_beyond_single_precision(tmp_path: Path) -> None:
    """Its weights are finite, so that only the kernel can tell."""
    small = random_model("abc", n_ctx=8, n_embd=8, n_layer=1, n_head=2, n_ff=16)
    tensors = {
        name: np.full_like(tensor, 3e38) if name.endswith("fc2") else tensor for name, tensor in small.tensors.items()
    }
    model = Model("huge", small.arch, small.hparams, small.tokenizer, tensors)
    run = Hosted(build_cached(model, target="hosted")).run("exit")
    fails(run, "the logits are not finite")
    assert not run.of("token")
