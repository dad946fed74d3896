"""kgpt_page.h: the chat page of the server (kernel_c/app/server/answers/page.html) as a string of C."""

from __future__ import annotations

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.headers.text import framed

NAME = "kgpt_page.h"
PLACE = "kernel_c/app/server/answers/page.html"


def text(version: str) -> str:
    """The header. Raises KgptError if the page cannot be read."""
    path = paths.source_root() / PLACE
    try:
        page = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "install kgpt again") from error
    lines = [f"    {literal(line)}" for line in page.splitlines(keepends=True)]
    return framed(
        NAME,
        version,
        "The chat page of the server.",
        ["static const char kg_page_text[] =", *lines[:-1], f"{lines[-1]};"],
    )


def literal(line: str) -> str:
    """``line`` as a string literal. Bytes that are not printable ASCII are octal escapes, of three digits each."""
    return '"' + "".join(_character(byte) for byte in line.encode()) + '"'


def _character(byte: int) -> str:
    if byte in b'"\\?':
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
