"""Makes one text of many files, in a fixed order, and says what became of each file."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kgpt_build.corpora import comments
from kgpt_build.corpora.decode import Decoded, NotText, decode

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufeff]")
_ODD_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class File:
    """A file that was found: its name for people, and its bytes, or the reason why it is skipped."""

    name: str
    data: bytes = b""
    skipped: str = ""


@dataclass(frozen=True)
class Treatment:
    """What is done to the text of each file."""

    strip_comments: bool = False
    """Remove the comments of files whose suffix is that of a C-like language."""
    clean: bool = True
    """Remove white space at line ends, control characters but tab, and all but one of successive empty lines."""
    suffixes: frozenset[str] = frozenset()
    """Take only files with these suffixes, such as ``.c``; empty: all."""
    max_chars: int | None = None
    """The most characters of the whole text, which then ends with the last whole line that fits."""


@dataclass
class Collected:
    """A corpus and its statistics."""

    text: str = ""
    files: list[str] = field(default_factory=list)
    """The names of the files in the text, in its order."""
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Names of skipped files by reason."""
    encodings: Counter[str] = field(default_factory=Counter)
    """Files by encoding."""
    marks: int = 0
    """Files that began with a byte order mark."""
    line_ends: Counter[str] = field(default_factory=Counter)
    """Line ends that became LF, by their kind."""
    not_c: int = 0
    """Files that keep their comments, because they are in no C-like language."""
    cut_at: str = ""
    """The file in which ``max_chars`` ended the text, or ""."""

    @property
    def data(self) -> bytes:
        """The text in UTF-8."""
        return self.text.encode()

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of ``data``."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def n_lines(self) -> int:
        """Lines of the text."""
        return self.text.count("\n") + (not self.text.endswith("\n") and bool(self.text))

    @property
    def distinct(self) -> str:
        """The distinct characters, sorted: the vocabulary of a character model."""
        return "".join(sorted(set(self.text)))


def collect(found: Iterable[File], treatment: Treatment) -> Collected:
    """One text of the files of ``found``, in their order. An empty line separates two files."""
    result = Collected()
    pieces: list[str] = []
    size = 0
    for file in found:
        text = _text_of(file, treatment, result)
        if not text:
            continue
        piece = f"\n{text}" if pieces else text
        result.files.append(file.name)
        pieces.append(piece)
        size += len(piece)
        if treatment.max_chars is not None and size > treatment.max_chars:
            result.cut_at = file.name
            break
    result.text = "".join(pieces)
    if result.cut_at:
        result.text = _cut(result.text, treatment.max_chars or 0)
    return result


def _text_of(file: File, treatment: Treatment, result: Collected) -> str:
    """The treated text of a file, which ends with a line feed; "" if it is skipped, which ``result`` then says."""
    suffix = PurePosixPath(file.name).suffix
    if not file.skipped and treatment.suffixes and suffix.lower() not in treatment.suffixes:
        result.skipped["other suffix"].append(file.name)
        return ""
    if file.skipped:
        result.skipped[file.skipped].append(file.name)
        return ""
    try:
        decoded = decode(file.data)
    except NotText as reason:
        result.skipped[str(reason)].append(file.name)
        return ""
    text = treated(decoded.text, suffix, treatment)
    if not text.strip():
        result.skipped["empty" if not decoded.text.strip() else "empty without comments"].append(file.name)
        return ""
    _count(decoded, result)
    result.not_c += treatment.strip_comments and suffix.lower() not in comments.SUFFIXES
    return text if text.endswith("\n") else f"{text}\n"


def _count(decoded: Decoded, result: Collected) -> None:
    result.encodings[decoded.encoding] += 1
    result.marks += decoded.had_mark
    result.line_ends += decoded.line_ends


def treated(text: str, suffix: str, treatment: Treatment) -> str:
    """The text of one file after ``treatment``."""
    if treatment.strip_comments and suffix.lower() in comments.SUFFIXES:
        text = comments.strip_comments(text)
    if treatment.clean:
        text = _ODD_SPACE.sub("", _CONTROLS.sub("", text))
        text = _EMPTY_LINES.sub("\n\n", text).strip("\n")
    return text


def _cut(text: str, most: int) -> str:
    """The whole lines of ``text`` within ``most`` characters, or so many characters if the first line is longer."""
    end = text.rfind("\n", 0, most) + 1
    return text[: end or most]


def in_order(names: Iterable[str]) -> Sequence[str]:
    """Paths sorted part by part, so that the files of a folder stay together on every machine."""
    return sorted(names, key=lambda name: PurePosixPath(name).parts)
