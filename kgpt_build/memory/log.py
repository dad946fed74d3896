"""The transcripts of chats: a text file of a fixed size, behind whose text there are line feeds.

kernel_c/app/chat/lm_log.c appends to it.
"""

from __future__ import annotations

from kgpt_build.errors import KgptError
from kgpt_build.memory.shared import NUMBERS, TEXTS

_END = b"\n\n\n"
"""Behind the text; within it there are at most two line feeds in a row."""


def empty_log(size: int = NUMBERS["LOG"]) -> bytes:
    """The bytes of a log without text."""
    head = f"{TEXTS['log_magic']}{size} bytes. A kernel with log=on adds text below; the size of this file must stay."
    return head.encode().ljust(size, b"\n")


def log_text(data: bytes) -> str:
    """The text of a log. Raises KgptError if it is none."""
    text, end, _ = data.partition(_END)
    head, _, said = text.partition(b"\n")
    if not head.startswith(f"{TEXTS['log_magic']}{len(data)} ".encode()) or not end:
        raise KgptError("it is no log that kgpt has made, or its size was changed", "make the stick again")
    return said.strip(b"\n").decode(errors="replace") + ("\n" if said else "")
