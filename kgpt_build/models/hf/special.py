"""Special tokens: which begin and end a text, which end a reply. From a tokenizer.json and the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import FieldValue
from kgpt_build.models.hf.pieces import CONTROL, Pieces
from kgpt_build.models.hf.pre_tokenizers import flat

_G = "tokenizer.ggml."
_ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding", "sep": "seperator"}  # GGUF spells it so
_ENDS = ("eot", "eom")
"""GGUF's roles of further tokens that end a reply."""

_CONFIG_DECIDES = ("LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer", "GemmaTokenizerFast")
"""Classes for which add_bos_token and add_eos_token count, whatever the post-processor says."""

_KNOWN_ENDS = ("<|endoftext|>", "</s>", "<eos>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>")
_HINT = "docs/tokenizers.md lists what is supported"


def special_fields(
    root: Mapping[str, Any], pieces: Pieces, settings: Mapping[str, Any], ends: Mapping[str, Any]
) -> dict[str, FieldValue]:
    """The fields of special tokens; ``settings`` is tokenizer_config.json, ``ends`` has eos_token_id. Raises KgptError.

    The types of tokens that begin or end a text become CONTROL.
    """
    before, after = _added_around(root.get("post_processor"), pieces)
    roles = {role: _named(settings, f"{role}_token", pieces) for role in _ROLES}
    roles["bos"] = _one("bos", before, roles["bos"])
    ending = _ids(ends.get("eos_token_id"), pieces)
    roles["eos"] = _one("eos", after, roles["eos"])
    if roles["eos"] is None:
        known = (pieces.ids[text] for text in _KNOWN_ENDS if text in pieces.ids)
        roles["eos"] = ending[0] if ending else next(known, None)
    adds = _additions(before, after, settings)
    fields: dict[str, FieldValue] = {
        f"{_G}{_ROLES[role]}_token_id": number for role, number in roles.items() if number is not None
    }
    for number in (roles["bos"], roles["eos"], *ending):
        if number is not None:
            pieces.types[number] = CONTROL
    more = [number for number in ending if number != roles["eos"] and pieces.tokens[number] not in _KNOWN_ENDS]
    if len(more) > len(_ENDS):
        names = ", ".join(pieces.tokens[number] for number in more)
        raise KgptError(f"more tokens end a reply than a GGUF can say: {names}", "shorten eos_token_id")
    fields |= {f"{_G}{role}_token_id": number for role, number in zip(_ENDS, more, strict=False)}
    for role, wanted in zip(("bos", "eos"), adds, strict=True):
        if wanted and roles[role] is None:
            raise KgptError(f"texts are to have {role.upper()}, but no file says which token that is", _HINT)
        fields[f"{_G}add_{role}_token"] = wanted
    return fields


def _one(role: str, by_processor: int | None, by_settings: int | None) -> int | None:
    """The token that texts get, which tokenizer_config.json names, too."""
    return by_settings if by_processor is None else by_processor


def _named(settings: Mapping[str, Any], key: str, pieces: Pieces) -> int | None:
    """The id of a token in tokenizer_config.json: a text, or an object with its content."""
    value = settings.get(key)
    content = value.get("content") if isinstance(value, dict) else value
    if content is None:
        return None
    if not isinstance(content, str) or content not in pieces.ids:
        raise KgptError(
            f"tokenizer_config.json: {key} is {str(content)[:64]!r}, which is no token of tokenizer.json",
            "the files belong to different models",
        )
    return pieces.ids[content]


def _ids(value: Any, pieces: Pieces) -> list[int]:
    """The ids in eos_token_id: none, one, or several."""
    items = [] if value is None else value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < len(pieces.tokens):
            raise KgptError(
                f"eos_token_id is {str(item)[:32]}, but tokens are 0 to {len(pieces.tokens) - 1}",
                "correct generation_config.json or config.json",
            )
    return list(items)


def _additions(before: int | None, after: int | None, settings: Mapping[str, Any]) -> tuple[bool, bool]:
    """Do texts begin with BOS, and end with EOS?"""
    adds = [before is not None, after is not None]
    if settings.get("tokenizer_class") in _CONFIG_DECIDES:
        for i, key in enumerate(("add_bos_token", "add_eos_token")):
            if isinstance(settings.get(key), bool):
                adds[i] = settings[key]
    return adds[0], adds[1]


def _added_around(part: Any, pieces: Pieces) -> tuple[int | None, int | None]:
    """The tokens that the post-processor puts before and after a text. Raises KgptError for more than one each."""
    before: int | None = None
    after: int | None = None
    for item in flat(part, "processors"):
        kind = item.get("type")
        if kind == "ByteLevel":  # changes only offsets
            continue
        if kind != "TemplateProcessing":
            raise KgptError(f"tokenizer.json: the post-processor {str(kind)[:32]!r} is not supported", _HINT)
        steps = item.get("single")
        if not isinstance(steps, list) or not all(isinstance(step, dict) and len(step) == 1 for step in steps):
            raise KgptError("tokenizer.json: the template of the post-processor is not a list of tokens", _HINT)
        names = [next(iter(step.items())) for step in steps]
        middle = [i for i, (what, _) in enumerate(names) if what == "Sequence"]
        if len(middle) != 1 or middle[0] > 1 or len(names) - middle[0] > 2:
            raise KgptError("tokenizer.json: the post-processor adds more than a token before and one after", _HINT)
        ids = [_template_id(item, value, pieces) if what == "SpecialToken" else -1 for what, value in names]
        before = ids[0] if middle[0] == 1 else before
        after = ids[-1] if len(ids) - middle[0] == 2 else after
    return before, after


def _template_id(item: Mapping[str, Any], value: Any, pieces: Pieces) -> int:
    """The id of a token in a template."""
    name = value.get("id") if isinstance(value, dict) else None
    tokens = item.get("special_tokens")
    entry = tokens.get(name) if isinstance(tokens, dict) else None
    ids = entry.get("ids") if isinstance(entry, dict) else None
    if not isinstance(ids, list) or len(ids) != 1 or not isinstance(ids[0], int):
        raise KgptError(f"tokenizer.json: the post-processor's token {str(name)[:64]!r} is not one token", _HINT)
    if not 0 <= ids[0] < len(pieces.tokens):
        raise KgptError(f"tokenizer.json: the post-processor's token {str(name)[:64]!r} has the id {ids[0]}", _HINT)
    return int(ids[0])
