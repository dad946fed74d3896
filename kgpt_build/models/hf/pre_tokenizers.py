"""Recognises how a tokenizer.json cuts a text before byte-level BPE, and finds GGUF's name for it.

A tokenizer.json holds regular expressions; the engine has rules (kernel_c/tokenizer/pretokenize_rules.c). Only those
expressions are known here whose rules gave the same tokens as the tokenizers library (docs/tokenizers.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.vocab import DETAILS

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_GPT2_SHORT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

_LEAD, _CAPITAL, _SMALL = r"[^\r\n\p{L}\p{N}]?", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TAIL_SLASH = _TAIL.replace(r"[\r\n]*", r"[\r\n/]*")


def _cased(contractions: str, numbers: str) -> str:
    words = (f"{_CAPITAL}*{_SMALL}+", f"{_CAPITAL}+{_SMALL}*")
    return "|".join([*(f"{_LEAD}{word}{contractions}" for word in words), numbers, _TAIL_SLASH])


EXPRESSIONS: Mapping[str, str] = {
    _GPT2: "gpt-2",
    _GPT2_SHORT: "gpt-2",
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}": "llama-bpe",
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}": "qwen2",
    _cased(f"{_CONTRACTIONS}?", r"\p{N}{1,3}"): "gpt-4o",
    _cased("", r"\p{N}"): "tekken",
}
"""Regular expression -> GGUF's name of the rules."""

CASED = ("gpt-4o", "tekken")
"""Names of rules that cut where the case of letters changes."""

ANY_CASE = ("llama-bpe", "qwen2", "gpt-4o")
"""Names of rules with contractions in any case."""

MARK = "▁"
"""What stands for a space in pieces of SentencePiece."""

_PREFIX = "tokenizer.ggml.add_space_prefix"
_HINT = "docs/tokenizers.md lists the pre-tokenizers that are supported"


def pre_tokenizer_name(part: Any) -> str:
    """GGUF's name for the pre_tokenizer ``part`` of a tokenizer.json with a byte-level BPE. Raises KgptError."""
    items = list(flat(part, "pretokenizers"))
    kinds = [kind_of(item) for item in items]
    if not kinds or kinds[-1] != "ByteLevel":
        raise KgptError(f"tokenizer.json: the pre-tokenizer is {' + '.join(kinds) or 'null'}, not ByteLevel", _HINT)
    if items[-1].get("add_prefix_space", True) and kinds != ["ByteLevel"]:
        raise KgptError("tokenizer.json: add_prefix_space is not supported after other pre-tokenizers", _HINT)
    own = items[-1].get("use_regex", True)
    if kinds == ["ByteLevel"] and own:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and own and items[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not own:
        return _name_of_split(items[0])
    raise KgptError(
        f"tokenizer.json: the pre-tokenizer {' + '.join(kinds)} is not supported{_expressions(items)}", _HINT
    )


def kind_of(item: Mapping[str, Any]) -> str:
    """The type of a part, short enough for a message."""
    return str(item.get("type"))[:32]


def flat(part: Any, inner: str) -> Iterator[Mapping[str, Any]]:
    """The parts of a pre-tokenizer, normalizer or post-processor in their order; ``inner`` names a Sequence's."""
    if not isinstance(part, dict):
        return
    if part.get("type") == "Sequence":
        items = part.get(inner)
        if not isinstance(items, list):
            raise KgptError(f"tokenizer.json: a Sequence has no list of {inner}", _HINT)
        for item in items:
            yield from flat(item, inner)
    else:
        yield part


def space_fields(normalizer: Any, pre_tokenizer: Any) -> dict[str, bool]:
    """GGUF's fields of how spaces become marks, for a BPE of characters. Raises KgptError."""
    first, then = list(flat(normalizer, "normalizers")), list(flat(pre_tokenizer, "pretokenizers"))
    kinds = [kind_of(item) for item in first], [kind_of(item) for item in then]
    replaces = bool(first) and first[-1].get("pattern") == {"String": " "} and first[-1].get("content") == MARK
    split_of_nothing = [{"type": "Split", "behavior": "MergedWithPrevious", "invert": False}]
    bare = [{key: value for key, value in item.items() if key != "pattern"} for item in then]
    if replaces and (not then or (bare == split_of_nothing and then[0].get("pattern") == {"String": " "})):
        if kinds[0] == ["Replace"]:
            return {_PREFIX: False}
        if kinds[0] == ["Prepend", "Replace"] and first[0].get("prepend") == MARK:
            return {_PREFIX: True}
    if not first and kinds[1] == ["Metaspace"] and then[0].get("replacement", MARK) == MARK:
        return _metaspace(then[0])
    both = f"the normalizer {' + '.join(kinds[0]) or 'null'} with the pre-tokenizer {' + '.join(kinds[1]) or 'null'}"
    raise KgptError(f"tokenizer.json: {both} is not supported for a BPE with byte_fallback", _HINT)


def _metaspace(item: Mapping[str, Any]) -> dict[str, bool]:
    """A space becomes a mark, with which words begin."""
    scheme = item.get("prepend_scheme", "always" if item.get("add_prefix_space", True) else "never")
    if scheme not in ("always", "first", "never"):
        raise KgptError(f"tokenizer.json: prepend_scheme {str(scheme)[:32]!r} is not supported", _HINT)
    return {
        _PREFIX: scheme != "never",
        f"{DETAILS}prefix_words": True,
        f"{DETAILS}prefix_once": scheme == "first",
        f"{DETAILS}splits_words": bool(item.get("split", True)),
    }


def adds_space(part: Any) -> bool:
    """Does the byte-level pre-tokenizer put a space before a text that begins with none?"""
    return bool(list(flat(part, "pretokenizers"))[-1].get("add_prefix_space", True))


def _name_of_split(item: Mapping[str, Any]) -> str:
    pattern = item.get("pattern")
    expression = pattern.get("Regex") if isinstance(pattern, dict) else None
    behavior, invert = item.get("behavior"), item.get("invert", False)
    isolated = (behavior, invert) in (("Isolated", False), ("Isolated", True), ("Removed", True))
    if not isinstance(expression, str) or expression not in EXPRESSIONS or not isolated:
        shown = f"{(expression if isinstance(expression, str) else repr(pattern))[:400]} ({str(behavior)[:32]})"
        raise KgptError(f"tokenizer.json: the pre-tokenizer {shown} is not supported", _HINT)
    return EXPRESSIONS[expression]


def _expressions(items: list[Mapping[str, Any]]) -> str:
    found = [str(item["pattern"]) for item in items if "pattern" in item]
    return f": {'; '.join(found)[:400]}" if found else ""
