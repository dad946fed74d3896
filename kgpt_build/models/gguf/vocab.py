"""Reads and checks the tokenizer of a GGUF file: everything that the kernel relies on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.cases import check_cases
from kgpt_build.models.gguf.nfc import check_nfc
from kgpt_build.models.gguf.scan import Numbers, Value

MODELS = ("gpt2", "llama", "kgpt-char")
PRE_TOKENIZERS = frozenset(
    """
    default llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe
    chatglm-bpe glm4 glm5 jais-2 minicpm5 deepseek-llm deepseek-coder deepseek-v3 hunyuan-dense joyai-llm
    hy_v4 spark2_5 youtu falcon starcoder refact command-r smollm codeshell exaone minerva-7b mellum2 gpt-2
    phi-2 gigachat a.x-4.0 mellum exaone4 mpt olmo jais trillion granite-docling stablelm2 qwen2
    deepseek-r1-qwen kormo f2llmv2 megrez hunyuan solar-open grok-2 bailingmoe bailingmoe2 llada-moe qwen35
    ufakzeka seed-coder laguna gpt-4o llama4 kanana2 talkie minimax-m2 granite-embed-multi-97m tekken tiny_aya
    cohere2moe afmoe poro-chat bloom gpt3-finnish viking superbpe
    """.split()  # noqa: SIM905 - a list in quotes would take a page
)
"""Pre-tokenizers of gpt2; kg_vocab_pre in kernel_c/tokenizer/pretokenize_rules.c is the same list."""

ADD_BOS = frozenset(
    """
    llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano tekken
    """.split()  # noqa: SIM905
)
"""Pre-tokenizers of this list whose texts begin with BOS unless the file says otherwise."""

DETAILS = "tokenizer.kgpt."
"""What begins the fields that say how a tokenizer differs from llama.cpp's of its kind (docs/tokenizers.md)."""

