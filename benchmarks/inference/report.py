"""What a run prints, also as a part of a document: the text between two comments of that name is replaced."""

from __future__ import annotations

import io
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from kgpt_build.errors import KgptError
from kgpt_build.paths import write_atomically

_COLUMNS = 108


class _Tee(io.TextIOBase):
    """Writes to a stream, and keeps what was written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.kept = io.StringIO()

    def write(self, text: str) -> int:
        self._stream.write(text)
        return self.kept.write(text)

    def flush(self) -> None:
        self._stream.flush()


def prose(text: str, bullet: str = "- ") -> str:
    """``text`` as an item of a list, or without a bullet, in lines that fit into a document."""
    indent = " " * len(bullet)
    return textwrap.fill(f"{bullet}{text}", _COLUMNS, subsequent_indent=indent, break_long_words=False)


@contextmanager
def kept_in(place: str | None) -> Iterator[None]:
    """Also put what is printed into ``place``, DOCUMENT:NAME; nothing is written if the run fails. Raises KgptError."""
    if place is None:
        yield
        return
    name = place.rpartition(":")[2]
    document = Path(place.removesuffix(f":{name}"))
    replaced(read(document), name, "")  # refuses before anything is measured
    tee, before = _Tee(sys.stdout), sys.stdout
    sys.stdout = tee
    try:
        yield
    finally:
        sys.stdout = before
    write_atomically(document, replaced(read(document), name, tee.kept.getvalue()).encode())


def read(document: Path) -> str:
    """The text of the document. Raises KgptError."""
    try:
        return document.read_text(encoding="utf-8")
    except OSError as error:
        raise KgptError(f"{document} cannot be read: {error.strerror}", "give --into DOCUMENT:NAME") from error


def replaced(text: str, name: str, inside: str) -> str:
    """``text`` with ``inside`` between <!-- NAME --> and <!-- /NAME -->. Raises KgptError if they are not there."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise KgptError(f"the document has no part {name}", f"write {begin.strip()} and {end.strip()} into it")
    return pattern.sub(lambda _: f"{begin}{inside.strip()}\n{end}", text)
