"""The words of GRUB's menu: GRUB takes them from a catalog of translations (.mo, of GNU gettext).

So the menu has our name instead of GRUB's version, and hints that fit our entries, on every terminal.
"""

from __future__ import annotations

import struct

PLACE = "/boot/grub/locale/kgpt.mo"
WORDS = {
    "GNU GRUB  version %s": "kgpt - choose what to start",
    "Use the %C and %C keys to select which entry is highlighted.": "%C and %C choose an entry.",
    "Press enter to boot the selected OS, `e' to edit the commands before booting or `c' for a command-line.": (
        "Enter starts it. e: edit its words for this start. c: GRUB's command line."
    ),
    "Press enter to boot the selected OS, `e' to edit the commands before booting or `c' for a command-line. "
    "ESC to return previous menu.": "Enter starts it. e: edit its words for this start. Esc: back.",
    "The highlighted entry will be executed automatically in %ds.": (
        "It starts by itself in %d s. Any key stops the clock."
    ),
    "Minimum Emacs-like screen editing is supported. TAB lists completions. Press Ctrl-x or F10 to boot, Ctrl-c or F2 "
    "for a command-line or ESC to discard edits and return to the GRUB menu.": (
        "The words are those behind multiboot2. Ctrl-X or F10: start. Esc: back, nothing is changed."
    ),
}
"""GRUB's messages, of versions 2.04 to 2.12, and ours. GRUB shows its own for one that it words differently."""
_MAGIC, _HEADER = 0x950412DE, 28


def catalog() -> bytes:
    """The .mo file: a header, a table of lengths and offsets for each side, then the strings, sorted by message."""
    pairs = sorted((message.encode(), ours.encode()) for message, ours in WORDS.items())
    tables, strings = [b"", b""], b""
    start = _HEADER + 16 * len(pairs)
    for pair in pairs:
        for side, text in enumerate(pair):
            tables[side] += struct.pack("<2I", len(text), start + len(strings))
            strings += text + b"\0"
    second = _HEADER + 8 * len(pairs)
    return struct.pack("<7I", _MAGIC, 0, len(pairs), _HEADER, second, 0, start) + b"".join(tables) + strings
