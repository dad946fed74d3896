"""The characters of a model's tokens, from JSON or from nanoGPT's meta.pkl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.pytorch.unpickle import MOST_BYTES, unpickle

_FORMS = 'give a list of characters, {"chars": …}, {"itos": …} or {"stoi": …}'


def read_characters(path: Path) -> list[str]:
    """The text of each token by id, from a JSON file or a pickle. Raises KgptError, OSError."""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise KgptError(f"{path.name} has {size:,} bytes, more than the {MOST_BYTES:,} that are read", _FORMS)
    data = path.read_bytes()
    value = _json(data, path.name) if data.lstrip()[:1] in (b"[", b"{", b'"') else unpickle(data, path.name)
    return characters_of(value, path.name)


def is_tokenizer_json(path: Path) -> bool:
    """Is it a tokenizer.json of Hugging Face's tokenizers library?"""
    with path.open("rb") as file:
        beginning = file.read(MOST_BYTES)
    return beginning.lstrip()[:1] == b"{" and b'"model"' in beginning and b'"vocab"' in beginning


def characters_of(value: Any, what: str) -> list[str]:
    """The characters in a list, a text, or a dict of chars, itos (id to text) or stoi (text to id).

    ``what`` names the value. Raises KgptError if the ids are not 0, 1, 2…, or if itos and stoi differ.
    """
    if isinstance(value, dict):
        found = [_by_id(value[key], what, key) for key in ("chars", "itos", "stoi") if key in value]
        if not found:
            raise KgptError(f"{what} holds no characters: there is neither chars, itos nor stoi", _FORMS)
        if any(other != found[0] for other in found):
            raise KgptError(f"{what} numbers its characters in two ways: chars, itos and stoi differ", _FORMS)
        return found[0]
    return _by_id(value, what, "the vocabulary")


def _by_id(value: Any, what: str, key: str) -> list[str]:
    if isinstance(value, dict):
        pairs = value.items() if key == "itos" else ((number, text) for text, number in value.items())
        numbered = {_number(number, what, key): text for number, text in pairs}
        if sorted(numbered) != list(range(len(value))):
            raise KgptError(f"{what}: the ids of {key} are not 0 to {len(value) - 1}, each once", _FORMS)
        value = [numbered[i] for i in range(len(numbered))]
    if not isinstance(value, str | list | tuple) or not all(isinstance(char, str) for char in value):
        raise KgptError(f"{what}: {key} is no list of characters", _FORMS)
    return list(value)


def _number(value: Any, what: str, key: str) -> int:
    """An id; JSON has the keys of itos as texts."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    raise KgptError(f"{what}: {key} has {value!r:.32} where an id belongs", _FORMS)


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise KgptError(f"{name} is not JSON: {str(error) or 'nested too deep'}", _FORMS) from None
