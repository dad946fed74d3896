"""Quotes text for grub.cfg, and computes the command line that GRUB hands to the kernel.

GRUB reads grub.cfg much like a shell script. It joins the words of a command into one line: it puts a backslash before
each of \\ ' " and double quotes around a word with a space, including its key: ``prompt=a b`` becomes ``"prompt=a b"``.
kernel_c/app/cmdline/words.c undoes this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgpt_build.errors import UsageError

_ESCAPED = re.compile(r"[\\'\"]")
_WORD = re.compile(r'[^ =]*="(?:[^"\\]|\\.)*"(?= |$)|[^ ]+')


def literal(text: str) -> str:
    """``text`` as one word of grub.cfg, in single quotes: within them only a single quote is special."""
    return "'" + text.replace("'", "'\\''") + "'"


def word(text: str) -> str:
    """``text`` as one word of grub.cfg, quoted only if needed."""
    return text if re.fullmatch(r"[\w./=,:+@-]+", text, re.ASCII) else literal(text)


def split_words(cmdline: str) -> list[str]:
    """Split a kernel's command line into words, quotes included. Raises UsageError for text that no kernel accepts."""
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
    """The command line that the kernel gets from GRUB for these words of a command."""
    return " ".join(_as_handed_on(text) for text in words)


def _as_handed_on(text: str) -> str:
    escaped = _ESCAPED.sub(r"\\\g<0>", text)
    return f'"{escaped}"' if " " in text else escaped
