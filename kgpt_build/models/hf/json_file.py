"""Reads JSON files that strangers wrote: bounded in size and depth, with the file's name in every message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.words import shown

MOST_BYTES = 256 << 20
"""The largest tokenizer.json known (Gemma 3) has 33 MB."""

_HINT = "the file is damaged or incomplete: copy it again"


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``. Raises KgptError that names the file."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise KgptError(f"{path.name} has {size:,} bytes, more than {MOST_BYTES:,}", "give a file of that kind")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise KgptError(f"there is no {path.name} in {path.parent}", "copy all files of the model") from None
    except OSError as error:
        raise KgptError(f"{path.name} cannot be read: {error.strerror or error}", "check its permissions") from None
    return parsed_object(raw, path.name)


def parsed_object(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object in ``raw``; ``what`` names it in messages. Raises KgptError."""
    try:
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_distinct)
        if b"\\ud" in raw or b"\\uD" in raw:  # it may be half of a pair, which no text can hold
            json.dumps(value, ensure_ascii=False).encode()
    except _Twice as error:
        raise KgptError(f"{what} names the field {shown(str(error))} twice in one object", _HINT) from None
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise KgptError(f"{what} is not JSON: {str(error) or 'nested too deep'}", _HINT) from None
    if not isinstance(value, dict):
        raise KgptError(f"{what} holds {type(value).__name__}, not an object", _HINT)
    return value


class _Twice(Exception):
    """A field that an object has twice."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key[:64])
            seen.add(key)
    return found
