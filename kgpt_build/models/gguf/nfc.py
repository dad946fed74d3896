"""Unicode's normal form C as arrays of a GGUF file: made from Python's unicodedata, and checked as the kernel does.

kernel_c/tokenizer/nfc.c reads them. Hangul syllables follow a formula and are not in them.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import Numbers, Value

PREFIX = "tokenizer.kgpt.nfc_"
WIDTHS: Mapping[str, int] = {"decompositions": 5, "compositions": 3, "classes": 2}
"""Array -> numbers of a row: a character with up to four that it consists of (0: no more); two characters and what they
make; a character and its combining class."""

GROWTH = 3
"""How much longer a text may become, in bytes of UTF-8 (KG_NFC_GROWTH)."""

_HINT = "import the model anew"
_HANGUL = range(0xAC00, 0xD7A4)


@cache
def nfc_fields() -> Mapping[str, list[int]]:
    """The fields of a tokenizer that brings texts into normal form C."""
    decompositions, compositions, classes = [], [], []
    for code in range(0xC0, sys.maxunicode + 1):
        char = chr(code)
        if order := unicodedata.combining(char):
            classes += [code, order]
        whole = unicodedata.normalize("NFD", char)
        if whole == char or code in _HANGUL:
            continue
        parts = [ord(part) for part in whole]
        decompositions += [code, *parts, *[0] * (4 - len(parts))]
        pair = unicodedata.decomposition(char).split()
        if len(pair) == 2 and unicodedata.normalize("NFC", char) == char:
            compositions.append((int(pair[0], 16), int(pair[1], 16), code))
    flat = [item for row in sorted(compositions) for item in row]
    return {f"{PREFIX}decompositions": decompositions, f"{PREFIX}compositions": flat, f"{PREFIX}classes": classes}


def check_nfc(fields: Mapping[str, Value]) -> None:
    """Check the arrays, if the file has them. Raises KgptError that names the field and the row."""
    if f"{PREFIX}decompositions" not in fields:
        return
    for name, width in WIDTHS.items():
        key = PREFIX + name
        value = fields.get(key)
        if not isinstance(value, Numbers) or value.code != "i":
            raise KgptError(f"the field {key!r} is missing, or not a list of such numbers", _HINT)
        items = value.array().astype(np.int64) % (1 << 32)  # as the kernel reads them
        if len(items) % width:
            raise KgptError(f"the field {key!r} is not rows of {width} numbers", _HINT)
        wrong = np.flatnonzero(~_sound(items.reshape(-1, width)))
        if len(wrong):
            raise KgptError(f"row {wrong[0]} of the field {key!r} is not one of Unicode's", _HINT)


def _sound(rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(rows,): is a row within its bounds, and behind the row before it?"""
    width = rows.shape[1]
    most = np.full(width, sys.maxunicode)
    least = np.ones(width)
    if width == WIDTHS["classes"]:
        most[1] = 254
    elif width == WIDTHS["decompositions"]:
        least[2:] = 0
    fits = ((rows >= least) & (rows <= most)).all(axis=1)
    if width == WIDTHS["decompositions"]:
        sizes = np.where(rows == 0, 0, 1 + (rows >= 0x80) + (rows >= 0x800) + (rows >= 0x10000))
        fits &= sizes[:, 1:].sum(axis=1) <= GROWTH * sizes[:, 0]
    key = rows[:, 0] << 32 | (rows[:, 1] if width == WIDTHS["compositions"] else 0)
    return np.asarray(fits & np.append(True, key[1:] > key[:-1])[: len(rows)])
