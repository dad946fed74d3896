"""The model types of transformers that the engine runs: what their config.json says, in the words of GGUF.

Written from the configurations' documentation and the models' papers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.model import LmSizes
from kgpt_build.models.hf.config import Config
from kgpt_build.models.hf.rope import Rope, parameters, read_rope

_NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_GEMMA_NAMES = {
    **_NAMES,
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_PHI_NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "final_layernorm",
    "attn_norm": "input_layernorm",
    "attn_qkv": "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
    "attn_output": "self_attn.dense",
    "ffn_up": "mlp.fc1",
    "ffn_down": "mlp.fc2",
}
_PHI3_NAMES = {**_NAMES, "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}
_GPT2_NAMES = {
    "token_embd": "wte",
    "position_embd": "wpe",
    "output_norm": "ln_f",
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}

_SILU = ("silu", "swish")
_GELU, _EXACT_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast"), "gelu"  # by tanh, and by erf


@dataclass(frozen=True)
class Family:
    """How the tensors of a model type are named and stored.

    ``names``: GGUF's name without "blk.N." and ".weight" -> that of transformers, or several, stacked by rows.
    ``transposed``: matrices are stored as (columns, rows). ``plus_one``: norms are stored less 1. ``neighbours``: the
    rows of queries and keys change their order, because GGUF turns neighbours, not halves. ``others``: beginnings of
    names of tensors that see images, and change nothing for texts.
    """

    arch: str
    names: Mapping[str, str]
    root: str = "model."
    others: tuple[str, ...] = ()
    layers: str = "layers"
    transposed: bool = False
    plus_one: bool = False
    neighbours: bool = False


@dataclass(frozen=True)
class Described:
    """A config.json in the words of GGUF.

    ``fields`` have no prefix; ``tied``: the output has no matrix of its own; ``extra``: optional tensors that the
    model has, by GGUF's names without "blk.N."; ``rope`` has tensors that no safetensors file holds.
    """

    family: Family
    fields: Mapping[str, Any]
    sizes: LmSizes
    tied: bool
    rope: Rope | None = None
    extra: frozenset[str] = field(default_factory=frozenset)


_LLAMA = Family("llama", _NAMES, neighbours=True)
_FAMILIES: Mapping[str, tuple[Family, Callable[[Config, Family], Described]]] = {}


def model_types() -> tuple[str, ...]:
    """The values of model_type that are supported."""
    return tuple(_FAMILIES)


def describe(config: Config) -> Described:
    """What config.json says. Raises KgptError for what is missing, wrong, or not supported."""
    kind = config.text("model_type")
    if kind == "gemma3":
        return _gemma3_of_texts(config)
    if kind not in _FAMILIES:
        raise KgptError(
            f"config.json: the model_type {kind[:64]!r} is not supported", f"supported: {', '.join(model_types())}"
        )
    family, reader = _FAMILIES[kind]
    found = reader(config, family)
    config.refuse_rest()
    return found


def _sizes(config: Config, rope_dim: int, eps: float, *, heads_kv: int | None) -> LmSizes:
    """The sizes by the names that all but GPT-2 have; ``heads_kv``: how many key heads there are without a field."""
    n_embd, n_head = config.size("hidden_size"), config.size("num_attention_heads")
    return LmSizes(
        n_vocab=config.size("vocab_size"),
        n_ctx=config.size("max_position_embeddings"),
        n_embd=n_embd,
        n_layer=config.layers("num_hidden_layers"),
        n_head=n_head,
        n_head_kv=config.size("num_key_value_heads", heads_kv),
        n_ff=config.size("intermediate_size"),
        head_dim=_head(config),
        norm_eps=eps,
        rope_dim=rope_dim,
    )


def _head(config: Config) -> int:
    """The values of a head."""
    n_embd, n_head = config.size("hidden_size"), config.size("num_attention_heads")
    if config.get("head_dim") is None and n_embd % n_head:
        raise KgptError(
            f"config.json: hidden_size ({n_embd}) is not a multiple of num_attention_heads ({n_head})",
            "copy the file of the model again",
        )
    return config.size("head_dim", n_embd // n_head)


def _described(
    family: Family, sizes: LmSizes, tied: bool, rope: Rope | None, extra: frozenset[str], more: Mapping[str, Any]
) -> Described:
    norm = "layer_norm_epsilon" if family.arch in ("phi2", "gpt2", "nanogpt") else "layer_norm_rms_epsilon"
    fields: dict[str, Any] = {
        "context_length": sizes.n_ctx,
        "embedding_length": sizes.n_embd,
        "block_count": sizes.n_layer,
        "feed_forward_length": sizes.n_ff,
        "attention.head_count": sizes.n_head,
        "attention.head_count_kv": sizes.n_head_kv,
        f"attention.{norm}": sizes.norm_eps,
        "vocab_size": sizes.n_vocab,
    }
    if sizes.head_dim * sizes.n_head != sizes.n_embd:
        fields |= {"attention.key_length": sizes.head_dim, "attention.value_length": sizes.head_dim}
    fields |= rope.fields if rope else {}
    names = frozenset(rope.tensors) if rope else frozenset()
    return Described(family, {**fields, **more}, sizes, tied, rope, extra | names)


def _rotary(config: Config, family: Family, given: Mapping[str, Any], **defaults: float) -> Rope:
    return read_rope(family.arch, given, head=_head(config), n_ctx=config.size("max_position_embeddings"), **defaults)


def _rms(
    config: Config,
    family: Family,
    rope: Rope,
    *,
    eps: float = 1e-6,
    heads_kv: int | None = None,
    extra: frozenset[str] = frozenset(),
    more: Mapping[str, Any] | None = None,
    tied: bool = False,
) -> Described:
    """A model of RMS norms; the rest are what differs from family to family."""
    sizes = _sizes(config, rope.n, config.number("rms_norm_eps", eps), heads_kv=heads_kv)
    return _described(family, sizes, config.flag("tie_word_embeddings", tied), rope, extra, more or {})


def _biases(config: Config) -> frozenset[str]:
    attention = ("attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias")
    feed_forward = ("ffn_gate.bias", "ffn_up.bias", "ffn_down.bias")
    return frozenset(attention if config.flag("attention_bias", False) else ()) | frozenset(
        feed_forward if config.flag("mlp_bias", False) else ()
    )


def _whole_heads(config: Config, family: Family, rope: Rope) -> Rope:
    """The rope of an architecture that turns whole heads in transformers."""
    if rope.n != _head(config):
        raise KgptError(
            f"config.json: partial_rotary_factor makes RoPE turn {rope.n} of a head's {_head(config)} values",
            f"in a {family.arch} it turns all",
        )
    return rope


def _llama(config: Config, family: Family) -> Described:
    config.require("hidden_act", *_SILU)
    rope = _whole_heads(config, family, _rotary(config, family, parameters(config)))
    return _rms(config, family, rope, heads_kv=config.size("num_attention_heads"), extra=_biases(config))


def _mistral(config: Config, family: Family) -> Described:
    config.require("hidden_act", *_SILU)
    rope = _whole_heads(config, family, _rotary(config, family, parameters(config)))
    return _rms(config, family, rope, more=_window(config, 4096 if "sliding_window" not in config else None))


def _window(config: Config, otherwise: int | None) -> dict[str, Any]:
    """The field of a window that all layers have; ``otherwise``: the window without a field."""
    given = config.get("sliding_window")
    window = otherwise if given is None else config.size("sliding_window")
    return {} if window is None else {"attention.sliding_window": window}


def _qwen(config: Config, family: Family) -> Described:
    """Qwen 2 and 3, whose layers may have windows, which the engine does not compute for them."""
    config.require("hidden_act", *_SILU)
    if family.arch == "qwen3":
        config.require("attention_bias", False)
    uses, layers = config.flag("use_sliding_window", False), config.layers("num_hidden_layers")
    window, most, kinds = config.get("sliding_window"), config.get("max_window_layers"), config.get("layer_types")
    n_ctx = config.size("max_position_embeddings")
    windows = kinds is not None and any(kind != "full_attention" for kind in kinds)
    if kinds is None and uses:
        windows = not isinstance(most, int) or most < layers
    if windows and not (isinstance(window, int) and window >= n_ctx):
        raise config.refuse("sliding_window", f"layers of a {family.arch} with a window are not supported")
    return _rms(config, family, _whole_heads(config, family, _rotary(config, family, parameters(config))))


def _gemma3(config: Config, family: Family) -> Described:
    config.require("hidden_activation", *_GELU)
    config.require("hidden_act", *_GELU)
    config.require("attention_bias", False)
    config.require("use_bidirectional_attention", False)
    for cap in ("attn_logit_softcapping", "final_logit_softcapping"):
        config.require(cap)
    local = parameters(config, "sliding_attention")
    if "rope_parameters" not in config or config.get("rope_parameters") is None:
        local = {}
    theta = config.number("rope_local_base_freq", 10000.0)
    local_rope = _rotary(config, family, local, theta=theta)
    if "rope.scaling.type" in local_rope.fields:
        raise KgptError("config.json: RoPE is scaled in layers with a window", "such models are not supported")
    rope = _whole_heads(config, family, _rotary(config, family, parameters(config, "full_attention"), theta=1e6))
    layers = config.layers("num_hidden_layers")
    _check_scale(config, layers)
    more = {
        "attention.sliding_window": config.size("sliding_window", 4096),
        "rope.freq_base_swa": local_rope.fields["rope.freq_base"],
    }
    pattern = _pattern(config, layers)
    if pattern != 6:
        more["attention.sliding_window_pattern"] = pattern
    return _rms(config, family, rope, more=more, tied=True)


def _gemma3_of_texts(config: Config) -> Described:
    """The language model in a Gemma 3 that also sees images: texts without images are computed by it alone."""
    inner, tied = config.get("text_config"), config.get("tie_word_embeddings")
    if not isinstance(inner, dict):
        raise KgptError("config.json: text_config is missing, which a gemma3 must have", "copy the file again")
    for key in ("vision_config", "mm_tokens_per_image", "boi_token_index", "eoi_token_index", "image_token_index"):
        config.get(key)
    config.refuse_rest()
    text = Config({**_GEMMA_DEFAULTS, "tie_word_embeddings": tied, **inner}, "config.json, text_config")
    text.require("model_type", "gemma3_text")
    found = _gemma3(text, _FAMILIES["gemma3_text"][0])
    text.refuse_rest()
    return replace(found, family=replace(found.family, others=_IMAGES))


_IMAGES = ("vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector.")
_GEMMA_DEFAULTS = {
    "vocab_size": 262208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131072,
}
"""What text_config leaves out: transformers' defaults."""


