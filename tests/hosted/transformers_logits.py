"""transformers' logits, for a Python that has it: ``python transformers_logits.py OUT.npy < request.json``.

The request is {"model": path of a tiny GGUF, "tokens": [...]}: the model is built from its tensors, as Mistral for
llama, and as Phi-3, so that their sliding windows are computed by somebody else. OUT gets (T, n_vocab) float32.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader
from transformers import MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def logits(request: dict[str, Any]) -> Any:
    """Of every token."""
    reader = GGUFReader(request["model"])
    fields = {name.partition(".")[2]: field.contents() for name, field in reader.fields.items()}
    phi3 = fields["architecture"] == "phi3"
    config = (Phi3Config if phi3 else MistralConfig)(
        vocab_size=fields["vocab_size"],
        hidden_size=fields["embedding_length"],
        intermediate_size=fields["feed_forward_length"],
        num_hidden_layers=fields["block_count"],
        num_attention_heads=fields["attention.head_count"],
        num_key_value_heads=fields["attention.head_count_kv"],
        max_position_embeddings=fields["context_length"],
        rms_norm_eps=fields["attention.layer_norm_rms_epsilon"],
        sliding_window=fields["attention.sliding_window"],
        rope_theta=10000.0,
        tie_word_embeddings=False,
        pad_token_id=0,
        attn_implementation="eager",
    )
    model = (Phi3ForCausalLM if phi3 else MistralForCausalLM)(config)
    state = {_name(tensor.name, phi3): _values(tensor, config) for tensor in reader.tensors}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing, missing
    assert not unexpected, unexpected
    with torch.no_grad():
        return model(torch.tensor([request["tokens"]])).logits[0].numpy()


def _name(theirs: str, phi3: bool) -> str:
    name = theirs.removesuffix(".weight")
    if not name.startswith("blk."):
        return f"{NAMES[name]}.weight"
    _, layer, what = name.split(".")
    what = "mlp.gate_up_proj" if phi3 and what == "ffn_up" else NAMES[what]
    return f"model.layers.{layer}.{what}.weight"


def _values(tensor: Any, config: Any) -> Any:
    """In queries and keys, a llama file has side by side what transformers has half a head apart."""
    values = np.array(tensor.data, np.float32)
    name = tensor.name.split(".")[2] if tensor.name.startswith("blk.") else ""
    if name in ("attn_q", "attn_k"):
        heads = config.num_attention_heads if name == "attn_q" else config.num_key_value_heads
        values = values.reshape(heads, -1, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
    return torch.from_numpy(values)


if __name__ == "__main__":
    np.save(sys.argv[1], logits(json.load(sys.stdin)))
