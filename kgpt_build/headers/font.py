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
FULL_RANGES = (
    *((0x20, 0x7E), (0xA0, 0x17F), (0x218, 0x21B)),
    *((0x391, 0x3A1), (0x3A3, 0x3A9), (0x3B1, 0x3C9)),
    *((0x400, 0x401), (0x405, 0x408), (0x410, 0x451), (0x455, 0x458)),
    *((0x2010, 0x2019), (0x201C, 0x201D), (0x2020, 0x2022), (0x2024, 0x2026), (0x2030, 0x2031), (0x203C, 0x203C)),
    *((0x2070, 0x2070), (0x2074, 0x2079), (0x207F, 0x207F), (0x20AC, 0x20AC), (0x2122, 0x2122)),
    *((0x2190, 0x2192), (0x2194, 0x2194), (0x2196, 0x2199), (0x21A8, 0x21A8), (0x21E6, 0x21E9)),
    *((0x2212, 0x2212), (0x2218, 0x2218), (0x221A, 0x221A), (0x221E, 0x221F), (0x2229, 0x2229), (0x2248, 0x2248)),
    *((0x2261, 0x2261), (0x2264, 0x2265), (0x22C5, 0x22C5), (0x2500, 0x25FF)),
    *((0x2639, 0x263B), (0x2660, 0x2667), (0x2669, 0x266C), (0xFFFD, 0xFFFD)),
)
"""Glyphs of kernels for language models: of Latin Extended, Greek, Cyrillic, punctuation, arrows and mathematics those
that Unscii itself has, as its 8 by 8 version shows (unscii-8.hex)."""
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
_SHA256 = "67bf438a316b91fbadbe3b67975f84e1d69e0389a7f0cbc80fe0831b8cd96832"
"""SHA-256 of the glyphs of FULL_RANGES."""
_ACCENTED = "ΆΈΉΊΌΎΏΪΫάέήίόύώϊϋΐΰЀЁЍѐёѝЃѓЌќЎў"
"""Letters without a glyph of their own, if FULL_RANGES lacks them, which have the glyph of their base letter."""
_SQUARE = 0xFE
"""The byte in code page 437 for characters without a similar one."""


@cache
def glyphs(ranges: tuple[tuple[int, int], ...] = RANGES) -> Mapping[int, bytes]:
    """Code point → HEIGHT bytes from the top down, the most significant bit leftmost, in ascending order.

    Raises KgptError if the font is missing, or its glyphs are not the expected ones.
    """
    wanted = dict.fromkeys(_codes(FULL_RANGES))
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
    if hashlib.sha256(b"".join(found[code] for code in wanted)).hexdigest() != _SHA256:
        raise KgptError(
            f"the font in the package {_PACKAGE} is not the one that kernels are made with",
            "pip install terminedia==0.4.2",
        )
    return {code: found[code] for code in _codes(ranges)}


def _codes(ranges: tuple[tuple[int, int], ...]) -> Iterator[int]:
    return (code for first, last in ranges for code in range(first, last + 1))


def readable() -> Mapping[int, bytes]:
    """The glyphs of every kernel, those of RANGES first: a reader prefers them to characters that look the same."""
    return {**glyphs(), **glyphs(FULL_RANGES)}


def alike(ranges: tuple[tuple[int, int], ...] = RANGES) -> Mapping[int, int]:
    """Code points without a glyph in ``ranges`` → those whose glyph they use."""
    have = set(_codes(ranges))
    bases = {ord(char): ord(unicodedata.normalize("NFD", char)[0]) for char in _ACCENTED}
    every = {**ALIKE, **bases}
    return {code: like for code, like in every.items() if code not in have and like in have}


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
    body = [
        "#include <stdint.h>",
        "",
        "#ifdef KG_FONT_FULL",
        *_tables(FULL_RANGES),
        "#else",
        *_tables(RANGES),
        "#endif",
    ]
    return framed(NAME, version, "Unscii 16 by Viznut, in the public domain.", body)


def _tables(ranges: tuple[tuple[int, int], ...]) -> list[str]:
    every, like = glyphs(ranges), alike(ranges)
    return [
        f"static const uint16_t kg_font_ranges[{len(ranges)}][2] = {{",
        *filled([f"{{0x{first:04X}, 0x{last:04X}}}" for first, last in ranges]),
        "};",
        "",
        f"static const uint8_t kg_font_glyphs[{len(every)}][{HEIGHT}] = {{",
        *(f"    {{{', '.join(f'0x{row:02X}' for row in rows)}}}, /* {code:04X} */" for code, rows in every.items()),
        "};",
        "",
        f"static const uint16_t kg_font_alike[{len(like)}][2] = {{",
        *filled([f"{{0x{code:04X}, 0x{to:04X}}}" for code, to in like.items()]),
        "};",
        "",
        f"static const uint8_t kg_font_vga_bytes[{len(every)}] = {{",
        *filled([f"0x{code_page_437(code):02X}" for code in every]),
        "};",
    ]
