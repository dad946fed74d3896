"""A model's config.json. Every field is read, known to change nothing, or refused: none is ignored silently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.fields import Field, table

_HARMLESS = frozenset(
    """
    model_type architectures transformers_version torch_dtype dtype auto_map _name_or_path name_or_path
    tokenizer_class task_specific_params id2label label2id problem_type finetuning_task prefix
    use_cache cache_implementation gradient_checkpointing output_attentions output_hidden_states return_dict
    return_dict_in_generate output_scores torchscript use_bfloat16 tf_legacy_loss use_return_dict
    _attn_implementation attn_implementation _attn_implementation_autoset _flash_attn_2_enabled
    _commit_hash pretraining_tp reorder_and_upcast_attn initializer_range attention_dropout hidden_dropout
    resid_pdrop embd_pdrop attn_pdrop classifier_dropout summary_activation summary_first_dropout
    summary_proj_to_labels summary_type summary_use_proj bos_token_id eos_token_id pad_token_id sep_token_id
    decoder_start_token_id is_decoder tie_encoder_decoder remove_invalid_values exponential_decay_length_penalty
    begin_suppress_tokens suppress_tokens forced_bos_token_id forced_eos_token_id bad_words_ids
    max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k
    top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size
    num_return_sequences max_new_tokens transformers.js_config is_llama_config unsloth_fixed unsloth_version
    model_name vocab_size_padded _num_labels max_sequence_length neftune_noise_alpha
    """.split()  # noqa: SIM905 - a list in quotes would take a page
)
"""Fields about training, storage and generation, which change no logit."""

_USUAL: Mapping[str, Any] = {
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "cross_attention_hidden_size": None,
    "chunk_size_feed_forward": 0,
    "pruned_heads": {},
    "rope_interleaved": False,
    "use_mrope": False,
    "lm_head_bias": False,
    "mlp_bias": False,
    "full_attn_mod": 1,
    "interpolate_factor": 1,
}
"""Fields that no supported model sets to anything else."""

_FILE = "config.json"
_F32_MAX = 3.4028234663852886e38
_HINT = "kgpt does not compute such models: see docs/models.md"


class Config:
    """The fields of config.json, and which of them have been read."""

    def __init__(self, values: Mapping[str, Any], file: str = _FILE) -> None:
        self._values, self._file = values, file
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Any:
        """The value as JSON gives it; None without it, or for null."""
        self._read.add(key)
        return self._values.get(key)

    def size(self, key: str, otherwise: int | None = None) -> int:
        """A whole number above 0; without the field, ``otherwise``. Raises KgptError."""
        value = self.get(key)
        if value is None:
            return int(self._otherwise(key, otherwise))
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 1 << 32:
            raise self._wrong(key, value, "a whole number above 0")
        return value

    def layers(self, key: str) -> int:
        """The number of layers: a size that the kernel takes, since lists have so many items. Raises KgptError."""
        most = next(int(row.most) for row in table() if isinstance(row, Field) and row.name == "block_count")
        if (layers := self.size(key)) > most:
            raise self._wrong(key, layers, f"a number up to {most:,}")
        return layers

    def number(self, key: str, otherwise: float | None = None) -> float:
        """A number above 0 that F32 holds. Raises KgptError."""
        value = self.get(key)
        if value is None:
            return float(self._otherwise(key, otherwise))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _F32_MAX:
            raise self._wrong(key, value, "a number above 0")
        return float(value)

    def numbers(self, key: str, count: int) -> list[float]:
        """A list of ``count`` finite numbers above 0. Raises KgptError."""
        value = self.get(key)
        if not isinstance(value, list) or len(value) != count:
            raise self._wrong(key, value, f"a list of {count} numbers")
        return [Config({"": item}, f"{self._file}, {key}").number("") for item in value]

    def flag(self, key: str, otherwise: bool) -> bool:
        """True or false. Raises KgptError."""
        value = self.get(key)
        if value is None:
            return otherwise
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def text(self, key: str, otherwise: str | None = None) -> str:
        """A text. Raises KgptError."""
        value = self.get(key)
        if value is None:
            return str(self._otherwise(key, otherwise))
        if not isinstance(value, str):
            raise self._wrong(key, value, "a text")
        return value

    def require(self, key: str, *allowed: Any) -> None:
        """Raise KgptError if the field is there with a value that is not ``allowed``."""
        value = self.get(key)
        if value is not None and not any(value == item and type(value) is type(item) for item in allowed):
            shown = " or ".join(repr(item) for item in allowed)
            raise KgptError(f"{self._file}: {key} is {_shown(value)}; only {shown} is supported", _HINT)

    def refuse_rest(self) -> None:
        """Raise KgptError for fields that were not read and may change what the model computes."""
        found = self._values.get("quantization_config")
        if found is not None:
            method = found.get("quant_method", "?") if isinstance(found, dict) else "?"
            raise KgptError(
                f"{self._file}: the weights are quantised ({_shown(method)}), which is not supported",
                "give the model in F32, F16 or BF16, and quantise the GGUF",
            )
        for key, value in self._values.items():
            if key in _USUAL and key not in self._read:
                self.require(key, _USUAL[key])
            elif key not in self._read and key not in _HARMLESS and value is not None:
                raise KgptError(
                    f"{self._file}: the field {key[:64]!r} ({_shown(value)}) is unknown for this model_type",
                    "it may change what the model computes, so it is not ignored",
                )

    def refuse(self, key: str, why: str) -> KgptError:
        """The error that ``key`` has a value which is not supported."""
        return KgptError(f"{self._file}: {key} is {_shown(self._values.get(key))}: {why}", _HINT)

    def _otherwise(self, key: str, otherwise: Any) -> Any:
        if otherwise is None:
            raise KgptError(f"{self._file}: the field {key!r} is missing", "copy the file of the model again")
        return otherwise

    def _wrong(self, key: str, value: Any, what: str) -> KgptError:
        return KgptError(f"{self._file}: {key} is {_shown(value)}, not {what}", "copy the file of the model again")


def _shown(value: Any) -> str:
    return repr(value)[:80]
