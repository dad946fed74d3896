"""Which letters are capital and which small, as an array of a GGUF file; kernel_c/tokenizer/cases.c reads it."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping
from functools import cache
from itertools import groupby

import numpy as np

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import Numbers, Value

KEY = "tokenizer.kgpt.cases"
_KINDS = {"Lu": 1, "Lt": 1, "Ll": 2}
_ROW = 3
_HINT = "import the model anew"


@cache
def cases() -> list[int]:
    """Rows of first, last, and 1 (only capital) or 2 (only small). Letters of no row, and marks, count as both."""
    found: list[int] = []
    codes = map(chr, range(sys.maxunicode + 1))
    for kind, chars in groupby(codes, lambda char: _KINDS.get(unicodedata.category(char), 0)):
        run = list(chars)
        found += [ord(run[0]), ord(run[-1]), kind] if kind else []
    return found


def check_cases(fields: Mapping[str, Value]) -> None:
    """Check the array, if the file has it. Raises KgptError that names the row."""
    value = fields.get(KEY)
    if value is None:
        return
    if not isinstance(value, Numbers) or value.code != "i":
        raise KgptError(f"the field {KEY!r} is not a list of such numbers", _HINT)
    items = value.array().astype(np.int64) % (1 << 32)  # as the kernel reads them
    if len(items) % _ROW:
        raise KgptError(f"the field {KEY!r} is not rows of {_ROW} numbers", _HINT)
    first, last, kind = items.reshape(-1, _ROW).T
    free = np.append(0, last[:-1] + 1)[: len(first)]
    sound = (first >= free) & (last >= first) & (last <= sys.maxunicode) & (kind >= 1) & (kind <= 2)
    if not sound.all():
        raise KgptError(f"row {int(np.flatnonzero(~sound)[0])} of the field {KEY!r} is not one of Unicode's", _HINT)
