"""The tokenizer of a GGUF file, checked as far as the kernel relies on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf_scan import Numbers, Value

MODELS = ("gpt2", "llama", "kgpt-char")
PRE_TOKENIZERS = (
    "default",
    "gpt-2",
    "phi-2",
    "llama-bpe",
    "llama3",
    "llama-v3",
    "qwen2",
    "smollm",
    "tekken",
)
"""Of gpt2; the same list is kg_vocab_pre in kernel_c/tokenizer."""

_HINT = "the file is damaged, or was converted wrongly"
_PREFIX = "tokenizer.ggml."
_MAX_TOKENS = 1 << 20


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer: its kind ``model``, its pre-tokenizer ``pre`` ("" without), and all pieces by id.

    ``special`` maps bos, eos, eot, unknown… to their ids, as far as the file names them.
    """

    model: str
    pre: str
    tokens: tuple[str, ...]
    special: Mapping[str, int]

    def text(self, name: str) -> str | None:
        """The piece of a special token, such as "bos"."""
        return self.tokens[self.special[name]] if name in self.special else None


def read_vocabulary(fields: Mapping[str, Value]) -> Vocabulary:
    """The tokenizer that ``fields`` describe. Raises KgptError naming the field that is wrong."""
    model = fields.get(f"{_PREFIX}model")
    if not isinstance(model, str):
        raise KgptError(f"the field '{_PREFIX}model' is missing, or not a text", f"supported: {', '.join(MODELS)}")
    if model not in MODELS:
        raise KgptError(f"the tokenizer {model!r} is not supported", f"supported: {', '.join(MODELS)}")
    tokens = _texts(fields, "tokens")
    if not 2 <= len(tokens) <= _MAX_TOKENS:
        raise KgptError(f"the field '{_PREFIX}tokens' has {len(tokens)} items", f"there can be 2 to {_MAX_TOKENS}")
    _check_numbers(fields, "token_type", "iI", len(tokens), required=False)
    if model == "llama":
        _check_numbers(fields, "scores", "f", len(tokens), required=True)
    pre = _pre(fields) if model == "gpt2" else ""
    if model == "gpt2":
        _check_merges(_texts(fields, "merges"), tokens)
    return Vocabulary(model, pre, tokens, dict(_special(fields, len(tokens))))


def _texts(fields: Mapping[str, Value], name: str) -> tuple[str, ...]:
    value = fields.get(_PREFIX + name)
    if value is None:
        raise KgptError(f"the field '{_PREFIX}{name}' is missing", _HINT)
    if not isinstance(value, tuple):
        raise KgptError(f"the field '{_PREFIX}{name}' is not a list of texts", _HINT)
    return value


def _check_numbers(fields: Mapping[str, Value], name: str, codes: str, count: int, *, required: bool) -> None:
    value = fields.get(_PREFIX + name)
    if value is None and not required:
        return
    if not isinstance(value, Numbers) or value.code not in codes:
        what = "is missing" if value is None else "is not a list of such numbers"
        raise KgptError(f"the field '{_PREFIX}{name}' {what}", _HINT)
    if len(value.array()) != count:
        raise KgptError(f"the field '{_PREFIX}{name}' has {len(value.array())} items for {count} tokens", _HINT)


def _pre(fields: Mapping[str, Value]) -> str:
    pre = fields.get(f"{_PREFIX}pre", "default")
    if pre not in PRE_TOKENIZERS:
        raise KgptError(f"the pre-tokenizer {pre!r} is not supported", f"supported: {', '.join(PRE_TOKENIZERS)}")
    assert isinstance(pre, str)
    return pre


def _check_merges(merges: tuple[str, ...], tokens: tuple[str, ...]) -> None:
    """Each merge joins two pieces to a third, and all three have ids."""
    pieces = set(tokens)
    for i, merge in enumerate(merges):
        left, _, right = merge.partition(" ")
        missing = next((piece for piece in (left, right, left + right) if piece not in pieces), None)
        if not left or not right or missing is not None:
            what = (
                f"the piece {missing!r} is not in the vocabulary" if left and right else "it does not name two pieces"
            )
            raise KgptError(f"the merge {i}, {merge!r}, cannot be done: {what}", _HINT)


def _special(fields: Mapping[str, Value], n_vocab: int) -> Iterator[tuple[str, int]]:
    for name in ("bos", "eos", "eot", "eom", "unknown", "seperator", "padding"):
        key = f"{_PREFIX}{name}_token_id"
        if key not in fields:
            continue
        value = fields[key]
        if isinstance(value, bool) or not isinstance(value, int):
            raise KgptError(f"the field {key!r} is {value!r}, not a whole number", _HINT)
        if not 0 <= value < n_vocab:
            raise KgptError(f"the field {key!r} is {value}, beyond the {n_vocab} tokens", _HINT)
        yield name, value
