"""kgpt_font.h: the 8 × 16 font of the kernel's screen.

The font is Unscii (by Viznut, public domain) in the package terminedia. The file of this package fills gaps of Unscii
from other fonts, but all code points used here are in Unscii itself.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata

from kgpt_build.errors import KgptError
from kgpt_build.headers.text import filled, framed

NAME = "kgpt_font.h"
WIDTH, HEIGHT = 8, 16
RANGES = ((0x20, 0x7E), (0xA0, 0xFF), (0x2500, 0x259F), (0xFFFD, 0xFFFD))
"""ASCII, Latin-1, box drawing, block elements, and the replacement character."""
REPLACEMENT = 0xFFFD
ALIKE = dict(
    zip(
        (ord(char) for char in "\u2002\u2003\u2009\u202f‐‑‒–—―‘’‚‛“”„•…′″‹›←→−"),
        (ord(char) for char in "    ----──'','\"\"\"·.'\"<><>-"),
        strict=True,
    )
)
"""Code points that use the glyph of another one: punctuation that is frequent in texts but not on keyboards."""

_PACKAGE, _FILE = "terminedia", "terminedia/data/unscii-16-full.hex"
_SHA256 = "b99dc9c12f10dbca71219dbd1b88dc4659fdecf9c79246ade74436ed39c090f3"
"""SHA-256 of the glyphs of RANGES, which are in every kernel."""
_SQUARE = 0xFE
"""The byte in code page 437 for characters without a similar one."""


@cache
def glyphs() -> Mapping[int, bytes]:
    """Code point → HEIGHT bytes from the top down, the most significant bit leftmost, in ascending order.

    Raises KgptError if the font is missing, or its glyphs are not the expected ones.
    """
    wanted = dict.fromkeys(code for first, last in RANGES for code in range(first, last + 1))
    found: dict[int, bytes] = {}
    for line in _lines():
        number, _, rows = line.partition(":")
        try:
            code = int(number, 16)
            if rows and code in wanted:
                found[code] = bytes.fromhex(rows)
        except ValueError:
            continue  # not a glyph; the check below finds missing glyphs
    if any(len(found.get(code, b"")) != HEIGHT for code in wanted):
        raise KgptError(f"the font in {_FILE} lacks glyphs", f"install {_PACKAGE} again")
    glyphs = {code: found[code] for code in wanted}
    if hashlib.sha256(b"".join(glyphs.values())).hexdigest() != _SHA256:
        raise KgptError(
            f"the font in the package {_PACKAGE} is not the one that kernels are made with",
            "pip install terminedia==0.4.2",
        )
    return glyphs


def _lines() -> Iterator[str]:
    try:
        path = metadata.distribution(_PACKAGE).locate_file(_FILE)
        with open(str(path), encoding="latin-1") as file:  # noqa: PTH123 - locate_file gives no Path
            yield from file
    except (metadata.PackageNotFoundError, OSError) as error:
        raise KgptError(
            f"the screen's font, in the package {_PACKAGE}, cannot be read", "install kgpt again"
        ) from error


def code_page_437(code: int) -> int:
    """The byte that VGA's text mode shows for ``code``: itself, its letter without the accent, or a square."""
    for text in (chr(code), unicodedata.normalize("NFKD", chr(code))[0]):
        if encoded := text.encode("cp437", "ignore"):
            return encoded[0]
    return _SQUARE


@cache
def text(version: str) -> str:
    """The header: ranges of code points, the glyphs one after the other, and VGA's byte for each."""
    every = glyphs()
    spans = ", ".join(f"{{0x{first:04X}, 0x{last:04X}}}" for first, last in RANGES)
    body = [
        "#include <stdint.h>",
        "",
        f"static const uint16_t kg_font_ranges[{len(RANGES)}][2] = {{{spans}}};",
        "",
        f"static const uint8_t kg_font_glyphs[{len(every)}][{HEIGHT}] = {{",
        *(f"    {{{', '.join(f'0x{row:02X}' for row in rows)}}}, /* {code:04X} */" for code, rows in every.items()),
        "};",
        "",
        f"static const uint16_t kg_font_alike[{len(ALIKE)}][2] = {{",
        *filled([f"{{0x{code:04X}, 0x{like:04X}}}" for code, like in ALIKE.items()]),
        "};",
        "",
        f"static const uint8_t kg_font_vga_bytes[{len(every)}] = {{",
        *filled([f"0x{code_page_437(code):02X}" for code in every]),
        "};",
    ]
    return framed(NAME, version, "Unscii 16 by Viznut, in the public domain.", body)