def _check_scale(config: Config, layers: int) -> None:
    """Check that attention is scaled as the engine does it: by the size of a head, or in Gemma 3 27B by the width."""
    usual = config.size("hidden_size") // config.size("num_attention_heads") if layers == 62 else _head(config)
    if config.number("query_pre_attn_scalar", 256.0) != usual:
        raise config.refuse("query_pre_attn_scalar", f"a gemma3 of this size has {usual}")


def _pattern(config: Config, layers: int) -> int:
    """Of so many layers the last one has no window; 0: all have one."""
    kinds, older = config.get("layer_types"), config.size("_sliding_window_pattern", 6)
    pattern = config.size("sliding_window_pattern", older)
    if kinds is None:
        return pattern
    candidates: list[int] = [pattern, *range(layers + 1)]
    for n in candidates:
        if kinds == ["full_attention" if n and i % n == n - 1 else "sliding_attention" for i in range(layers)]:
            return n
    raise config.refuse("layer_types", "only models are supported of which every Nth layer has no window")


def _phi(config: Config, family: Family) -> Described:
    config.require("hidden_act", *_GELU)
    config.require("qk_layernorm", False)
    rope = _rotary(config, family, parameters(config), partial=0.5)
    eps = config.number("layer_norm_eps", 1e-5)
    sizes = _sizes(config, rope.n, eps, heads_kv=config.size("num_attention_heads"))
    return _described(family, sizes, config.flag("tie_word_embeddings", False), rope, frozenset(), {})