_HINT = "the file is damaged, or was converted wrongly"
_PREFIX = "tokenizer.ggml."
_MAX_TOKENS = 1 << 20
_MAX_PIECE = 4096  # bytes; KG_PIECE_MAX
_N_TYPES = 7  # llama_token_type
_BYTE = 6
_SPM_DEFAULTS = {"unknown": 0, "bos": 1, "eos": 2}  # SentencePiece's own
_ROLES = ("bos", "eos", "eot", "eom", "unknown", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer: its kind ``model``, its pre-tokenizer ``pre`` ("" without), and all pieces by id.

    ``special`` maps bos, eos, eot, unknown… to the ids that the file gives them.
    """

    model: str
    pre: str
    tokens: tuple[str, ...]
    special: Mapping[str, int]

    def text(self, name: str) -> str | None:
        """The piece of a special token, such as "bos"."""
        return self.tokens[self.special[name]] if name in self.special else None


def read_vocabulary(fields: Mapping[str, Value]) -> Vocabulary:
    """The tokenizer in ``fields``. Raises KgptError that names the faulty field.

    The kernel checks in the same order (kernel_c/tokenizer/vocab.c).
    """
    model = fields.get(f"{_PREFIX}model")
    if not isinstance(model, str):
        raise KgptError(f"the field '{_PREFIX}model' is missing, or not a text", f"supported: {', '.join(MODELS)}")
    if model not in MODELS:
        raise KgptError(f"the tokenizer {model!r} is not supported", f"supported: {', '.join(MODELS)}")
    tokens = _tokens(fields)
    types = _types(fields, len(tokens))
    pre = ""
    if model == "gpt2":
        _check_merges(_texts(fields, "merges"), tokens)
        pre = _pre(fields)
        _details(fields, "ignore_merges", "drops_missing", "prefix_words", "long_s")
        check_nfc(fields)
        check_cases(fields)
    elif model == "llama":
        _check_scores(_numbers(fields, "scores", "f", len(tokens)))
        _flag(fields, "add_space_prefix")
        _details(fields, "prefix_once", "prefix_words", "by_merges", "splits_words")
        if fields.get(f"{DETAILS}by_merges", False):
            _check_merges(_texts(fields, "merges"), tokens)
    _check_bytes(tokens, types)
    special = dict(_special(fields, len(tokens)))
    _numbers(fields, "strips", "i", len(tokens), DETAILS)
    _check_additions(fields, model, pre, special, len(tokens))
    return Vocabulary(model, pre, tokens, special)


def check_same(vocabulary: Vocabulary, draft: Vocabulary) -> None:
    """Raise KgptError, with the first difference, unless a draft model has the same pieces by the same numbers.

    The kernel checks in the same order (kernel_c/tokenizer/vocab_same.c).
    """
    if draft.model != vocabulary.model:
        message = f"the draft model has the tokenizer {draft.model!r}, and the model {vocabulary.model!r}"
    elif len(draft.tokens) != len(vocabulary.tokens):
        message = f"the draft model has {len(draft.tokens)} tokens, and the model {len(vocabulary.tokens)}"
    elif draft.tokens != vocabulary.tokens:
        pairs = enumerate(zip(draft.tokens, vocabulary.tokens, strict=True))
        token, (theirs, ours) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
        message = f"token {token} is {theirs[:32]!r} of the draft model, and {ours[:32]!r} of the model"
    else:
        return
    raise KgptError(message, "a draft model needs the vocabulary of the model: take a smaller one of the same family")


def _tokens(fields: Mapping[str, Value]) -> tuple[str, ...]:
    tokens = _texts(fields, "tokens")
    if not 2 <= len(tokens) <= _MAX_TOKENS:
        raise KgptError(f"the field '{_PREFIX}tokens' has {len(tokens)} items", f"there can be 2 to {_MAX_TOKENS}")
    long = next((i for i, piece in enumerate(tokens) if len(piece) * 4 > _MAX_PIECE < len(piece.encode())), None)
    if long is not None:
        raise KgptError(f"item {long} of '{_PREFIX}tokens' has more than {_MAX_PIECE} bytes", _HINT)
    _check_distinct(tokens)
    return tokens


def _types(fields: Mapping[str, Value], n_tokens: int) -> npt.NDArray[Any] | None:
    types = _numbers(fields, "token_type", "i", n_tokens)
    if types is not None and not np.isin(types, range(_N_TYPES)).all():
        raise KgptError(f"the field '{_PREFIX}token_type' holds a type that is not from 0 to {_N_TYPES - 1}", _HINT)
    return types


def _check_bytes(tokens: tuple[str, ...], types: npt.NDArray[Any] | None) -> None:
    """Check that each byte token names its byte."""
    for i in [] if types is None else np.flatnonzero(types == _BYTE).tolist():
        if not re.fullmatch(r"<0x[0-9A-Fa-f]{2}>", tokens[i], re.ASCII):
            raise KgptError(f"the field '{_PREFIX}token_type' makes token {i}, {tokens[i]!r}, a byte", _HINT)


def _check_additions(
    fields: Mapping[str, Value], model: str, pre: str, special: Mapping[str, int], n_tokens: int
) -> None:
    """Check that the tokens at the beginning and end of texts exist."""
    defaults = _SPM_DEFAULTS if model == "llama" else {}
    has = {**{role: i for role, i in defaults.items() if i < n_tokens}, **special}
    adds_bos = _flag(fields, "add_bos_token", pre in ADD_BOS if model == "gpt2" else True)
    adds_eos = _flag(fields, "add_eos_token")
    for role, wanted in (("bos", adds_bos), ("eos", adds_eos)):
        if wanted and role not in has:
            what = "begin" if role == "bos" else "end"
            raise KgptError(
                f"the field '{_PREFIX}{role}_token_id' is missing, but texts are to {what} with that token", _HINT
            )


def _details(fields: Mapping[str, Value], *names: str) -> None:
    for name in names:
        if not isinstance(fields.get(DETAILS + name, False), bool):
            raise KgptError(f"the field '{DETAILS}{name}' is not a bool", _HINT)


def _flag(fields: Mapping[str, Value], name: str, otherwise: bool = False) -> bool:
    value = fields.get(_PREFIX + name, otherwise)
    if not isinstance(value, bool):
        raise KgptError(f"the field '{_PREFIX}{name}' is not a bool", _HINT)
    return value


def _texts(fields: Mapping[str, Value], name: str) -> tuple[str, ...]:
    value = fields.get(_PREFIX + name)
    if value is None:
        raise KgptError(f"the field '{_PREFIX}{name}' is missing", _HINT)
    if not isinstance(value, tuple):
        raise KgptError(f"the field '{_PREFIX}{name}' is not a list of texts", _HINT)
    return value


def _numbers(
    fields: Mapping[str, Value], name: str, code: str, count: int, prefix: str = _PREFIX
) -> npt.NDArray[Any] | None:
    """The list ``name`` as an array (count,) of the struct type ``code``; None without it."""
    value = fields.get(prefix + name)
    if value is None:
        return None
    if not isinstance(value, Numbers) or value.code != code:
        raise KgptError(f"the field '{prefix}{name}' is not a list of such numbers", _HINT)
    if len(value.array()) != count:
        raise KgptError(f"the field '{prefix}{name}' has {len(value.array())} items for {count} tokens", _HINT)
    return value.array()


def _check_scores(scores: npt.NDArray[Any] | None) -> None:
    if scores is None:
        raise KgptError(f"the field '{_PREFIX}scores' is missing", _HINT)
    if np.isnan(scores).any():
        raise KgptError(f"the field '{_PREFIX}scores' holds what is not a number", _HINT)


def _check_distinct(tokens: tuple[str, ...]) -> None:
    """Refuse a piece with two ids, of which only one could be found; an empty piece is never found."""
    seen: dict[str, int] = {}
    for i, piece in enumerate(tokens):
        if piece and seen.setdefault(piece, i) != i:
            raise KgptError(f"items {seen[piece]} and {i} of '{_PREFIX}tokens' are the same: {piece!r}", _HINT)


def _pre(fields: Mapping[str, Value]) -> str:
    pre = fields.get(f"{_PREFIX}pre", "default")
    if not isinstance(pre, str):
        raise KgptError(f"the field '{_PREFIX}pre' is not a text", _HINT)
    if pre not in PRE_TOKENIZERS:
        raise KgptError(f"the pre-tokenizer {pre!r} is not supported", "docs/tokenizers.md lists those that are")
    return pre


def _check_merges(merges: tuple[str, ...], tokens: tuple[str, ...]) -> None:
    """Check that each merge joins two pieces to a third, all of which have ids."""
    pieces = set(tokens)
    if len(set(merges)) < len(merges):
        raise KgptError(f"the field '{_PREFIX}merges' names a merge twice", _HINT)
    for i, merge in enumerate(merges):
        space = merge.find(" ", 1)  # a piece may begin with a space
        left, right = merge[: max(space, 0)], merge[space + 1 :]
        missing = next((piece for piece in (left, right, left + right) if piece not in pieces), None)
        if not left or not right or missing is not None:
            what = (
                f"the piece {missing!r} is not in the vocabulary" if left and right else "it does not name two pieces"
            )
            raise KgptError(f"item {i} of '{_PREFIX}merges', {merge!r}, cannot be done: {what}", _HINT)


def _special(fields: Mapping[str, Value], n_vocab: int) -> Iterator[tuple[str, int]]:
    for name in _ROLES:
        key = f"{_PREFIX}{name}_token_id"
        if key not in fields:
            continue
        value = fields[key]
        if isinstance(value, bool) or not isinstance(value, int):
            raise KgptError(f"the field {key!r} is {value!r}, not a whole number", _HINT)
        if not 0 <= value < n_vocab:
            raise KgptError(f"the field {key!r} is {value}, beyond the {n_vocab} tokens", _HINT)
        yield name, value
