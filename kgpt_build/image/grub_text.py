"""Text for GRUB, and what becomes of it: grub.cfg is read much like a shell's script, then GRUB writes a command line.

Of the words of a command GRUB makes one line: it puts a backslash before each of \\ ' " and quotes around a word with a
space in it, key and all: ``prompt=a b`` becomes ``"prompt=a b"``. kernel_c/app/cmdline/words.c undoes that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgpt_build.errors import UsageError

_ESCAPED = re.compile(r"[\\'\"]")
_WORD = re.compile(r'[^ =]*="(?:[^"\\]|\\.)*"(?= |$)|[^ ]+')


def literal(text: str) -> str:
    """``text`` as one word of grub.cfg: within single quotes nothing but these means anything to GRUB."""
    return "'" + text.replace("'", "'\\''") + "'"


def word(text: str) -> str:
    """As literal, without quotes where none are needed."""
    return text if re.fullmatch(r"[\w./=,:+@-]+", text, re.ASCII) else literal(text)


def split_words(cmdline: str) -> list[str]:
    """The words of a kernel's command line, as they stand there. Raises UsageError for what no kernel would read."""
    if any(ord(char) < 32 or ord(char) == 127 for char in cmdline):
        raise UsageError("the kernel's command line holds a control character", r'write \n inside "…" instead')
    words = _WORD.findall(cmdline)
    for text in words:
        key, equals, value = text.partition("=")
        if equals and value.startswith('"') and not re.fullmatch(r'"(?:[^"\\]|\\.)*"', value):
            raise UsageError(
                f"the value of {key} is not quoted properly",
                f'write {key}="…" followed by a space; inside, \\" \\\\ \\n',
            )
    return words


def handed_on(words: Sequence[str]) -> str:
    """The command line that GRUB hands on to a kernel for these words of a command."""
    return " ".join(_as_handed_on(text) for text in words)


def _as_handed_on(text: str) -> str:
    escaped = _ESCAPED.sub(r"\\\g<0>", text)
    return f'"{escaped}"' if " " in text else escaped
