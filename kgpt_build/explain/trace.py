"""A trace: every number on the way from a text to its next tokens, as one run of the engine computed them.

T positions were computed, 0 to T - 1; the token at position t was fed to step t, whose logits draw token t + 1. Arrays
are NumPy's, with T first unless the comment says otherwise, f32 and the engine's own bits. ``docs/explain-trace.md``
tells the same for readers of the JSON, which ``encode`` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_CANDIDATES = 256
"""KG_EXPLAIN_CANDIDATES of kernel_c/app/explain/explain.h."""

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Source:
    """Where the numbers come from.

    ``made_by``: "kernel" (booted in QEMU), "hosted" (the same engine as a Linux process), or "reference" (NumPy).
    ``same_bits``: hosted gave the same numbers to the bit; None if they were not compared.
    """

    made_by: str
    image_sha256: str  # of the kernel or the program; "" for the reference
    isa: str  # the instruction set, such as avx2; "" for the reference
    version: str  # kgpt's
    same_bits: bool | None


@dataclass(frozen=True)
class ModelFacts:
    """The model, its sizes in elements as in the event ``model``.

    ``microgpt``: every weight is in Trace.weights. ``rope``: which values of a head RoPE turns together: "adjacent"
    (2i and 2i + 1), "halves" (i and i + n / 2), or "none". ``activation``: of the MLP: relu, silu, gelu or gelu_erf;
    ``gated``: its value is multiplied by a second product of the input.
    """

    name: str
    arch: str
    sha256: str
    microgpt: bool
    n_vocab: int
    n_ctx: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int  # head h reads the keys and values of head h * n_head_kv // n_head
    head_dim: int
    n_ff: int
    n_parameters: int
    rope: str
    rope_dim: int  # the first so many values of a head are turned
    rope_base: float  # pair i of position t is turned by t * rope_base ** (-2i / rope_dim), unless it is scaled
    activation: str
    gated: bool
    norm: str  # "bare" (x / rms), "rms" (with a gain), or "layer"
    norm_eps: float  # is added to the mean square, or the variance
    attn_scale: float  # scores are q · k times this


_SIZES = ("n_vocab", "n_ctx", "n_embd", "n_layer", "n_head", "n_head_kv", "head_dim", "n_ff", "norm_eps")


def sizes(hparams: Any) -> dict[str, Any]:
    """The facts that are called as the hyperparameters of a microgpt and of a GGUF file are."""
    return {name: getattr(hparams, name) for name in _SIZES}


@dataclass(frozen=True)
class Merge:
    """A step of the tokenizer inside one token: two neighbouring pieces became one."""

    left: bytes
    right: bytes
    rank: int  # of all merges that were possible, the one with the lowest rank is done first


@dataclass(frozen=True)
class Token:
    """A token of the text. ``merges`` lead from its single bytes or characters to it; empty where it is one already."""

    id: int
    data: bytes  # as the text has them; empty for a token without text, such as BOS
    piece: str  # as the vocabulary writes it
    merges: tuple[Merge, ...] = ()


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer over all positions. None: was left out (Trace.left_out says it)."""

    layer: int
    attention: Floats  # (n_head, T, T): how much position t (row) looks at s; 0 for s > t; rows sum to 1
    neurons: Ids  # (T, K): the strongest neurons of the MLP by |value|, or all of them in their order
    activations: Floats  # (T, K): their values behind the activation (and times the gate)
    norm_attention: Floats  # (T,): length of the residual stream after attention was added
    norm_mlp: Floats  # (T,): … after the MLP was added
    lens_ids: Ids  # (T, L): the likeliest next tokens if the model ended after this layer
    lens_p: Floats  # (T, L): their probabilities, among the whole vocabulary
    q_raw: Floats | None = None  # (T, n_head, head_dim): queries before RoPE
    k_raw: Floats | None = None  # (T, n_head_kv, head_dim): keys before RoPE
    v: Floats | None = None  # (T, n_head_kv, head_dim)
    q: Floats | None = None  # (T, n_head, head_dim): after RoPE; q_raw itself without RoPE
    k: Floats | None = None  # (T, n_head_kv, head_dim)
    attended: Floats | None = None  # (T, n_head, head_dim): sums of values by weight, before the output matrix
    after_attention: Floats | None = None  # (T, n_embd): the residual stream
    after_mlp: Floats | None = None  # (T, n_embd)


@dataclass(frozen=True, eq=False)
class Draw:
    """How the token at position ``pos`` + 1 was drawn from the logits of step ``pos``.

    ``ids`` (K,): the likeliest tokens, the likeliest first, after ``logit_bias`` and penalties (all of a microgpt);
    ``logits`` (K,) as the model gave them, ``adjusted`` (K,) after bias and penalties. ``left``: how many tokens
    remain after each filter, in the order of the filters: top_k, typical_p, top_p, min_p.

    ``kept`` (N,): the tokens that remain, in the order of the draw, at most MOST_CANDIDATES of them; ``weights`` (N,):
    exp((logit - largest) / temperature); ``total`` the sum over all that remain (left["min_p"] of them), so p =
    weights / total. The draw takes the first token whose running sum of weights is more than ``uniform`` * ``total``;
    ``below`` is the sum before it. At temperature 0 nothing is drawn: ``uniform`` is None, and ``kept`` has the
    likeliest token alone.
    """

    pos: int
    ids: Ids
    logits: Floats
    adjusted: Floats
    log_sum: float  # ln of the sum of exp(logit) over the whole vocabulary, of the model's logits
    left: Mapping[str, int]
    kept: Ids
    weights: Floats
    total: float
    uniform: float | None
    chosen: int  # the token
    place: int  # its place in the order of the draw
    below: float = 0.0


@dataclass(frozen=True, eq=False)
class Trace:
    """All of it. ``tokens``: those of the prompt (BOS included where the model has one), then the reply's.

    len(tokens) is T + 1 if the last token was drawn and not fed; there is one Draw for each token of the reply.
    """

    source: Source
    model: ModelFacts
    settings: Mapping[str, Any]  # temperature, top_k, …, seed, max_tokens: the names of the command line
    prompt: str
    reply: str
    reason: str  # why the reply ended: eos, max_tokens, context, …
    n_prompt: int  # tokens of the prompt
    tokens: tuple[Token, ...]
    embedding_norm: Floats  # (T,): length of the residual stream before the first layer
    layers: tuple[Layer, ...]  # those that were traced, ascending
    draws: tuple[Draw, ...]
    pieces: Mapping[int, str]  # the text of every id in lens_ids and ids, as the vocabulary writes it
    embedding: Floats | None = None  # (T, n_embd): what the first layer reads
    final: Floats | None = None  # (T, n_embd): after the final norm (a microgpt has none: after the last layer)
    logits: Floats | None = None  # (T, n_vocab)
    weights: Mapping[str, Floats] = field(default_factory=dict)  # of a microgpt, by name; rows are outputs
    left_out: tuple[str, ...] = ()  # one sentence for each thing that was left out

    @property
    def n_steps(self) -> int:
        """T."""
        return len(self.embedding_norm)
