"""The tables that the kernel and the host share, read as text: the .def files below kernel_c/.

A row is a call of a macro, KG_NAME(arguments). What the rows mean stands at the top of each file. A file can take rows
of one kind from another file: it defines a macro of this kind as a row of its own, and includes the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from kgpt_build.errors import KgptError
from kgpt_build.paths import source_root

_ROW = re.compile(r"\bKG_([A-Z_]+)\(")
_INCLUDED = re.compile(r'^#define KG_([A-Z_]+)\(([^)]*)\) (KG_.*)\n#include "(kgpt/\w+\.def)"$', re.MULTILINE)
_SKIPPED = re.compile(r"/\*.*?\*/|^#.*?$", re.DOTALL | re.MULTILINE)
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[(),]|[^"(),]+')


class Row(NamedTuple):
    """KG_``kind``(``arguments``): texts without their quotes, everything else as it stands there."""

    kind: str
    arguments: tuple[str, ...]


@cache
def rows(name: str) -> tuple[Row, ...]:
    """The rows of kernel_c/``name``, in their order. Raises KgptError where the file cannot be read."""
    path = source_root() / "kernel_c" / name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KgptError(f"{path}: cannot be read: {error.strerror or error}", "install kgpt again") from None
    found: list[Row] = []
    end = 0
    for included in _INCLUDED.finditer(text):
        found += _rows(text[end : included.start()])
        found += _taken_rows(*included.groups())
        end = included.end()
    return (*found, *_rows(text[end:]))


def _taken_rows(kind: str, parameters: str, own: str, name: str) -> Iterator[Row]:
    """The rows of this kind in another file, as the row ``own`` with their arguments in place of ``parameters``."""
    (row,) = _rows(own)
    for other in rows(f"include/{name}"):
        if other.kind == kind:
            values = dict(zip(parameters.split(", "), other.arguments, strict=True))
            yield Row(row.kind, tuple(values.get(each, each) for each in row.arguments))


def _rows(text: str) -> Iterator[Row]:
    text = _SKIPPED.sub("", text)
    for found in _ROW.finditer(text):
        yield Row(found[1], tuple(_arguments(text[found.end() :])))


def _arguments(text: str) -> Iterator[str]:
    """The arguments of a call whose opening parenthesis was read."""
    depth, parts = 0, ""
    for part in _PART.findall(text):
        if depth == 0 and part in (",", ")"):
            yield _argument(parts)
            parts = ""
            if part == ")":
                return
            continue
        depth += {"(": 1, ")": -1}.get(part, 0)
        parts += part


def _argument(text: str) -> str:
    """Texts that stand side by side are one, as in C."""
    text = " ".join(text.split())
    return "".join(_TEXT.findall(text)) if text[:1] == '"' else text
