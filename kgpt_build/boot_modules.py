"""Boot modules: files that a loader, or the hosted program, puts into memory beside the kernel; and texts among them.

A loader hands the words behind a file's name on to the kernel, which knows by ``kind=`` what a text is
(kernel_c/app/chat/texts.h), and models, corpora and saved trainings by their content.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.paths import write_errors
from kgpt_build.plain_names import safe_name, temporary_root
from kgpt_build.settings import MAX_TEXT as MAX_TEXT_WORDS
from kgpt_build.settings import options, quoted

PROMPT, SYSTEM, FILE = "prompt", "system", "file"
MAX_MODULES = 64  # KG_FILES_MAX
MAX_WORDS = 8191  # bytes of all names and words: KG_BOOT_NAMES_SIZE
MAX_TEXT = 64 << 20
"""Bytes: far above any context; what is longer still is not read at all."""


@dataclass(frozen=True)
class BootModule:
    """A file, and the words that the kernel gets with it."""

    path: Path
    words: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As a loader is told: the path, and behind it the words."""
        return " ".join((str(self.path), *self.words))

    @property
    def is_text(self) -> bool:
        """Is it a prompt, or a file for /read?"""
        return any(word.startswith("kind=") for word in self.words)


@dataclass(frozen=True)
class Text:
    """What is to come as a boot module: its kind, a name for a file, and its bytes."""

    kind: str
    name: str
    data: bytes
    path: Path | None = None
    """Where a file was read."""

    @property
    def words(self) -> tuple[str, ...]:
        """Those behind the file's name."""
        return (f"kind={self.kind}",)


def take_out(prompt: str | None, system: str | None) -> tuple[str | None, str | None, list[Text]]:
    """``prompt`` and ``system``, None for one that does not fit the command line, and is among the texts instead.

    Raises UsageError for what is no text.
    """
    texts: list[Text] = []
    room = MAX_TEXT_WORDS
    for value, kind, most in ((system, SYSTEM, options()["system"].most), (prompt, PROMPT, room)):
        if not value:
            continue
        what = "the prompt" if kind == PROMPT else "the system prompt"
        data = _encoded(what, value)
        words = len(quoted(value).encode())
        if words <= room and len(data) <= most and not _has_controls(value):
            room -= words
        else:
            texts.append(Text(kind, kind, checked_text(data, what)))
    brought = {text.kind for text in texts}
    return (None if PROMPT in brought else prompt), (None if SYSTEM in brought else system), texts


def read_files(paths: Sequence[Path]) -> list[Text]:
    """Files for /read, under names that no loader trips over. Raises KgptError, UsageError."""
    texts: list[Text] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_TEXT + 1)
        except OSError as error:
            raise KgptError(f"cannot read {path}: {error.strerror}", "give the path of a text file") from error
        name = safe_name(path.name)
        if any(text.name == name for text in texts):
            raise UsageError(f"two files are called {name}", "rename one of them: /read NAME could mean either")
        texts.append(Text(FILE, name, checked_text(data, str(path)), path))
    return texts


def checked_text(data: bytes, what: str) -> bytes:
    """``data``, if it is text that a language model can read. Raises UsageError that names ``what``."""
    if not data:
        raise UsageError(f"{what} is empty", "give a file with text in it")
    if len(data) > MAX_TEXT:
        raise UsageError(f"{what} has more than {MAX_TEXT >> 20} MiB", "no model's context holds as much: shorten it")
    if b"\0" in data:
        raise UsageError(f"{what} is not text: byte {data.index(0):,} is a NUL", "give a text, as UTF-8")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{what} is not UTF-8: byte {error.start:,} is 0x{data[error.start]:02x}", "convert it, such as with iconv"
        ) from None
    return data


@contextmanager
def staged(texts: Sequence[Text], *, keep: bool = False) -> Iterator[tuple[BootModule, ...]]:
    """The texts as files, the very bytes that were checked, as long as they are needed; with ``keep`` they stay.

    Raises KgptError.
    """
    if not texts:
        yield ()
        return
    with write_errors("a temporary file"):
        folder = Path(tempfile.mkdtemp(prefix="kgpt-", dir=temporary_root()))
    try:
        modules = []
        for text in texts:
            place = folder / text.kind / text.name  # a file for /read may be called like a prompt
            with write_errors(str(place)):
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(text.data)
            modules.append(BootModule(place, text.words))
        yield tuple(modules)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def check_modules(modules: Sequence[BootModule]) -> None:
    """Refuse more than a kernel takes. Raises UsageError."""
    if len(modules) > MAX_MODULES:
        raise UsageError(
            f"{len(modules)} boot modules are too many: models, their chat templates, prompts and files",
            f"at most {MAX_MODULES} are possible: give fewer",
        )
    size = sum(len(os.fsencode(module.line)) + 1 for module in modules)
    if size > MAX_WORDS:
        raise UsageError(
            f"the paths of the boot modules have {size:,} bytes", f"at most {MAX_WORDS:,} fit: give fewer, or move them"
        )


def _encoded(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not valid UTF-8", "check the terminal's encoding") from None


def _has_controls(text: str) -> bool:
    """Does it hold characters that the command line has no escape for?"""
    return any(ord(char) < 32 and char not in "\n\t" for char in text)
