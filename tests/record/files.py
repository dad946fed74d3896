"""Write the models of the recorded runs. The weights come from fixed seeds, so every machine writes the same file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lm_tiny
from lm_corners import CORNERS, random_tiny
from lm_tiny import TINY, Tiny
from real_model import smollm2_file
from runs import even_model
from shell_models import bpe_tokenizer, with_tokenizer
from vocab_files import SPM_VARIANTS, golden, probe_fields, spm_fields

from kgpt_build import models
from kgpt_build.models import save_gguf
from kgpt_build.reference.corpus import first_names

_PRINTABLE = (10, *range(32, 127))
_WORDS = ("user", "assistant", "the", " the", " and", "ing")
_LEAST = Tiny("llama", n_embd=4, n_layer=1, n_head=2, n_head_kv=1, n_ff=3, head_dim=4)
"""The smallest model, for entries that test tokens only."""
LONG = 512
"""The context for chats, in tokens."""


def _write(tiny: Tiny, tokenizer: Mapping[str, Any], n_ctx: int, path: Path) -> None:
    fields = {**tiny.fields, "context_length": n_ctx} if n_ctx != lm_tiny.N_CTX else tiny.fields
    lm_tiny.write(path, tiny, n_vocab=len(tokenizer["tokenizer.ggml.tokens"]), fields=fields)
    only = {key: value for key, value in tokenizer.items() if key.startswith("tokenizer.")}
    path.write_bytes(with_tokenizer(path.read_bytes(), only))


def _writes(path: Path, *, of: Path | Callable[[], Path]) -> None:
    shutil.copyfile(of if isinstance(of, Path) else of(), path)


def names_text() -> str:
    """The corpus that the default model was trained on."""
    return "".join(f"{name}\n" for name in first_names().documents)


TINY_MODELS: dict[str, Tiny] = {
    **TINY,
    **CORNERS,
    **{f"random-{seed}": random_tiny(seed) for seed in range(1000, 1020)},
}
_PRE = golden("vocab_pre")
PRE_TOKENIZERS = {name: position == 0 for group in _PRE["groups"] for position, name in enumerate(group["names"])}
"""By name: True for the first pre-tokenizer of each group that splits all golden texts alike."""
PRE_TEXT = "\n".join(text for text in _PRE["texts"] if isinstance(text, str)).replace("\0", "")
"""The golden texts in UTF-8. NUL bytes are removed, because a prompt is a C string."""
_PLAIN = bpe_tokenizer(_PRINTABLE, _WORDS)
_SPM = golden("vocab_spm")["pieces"]
SPM = tuple(name for name, fields in SPM_VARIANTS.items() if all(key.startswith("tokenizer.") for key in fields))
"""SentencePiece variants that differ in fields of the tokenizer, and not in the name of the model."""

FILES: dict[str, Callable[[Path], object]] = {
    "default": partial(_writes, of=models.DEFAULT_MODEL),
    "even": partial(save_gguf, even_model()),
    "bytes": partial(_write, _LEAST, bpe_tokenizer(range(256), ["the"]), 1 << 10),
    "smollm2": partial(_writes, of=smollm2_file),
    **{name: partial(_write, tiny, _PLAIN, lm_tiny.N_CTX) for name, tiny in TINY_MODELS.items()},
    **{f"{name}-long": partial(_write, TINY[name], _PLAIN, LONG) for name in ("llama", "gemma3", "phi3-Q4_K")},
    **{f"pre-{name}": partial(_write, _LEAST, probe_fields(_PRE["merges"], name), 1 << 14) for name in PRE_TOKENIZERS},
    **{f"spm-{name}": partial(_write, _LEAST, spm_fields(_SPM, name), 1 << 14) for name in SPM},
}
"""The function that writes each model to a path."""
