"""Removes the comments of C-like languages, and leaves strings and character literals as they are."""

from __future__ import annotations

import re

_C = (".c", ".h", ".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".inl", ".inc", ".m", ".mm", ".cu", ".cuh")
_OTHERS = (".java", ".dts", ".dtsi", ".y", ".l", ".glsl", ".cl", ".ld")
SUFFIXES = frozenset((*_C, *_OTHERS))
"""Files whose comments are C's. In other languages ``//`` is an operator, or a quote begins no literal."""

_TOKEN = re.compile(
    r"""
      (?P<raw> \b(?:u8|[uUL])?R"(?P<mark>[^()\\\s"]{0,16})\(.*?\)(?P=mark)" )  # a raw string of C++
    | (?P<number> (?<!\w)\d[\w.]*(?:'[\w.]+)+ )           # the separators of C++: 1'000'000
    | (?P<string> "(?:\\.|[^"\\\n])*" )
    | (?P<char> '(?:\\.|[^'\\\n])+' )
    | (?P<line> //(?:\\\n|[^\n])* )                      # a backslash continues it on the next line
    | (?P<block> /\*.*?(?:\*/|\Z) )
    """,
    re.VERBOSE | re.DOTALL,
)


def strip_comments(text: str) -> str:
    """``text`` without comments.

    A comment that fills its lines takes them with it. Between two words a comment becomes a space, as the standard
    has it. A comment that does not end reaches to the end of the text. An apostrophe that begins no literal, as in
    ``#error don't``, is left as it is.
    """
    out: list[str] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup not in ("line", "block"):
            continue
        begin, end = match.span()
        if begin < at:  # its line went with the comment before
            continue
        before = text[at:begin]
        out.append(before)
        at = _after_comment(text, out, begin, end)
    out.append(text[at:])
    return "".join(out)


def _after_comment(text: str, out: list[str], begin: int, end: int) -> int:
    """Where the text goes on behind the comment in [begin, end). ``out`` loses the indentation of a whole line."""
    line = text.rfind("\n", 0, begin) + 1
    rest = text.find("\n", end)
    rest = len(text) if rest < 0 else rest
    is_last = not text[end:rest].strip()
    if is_last and not text[line:begin].strip() and out[-1].endswith(text[line:begin]):
        out[-1] = out[-1][: len(out[-1]) - (begin - line)]
        return min(rest + 1, len(text))
    if is_last or text[begin - 1 : begin].isspace() or text[end : end + 1].isspace() or not begin:
        return end
    out.append(" ")
    return end
