"""Traces for tests of the page: those of the reference, and made-up ones in the shape of a language model."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np

from kgpt_build.explain.microgpt import reference_trace
from kgpt_build.explain.trace import Draw, Floats, Layer, Merge, ModelFacts, Source, Token, Trace
from kgpt_build.models import DEFAULT_MODEL, load_microgpt
from kgpt_build.reference.lm_sampler import LmSampling, candidates
from kgpt_build.reference.sampler import Sampling, kept

HOSTILE = ("</script>", "<!--", "<img src=x onerror=alert(1)>", "\"&'", "\u2028", "{{ 7 * 7 }}", "\x00\x1b[0m", "é́𝄞")
"""Texts that end a script, begin a tag, or are no printable characters."""


@cache
def names_trace() -> Trace:
    """Of the default model, in which some tokens have several likely successors."""
    return reference_trace(load_microgpt(DEFAULT_MODEL), "an", sampling=Sampling(0.8, 20, 0.95, 0.01), seed=7)


def hostile_trace() -> Trace:
    """The same, whose tokens and prompt have the texts of ``HOSTILE``."""
    trace = names_trace()
    pieces = {token: HOSTILE[token % len(HOSTILE)] for token in trace.pieces}
    tokens = tuple(
        dataclasses.replace(token, piece=pieces[token.id], data=pieces[token.id].encode()) for token in trace.tokens
    )
    model = dataclasses.replace(trace.model, name=HOSTILE[0])
    prompt, left_out = "".join(HOSTILE), (HOSTILE[2],)
    return dataclasses.replace(trace, tokens=tokens, pieces=pieces, prompt=prompt, model=model, left_out=left_out)


def lm_trace(n_layer: int = 30, n_steps: int = 64, n_prompt: int = 40, n_layers_whole: int = 1) -> Trace:
    """Random numbers in the shape of SmolLM2-135M. ``n_layers_whole`` layers have their vectors."""
    rng = np.random.default_rng(3)
    facts = ModelFacts(
        name="made up", arch="llama", sha256="0" * 64, microgpt=False, n_vocab=49152, n_ctx=8192,
        n_embd=576, n_layer=n_layer, n_head=9, n_head_kv=3, head_dim=64, n_ff=1536,
        n_parameters=134_515_008, rope="halves", rope_dim=64, rope_base=1e5, activation="silu",
        gated=True, norm="rms", norm_eps=1e-5, attn_scale=0.125,
    )  # fmt: skip
    tokens = (Token(1, b"", "<|im_start|>"), *(_word(i) for i in range(n_steps)))
    draws = tuple(_lm_draw(rng, pos, tokens) for pos in range(n_prompt - 1, n_steps))
    pieces = {token: f"Ġw{token}" for token in range(2000)}
    layers = tuple(_lm_layer(rng, facts, i, n_steps, i < n_layers_whole) for i in range(n_layer))
    drawn = {draw.pos + 1: draw.chosen for draw in draws}
    tokens = tuple(
        Token(drawn[i], f" w{drawn[i]}".encode(), f"Ġw{drawn[i]}") if i in drawn else t for i, t in enumerate(tokens)
    )
    return Trace(
        source=Source("kernel", "ab" * 32, "avx2", "0", True),
        model=facts,
        settings={"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 1, "repeat_penalty": 1.1},
        prompt="".join(token.data.decode() for token in tokens[:n_prompt]),
        reply="".join(token.data.decode() for token in tokens[n_prompt:]),
        reason="max_tokens",
        n_prompt=n_prompt,
        tokens=tokens,
        embedding_norm=_random(rng, n_steps),
        layers=layers,
        draws=draws,
        pieces=pieces,
        embedding=_random(rng, n_steps, 576),
        left_out=("The vectors of most layers were left out.",),
    )


def _random(rng: np.random.Generator, *shape: int) -> Floats:
    return np.abs(rng.standard_normal(shape)).astype(np.float32) if len(shape) == 1 else _signed(rng, *shape)


def _signed(rng: np.random.Generator, *shape: int) -> Floats:
    return rng.standard_normal(shape).astype(np.float32)


def _word(i: int) -> Token:
    """A token of five bytes, joined by four merges."""
    data = f" ab{i % 10}c".encode()
    merges = (
        Merge(b" ", b"a", 5),
        Merge(data[2:3], data[3:4], 9),
        Merge(b" a", data[2:4], 20),
        Merge(data[:4], b"c", 31),
    )
    return Token(100 + i, data, f"Ġ{data[1:].decode()}", merges)


def _lm_layer(rng: np.random.Generator, m: ModelFacts, i: int, n: int, whole: bool) -> Layer:
    scores = np.exp(_signed(rng, m.n_head, n, n) * 2) * np.tri(n, dtype=np.float32)
    p: Floats = -np.sort(-rng.random((n, 8)).astype(np.float32) / np.float32(8), axis=1)
    vectors = {
        "q_raw": _signed(rng, n, m.n_head, m.head_dim), "q": _signed(rng, n, m.n_head, m.head_dim),
        "k_raw": _signed(rng, n, m.n_head_kv, m.head_dim), "k": _signed(rng, n, m.n_head_kv, m.head_dim),
        "v": _signed(rng, n, m.n_head_kv, m.head_dim), "attended": _signed(rng, n, m.n_head, m.head_dim),
        "after_attention": _signed(rng, n, m.n_embd), "after_mlp": _signed(rng, n, m.n_embd),
    }  # fmt: skip
    return Layer(
        i,
        (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32),
        np.argsort(rng.random((n, m.n_ff)), axis=1)[:, :16].astype(np.int32),
        _signed(rng, n, 16),
        _random(rng, n),
        _random(rng, n),
        rng.integers(0, 2000, (n, 8)).astype(np.int32),
        p,
        **vectors if whole else {},
    )


def _lm_draw(rng: np.random.Generator, pos: int, tokens: tuple[Token, ...]) -> Draw:
    """The draw of the host's sampler from 2,000 random logits."""
    sampling = LmSampling(repeat_penalty=1.1)
    logits, last = _signed(rng, 2000) * np.float32(3), [token.id for token in tokens[: pos + 1]]
    found = candidates(logits, sampling, last)
    adjusted = candidates(logits, LmSampling(0.8, 0, 1, 1, 0, 64, 1.1), last)
    uniform, running = np.float32(rng.integers(0, 1 << 24) / 2**24), np.cumsum(found.weights, dtype=np.float32)
    place = min(int(np.searchsorted(running, uniform * found.total, side="right")), len(found.ids) - 1)
    return Draw(
        pos=pos,
        ids=adjusted.ids[:64].astype(np.int32),
        logits=logits[adjusted.ids[:64]],
        adjusted=adjusted.logits[:64],
        log_sum=float(np.log(np.exp(logits.astype(np.float64)).sum())),
        left={"top_k": 40, "typical_p": 40, "top_p": kept(adjusted.logits[:40], 0.95, 0.0), "min_p": len(found.ids)},
        kept=found.ids.astype(np.int32),
        weights=found.weights,
        total=float(found.total),
        uniform=float(uniform),
        chosen=int(found.ids[place]),
        place=place,
    )