def _phi3(config: Config, family: Family) -> Described:
    config.require("hidden_act", *_SILU)
    config.require("attention_bias", False)
    given = parameters(config)
    kind = given.get("rope_type", given.get("type", "default"))
    original = config.get("original_max_position_embeddings")
    if kind != "default":
        if kind not in ("su", "yarn", "longrope"):  # the older names of LongRoPE in files of Phi-3
            raise KgptError(f"config.json: RoPE is scaled by {kind!r}", "supported for phi3: default, longrope")
        given = {key: value for key, value in given.items() if key not in ("type", "rope_type")}
        given["rope_type"] = "longrope"
        if original is not None:
            given["original_max_position_embeddings"] = original
    rope = _rotary(config, family, given)
    heads = config.size("num_attention_heads")
    return _rms(config, family, rope, eps=1e-5, heads_kv=heads, more=_window(config, None))


def _gpt2(config: Config, family: Family) -> Described:
    is_exact = config.get("activation_function") == _EXACT_GELU
    config.require("activation_function", *_GELU, _EXACT_GELU)
    config.require("scale_attn_weights", True)
    config.require("scale_attn_by_inverse_layer_idx", False)
    n_embd, n_head, n_ctx = config.size("n_embd"), config.size("n_head"), config.size("n_positions", 1024)
    config.require("n_ctx", n_ctx)
    if n_embd % n_head:
        raise KgptError(f"config.json: n_embd ({n_embd}) is not a multiple of n_head ({n_head})", "copy the file again")
    sizes = LmSizes(
        n_vocab=config.size("vocab_size"),
        n_ctx=n_ctx,
        n_embd=n_embd,
        n_layer=config.layers("n_layer"),
        n_head=n_head,
        n_head_kv=n_head,
        n_ff=config.size("n_inner", 4 * n_embd),
        head_dim=n_embd // n_head,
        norm_eps=config.number("layer_norm_epsilon", 1e-5),
        rope_dim=0,
    )
    if is_exact:
        family = replace(family, arch="nanogpt")
    biases = frozenset(f"{name}.bias" for name in _GPT2_NAMES if not name.endswith("embd")) if is_exact else frozenset()
    return _described(family, sizes, config.flag("tie_word_embeddings", True), None, biases, {})


_FAMILIES = {
    "llama": (_LLAMA, _llama),
    "mistral": (_LLAMA, _mistral),
    "qwen2": (Family("qwen2", _NAMES), _qwen),
    "qwen3": (Family("qwen3", _NAMES), _qwen),
    "gemma3_text": (Family("gemma3", _GEMMA_NAMES, plus_one=True), _gemma3),
    "phi": (Family("phi2", _PHI_NAMES), _phi),
    "phi3": (Family("phi3", _PHI3_NAMES), _phi3),
    "gpt2": (Family("gpt2", _GPT2_NAMES, root="transformer.", layers="h", transposed=True), _gpt2),
}
