"""Recognises how a tokenizer.json cuts a text before byte-level BPE, and finds GGUF's name for it.

A tokenizer.json holds regular expressions; the engine has rules (kernel_c/tokenizer/pretokenize_rules.c). Only those
expressions are known here whose rules gave the same tokens as the tokenizers library (docs/tokenizers.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kgpt_build.errors import KgptError

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_GPT2_SHORT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

EXPRESSIONS: Mapping[str, str] = {
    _GPT2: "gpt-2",
    _GPT2_SHORT: "gpt-2",
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}": "dbrx",
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}": "qwen2",
}
"""Regular expression -> GGUF's name of the rules."""

IGNORE_MERGES: Mapping[str, str] = {"dbrx": "llama-bpe"}
"""GGUF's name of the same rules where a word that is a piece is not built from merges."""

_HINT = "docs/tokenizers.md lists the pre-tokenizers that are supported"


def pre_tokenizer_name(part: Any, ignore_merges: bool) -> str:
    """GGUF's name for the pre_tokenizer ``part`` of a tokenizer.json with a byte-level BPE. Raises KgptError."""
    items = list(_flat(part))
    kinds = [str(item.get("type")) for item in items]
    if not kinds or kinds[-1] != "ByteLevel":
        raise KgptError(f"tokenizer.json: the pre-tokenizer is {' + '.join(kinds) or 'null'}, not ByteLevel", _HINT)
    _check_byte_level(items[-1])
    own = items[-1].get("use_regex", True)
    if kinds == ["ByteLevel"] and own:
        name = "gpt-2"
    elif kinds == ["Digits", "ByteLevel"] and own and items[0].get("individual_digits"):
        name = "smollm"
    elif kinds == ["Split", "ByteLevel"] and not own:
        name = _name_of_split(items[0])
    else:
        raise KgptError(
            f"tokenizer.json: the pre-tokenizer {' + '.join(kinds)} is not supported{_expressions(items)}", _HINT
        )
    if not ignore_merges:
        return name
    if name not in IGNORE_MERGES:
        raise KgptError(f"tokenizer.json: ignore_merges is not supported with the pre-tokenizer of {name}", _HINT)
    return IGNORE_MERGES[name]


def _flat(part: Any) -> Iterator[Mapping[str, Any]]:
    """The parts of a sequence, in their order."""
    if not isinstance(part, dict):
        return
    if part.get("type") == "Sequence":
        for item in part.get("pretokenizers", []):
            yield from _flat(item)
    else:
        yield part


def _check_byte_level(item: Mapping[str, Any]) -> None:
    if item.get("add_prefix_space"):
        raise KgptError("tokenizer.json: add_prefix_space of the pre-tokenizer is not supported", _HINT)


def _name_of_split(item: Mapping[str, Any]) -> str:
    pattern = item.get("pattern")
    expression = pattern.get("Regex") if isinstance(pattern, dict) else None
    behavior, invert = item.get("behavior"), item.get("invert", False)
    isolated = (behavior, invert) in (("Isolated", False), ("Isolated", True), ("Removed", True))
    if not isinstance(expression, str) or expression not in EXPRESSIONS or not isolated:
        shown = f"{expression if isinstance(expression, str) else pattern!r} ({behavior})"
        raise KgptError(f"tokenizer.json: the pre-tokenizer {shown} is not supported", _HINT)
    return EXPRESSIONS[expression]


def _expressions(items: list[Mapping[str, Any]]) -> str:
    found = [str(item["pattern"]) for item in items if "pattern" in item]
    return f": {'; '.join(found)[:400]}" if found else ""
