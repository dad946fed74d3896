"""kgpt_unicode.h: the class of every code point, as the pre-tokenizers of language models use them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

from kgpt_build.headers.text import filled, framed

NAME = "kgpt_unicode.h"
N_CODES = 0x110000
BLOCK = 128
"""Code points per block; equal blocks are stored once. Of all powers of two, this one needs the least memory."""

CLASSES = ("unassigned", "letter", "number", "mark", "punctuation", "symbol", "control", "space")
"""In the order of ``enum kg_class`` in kernel_c/tokenizer/unicode.h."""

_OF_CATEGORY = {"L": 1, "N": 2, "M": 3, "P": 4, "S": 5, "C": 6, "Z": 7}
_KINDS = {"L": "ultmo", "N": "dlo", "M": "nce", "P": "cdseifo", "S": "mcko", "C": "cfso", "Z": "slp"}
"""Second letters of the general categories."""
_SPACES = (*range(0x09, 0x0E), 0x85)
"""Control characters that are white space; all separators (category Z) are white space, too."""

VERSION = (15, 1)
ADDED = (
    (0x00CF3, 0x00CF3, "M"), (0x00ECE, 0x00ECE, "M"), (0x02FFC, 0x02FFF, "S"), (0x031EF, 0x031EF, "S"),
    (0x10EFD, 0x10EFF, "M"), (0x1123F, 0x11240, "L"), (0x11241, 0x11241, "M"), (0x11B00, 0x11B09, "P"),
    (0x11F00, 0x11F01, "M"), (0x11F02, 0x11F02, "L"), (0x11F03, 0x11F03, "M"), (0x11F04, 0x11F10, "L"),
    (0x11F12, 0x11F33, "L"), (0x11F34, 0x11F3A, "M"), (0x11F3E, 0x11F42, "M"), (0x11F43, 0x11F4F, "P"),
    (0x11F50, 0x11F59, "N"), (0x1342F, 0x1342F, "L"), (0x13439, 0x1343F, "C"), (0x13440, 0x13440, "M"),
    (0x13441, 0x13446, "L"), (0x13447, 0x13455, "M"), (0x1B132, 0x1B132, "L"), (0x1B155, 0x1B155, "L"),
    (0x1D2C0, 0x1D2D3, "N"), (0x1DF25, 0x1DF2A, "L"), (0x1E030, 0x1E06D, "L"), (0x1E08F, 0x1E08F, "M"),
    (0x1E4D0, 0x1E4EB, "L"), (0x1E4EC, 0x1E4EF, "M"), (0x1E4F0, 0x1E4F9, "N"), (0x1F6DC, 0x1F6DC, "S"),
    (0x1F774, 0x1F776, "S"), (0x1F77B, 0x1F77F, "S"), (0x1F7D9, 0x1F7D9, "S"), (0x1FA75, 0x1FA77, "S"),
    (0x1FA87, 0x1FA88, "S"), (0x1FAAD, 0x1FAAF, "S"), (0x1FABB, 0x1FABD, "S"), (0x1FABF, 0x1FABF, "S"),
    (0x1FACE, 0x1FACF, "S"), (0x1FADA, 0x1FADB, "S"), (0x1FAE8, 0x1FAE8, "S"), (0x1FAF7, 0x1FAF8, "S"),
    (0x2B739, 0x2B739, "L"), (0x2EBF0, 0x2EE5D, "L"), (0x31350, 0x323AF, "L"),
)  # fmt: skip
"""What Unicode 15.0 and 15.1 added to the 14.0 of Python 3.11: first, last, category. llama.cpp has the tables of 15.1.
So Pythons 3.11 to 3.13 all give the same header. A newer Python knows more characters, and gives another one."""


@cache
def classes() -> bytes:
    """The class of each of the N_CODES code points, as an index of CLASSES."""
    of_category = {first + second: _OF_CATEGORY[first] for first, kinds in _KINDS.items() for second in kinds}
    of_category["Cn"] = CLASSES.index("unassigned")
    # map(), because a Python loop would take half a second of every build.
    found = bytearray(map(of_category.__getitem__, map(unicodedata.category, map(chr, range(N_CODES)))))
    for code in _SPACES:
        found[code] = CLASSES.index("space")
    for first, last, category in ADDED:
        for code in range(first, last + 1):
            found[code] = found[code] or _OF_CATEGORY[category]
    return bytes(found)


@cache
def text(version: str) -> str:
    """The text of the header: an index of blocks for each BLOCK code points, and the blocks with two classes per byte;
    the lower half of a byte is the lower code point.
    """
    numbers: dict[bytes, int] = {}
    every = classes()
    index = [
        numbers.setdefault(every[start : start + BLOCK], len(numbers)) for start in range(0, N_CODES, BLOCK)
    ]  # a byte each: there are fewer than 256 different blocks
    body = [
        "#include <stdint.h>",
        "",
        f"#define KG_UNICODE_BLOCK {BLOCK}u",
        "",
        f"static const uint8_t kg_unicode_blocks[{len(index)}] = {{",
        *filled(_numbers(index)),
        "};",
        "",
        f"static const uint8_t kg_unicode_classes[{len(numbers)}][{BLOCK // 2}] = {{",
        *(line for block in numbers for line in _row(block)),
        "};",
    ]
    return framed(NAME, version, f"Unicode {VERSION[0]}.{VERSION[1]}; classes: {', '.join(CLASSES)}.", body)


def _row(block: bytes) -> list[str]:
    pairs = [low | high << 4 for low, high in zip(block[::2], block[1::2], strict=True)]
    return ["    {", *filled(_numbers(pairs), "        "), "    },"]


def _numbers(values: Iterable[int]) -> list[str]:
    return [str(value) for value in values]
