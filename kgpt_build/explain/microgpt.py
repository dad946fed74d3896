"""The trace of a microgpt as the NumPy reference computes it: what tests compare a kernel's trace with."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from kgpt_build.explain.trace import Draw, Floats, Layer, ModelFacts, Source, Token, Trace, sizes
from kgpt_build.models import Model
from kgpt_build.reference.forward import Activations, forward, softmax
from kgpt_build.reference.forward import Layer as Computed
from kgpt_build.reference.ordered import matmul
from kgpt_build.reference.rng import Xoshiro
from kgpt_build.reference.sampler import Sampling, draw, generate, kept, likeliest_first, weigh

LENS = 8
"""Tokens of a row of the logit lens."""


def reference_trace(
    model: Model, prompt: str = "", *, sampling: Sampling | None = None, seed: int = 42, max_tokens: int = 0
) -> Trace:
    """The trace of the first document from ``prompt`` on. Raises KgptError for a prompt that cannot be taken."""
    sampling = sampling or Sampling()
    document = generate(model, prompt, sampling=sampling, seed=seed, max_tokens=max_tokens)
    fed = model.prompt_tokens(prompt)
    n_prompt = len(fed)
    tokens = [*fed, *document.tokens]
    computed = _forward(model, tokens[:-1])
    logits = np.ascontiguousarray(computed.logits[:, 0].T)
    rng = Xoshiro(seed)
    draws = tuple(_draw(logits[pos], pos, sampling, rng) for pos in range(n_prompt - 1, len(tokens) - 1))
    return Trace(
        source=Source("reference", "", "", version("kgpt"), None),
        model=microgpt_facts(model),
        settings=_settings(sampling, seed, max_tokens),
        prompt=prompt,
        reply=document.text[len(prompt) :],
        reason=document.reason,
        n_prompt=n_prompt,
        tokens=tuple(char_token(model, token) for token in tokens),
        embedding_norm=_lengths(_rows(computed.embedded.y)),
        layers=_layers(model, computed),
        draws=draws,
        pieces={token: char_token(model, token).piece for token in range(model.hparams.n_vocab)},
        embedding=_rows(computed.embedded.y),
        final=_rows(computed.x),
        logits=logits,
        weights=dict(model.tensors),
    )


def microgpt_facts(model: Model) -> ModelFacts:
    """The facts of ``model``."""
    h = model.hparams
    return ModelFacts(
        name=model.name,
        arch=model.arch,
        sha256=model.sha256,
        microgpt=True,
        **sizes(h),
        n_parameters=model.n_parameters,
        rope="none",
        rope_dim=0,
        rope_base=0.0,
        activation="relu",
        gated=False,
        norm="bare",
        attn_scale=h.head_dim**-0.5,
    )


def char_token(model: Model, token: int) -> Token:
    """A token of the character tokenizer; BOS is written as <BOS>, and has no text."""
    if token == model.tokenizer.bos_id:
        return Token(token, b"", "<BOS>")
    text = model.tokenizer.chars[token]
    return Token(token, text.encode(), text)


def _settings(sampling: Sampling, seed: int, max_tokens: int) -> dict[str, Any]:
    return {
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "seed": seed,
        "max_tokens": max_tokens,
    }


def _forward(model: Model, tokens: list[int]) -> Activations:
    weights = {name: np.asarray(tensor, np.float32) for name, tensor in model.tensors.items()}
    return forward(weights, model.hparams, np.array([tokens], dtype=np.intp))


def _rows(x: Any) -> Floats:
    """(C, 1, T) -> (T, C)."""
    return np.ascontiguousarray(x[:, 0].T, np.float32)


def _heads(x: Any) -> Floats:
    """(D, H, 1, T) -> (T, H, D)."""
    return np.ascontiguousarray(x[:, :, 0].transpose(2, 1, 0), np.float32)


def _lengths(x: Floats) -> Floats:
    return np.asarray(np.sqrt((x.astype(np.float64) ** 2).sum(axis=-1)), np.float32)


def _layers(model: Model, computed: Activations) -> tuple[Layer, ...]:
    """Each layer; what one adds to the stream is what the next one, or lm_head, reads."""
    after = [_rows(layer.norm1.x) for layer in computed.layers[1:]] + [_rows(computed.x)]
    return tuple(_layer(model, i, computed.layers[i], after[i]) for i in range(len(after)))


def _layer(model: Model, i: int, layer: Computed, after_mlp: Floats) -> Layer:
    attention, h = layer.attention, model.hparams
    hidden = _rows(np.maximum(layer.hidden, 0))
    after_attention = _rows(layer.norm2.x)
    lens = softmax(matmul(np.asarray(model.tensors["lm_head"]), after_mlp.T)).T
    ids = np.stack([likeliest_first(row)[: min(LENS, h.n_vocab)] for row in lens])
    q, k = _heads(attention.q), _heads(attention.k)
    return Layer(
        layer=i,
        attention=np.ascontiguousarray(attention.p[:, :, 0].transpose(1, 2, 0), np.float32),
        neurons=np.tile(np.arange(h.n_ff, dtype=np.int32), (len(hidden), 1)),
        activations=hidden,
        norm_attention=_lengths(after_attention),
        norm_mlp=_lengths(after_mlp),
        lens_ids=ids.astype(np.int32),
        lens_p=np.take_along_axis(lens, ids, axis=1).astype(np.float32),
        q_raw=q,
        k_raw=k,
        v=_heads(attention.v),
        q=q,
        k=k,
        attended=_rows(attention.out).reshape(len(hidden), h.n_head, h.head_dim),
        after_attention=after_attention,
        after_mlp=after_mlp,
    )


def _draw(logits: Floats, pos: int, sampling: Sampling, rng: Xoshiro) -> Draw:
    order = likeliest_first(logits)
    greedy = sampling.temperature == 0
    n_k = 1 if greedy else min(sampling.top_k or len(order), len(order))
    ranked = logits[order[:n_k]]
    n_p = 1 if greedy else kept(ranked, sampling.top_p, 0.0)
    n = 1 if greedy else kept(ranked, sampling.top_p, sampling.min_p)
    weights, total = weigh(ranked[:n], np.float32(1 if greedy else sampling.temperature))
    before = Xoshiro(0)
    before.state = list(rng.state)
    place = 0 if greedy else draw(weights, total, rng)
    largest = float(logits.max())
    return Draw(
        pos=pos,
        ids=order.astype(np.int32),
        logits=logits[order],
        adjusted=logits[order],
        log_sum=largest + float(np.log(np.exp(logits.astype(np.float64) - largest).sum())),
        left={"top_k": n_k, "typical_p": n_k, "top_p": n_p, "min_p": n},
        kept=order[:n].astype(np.int32),
        weights=weights,
        total=float(total),
        uniform=None if greedy else float(before.uniform()),
        chosen=int(order[place]),
        place=place,
        below=float(np.cumsum(weights, dtype=np.float32)[place - 1]) if place else 0.0,
    )
