"""Boot modules: files that a loader or the hosted program puts into memory beside the kernel.

The kernel gets the words behind a file's name. It recognizes texts and a draft model by the word ``kind=``
(kernel_c/app/run/texts.h), and other models, corpora and states of trainings by their content.
"""

from __future__ import annotations

import json
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

PROMPT, SYSTEM, FILE, GRAMMAR = "prompt", "system", "file", "grammar"
KEY = "key"  # the API key of a server
DRAFT = "draft"  # a model that drafts tokens (docs/inference.md)
MAX_MODULES = 64  # KG_FILES_MAX
MAX_WORDS = 8191  # bytes of all names and words: KG_BOOT_NAMES_SIZE
MAX_TEXT = 64 << 20
"""Bytes of a text, far above any context; a longer file is not read to its end."""


@dataclass(frozen=True)
class BootModule:
    """A file, and the words that the kernel gets with it."""

    path: Path
    words: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The form for a loader: the path, followed by the words."""
        return " ".join((str(self.path), *self.words))

    @property
    def is_text(self) -> bool:
        """Is it a prompt, a grammar, a file for /read, or an API key?"""
        return any(f"kind={kind}" in self.words for kind in (PROMPT, SYSTEM, FILE, GRAMMAR, KEY))

    @property
    def is_grammar(self) -> bool:
        """Is it what replies stay within?"""
        return f"kind={GRAMMAR}" in self.words

    @property
    def is_draft(self) -> bool:
        """Is it a draft model?"""
        return f"kind={DRAFT}" in self.words

    @property
    def is_model(self) -> bool:
        """Is it a model to chat with?"""
        return not (self.is_text or self.is_draft) and self.path.suffix not in (".kgct", ".kgpf")


@dataclass(frozen=True)
class Text:
    """A text for a boot module: its kind, a name for the file, and its bytes."""

    kind: str
    name: str
    data: bytes
    path: Path | None = None
    """The file that the text was read from; None for a prompt."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words behind the file's name."""
        return (f"kind={self.kind}",)


def take_out(prompt: str | None, system: str | None) -> tuple[str | None, str | None, list[Text]]:
    """``prompt`` and ``system``; one that does not fit the command line becomes None, and one of the texts.

    Raises UsageError for data that is not text.
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
    """Read files for /read, and give them names that all loaders accept. Raises KgptError, UsageError."""
    texts: list[Text] = []
    for path in paths:
        data = read_text(path)
        name = safe_name(path.name)
        if any(text.name == name for text in texts):
            raise UsageError(f"two files are called {name}", "rename one of them: /read NAME could mean either")
        texts.append(Text(FILE, name, data, path))
    return texts


def read_grammar(grammar: Path | None, schema: Path | None) -> list[Text]:
    """Read the grammar in GBNF or the JSON schema that replies stay within. Raises KgptError, UsageError."""
    if grammar and schema:
        raise UsageError("--grammar and --json-schema both say what a reply may say", "give one of them")
    path = grammar or schema
    if path is None:
        return []
    data = read_text(path)
    if grammar and data.lstrip().startswith(b"{"):
        raise UsageError(f"{path} is no grammar: it begins with {{", "give a JSON schema with --json-schema")
    if schema:
        check_schema(data, path)
    return [Text(GRAMMAR, GRAMMAR, data, path)]


def check_schema(data: bytes, path: Path) -> None:
    """Raise UsageError unless ``data`` is a JSON object; the kernel says which keywords it does not have."""
    try:
        found = json.loads(data)
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", "give a JSON schema") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no JSON schema: it is not an object", "begin it with {")


def read_key(path: Path) -> Text:
    """The API key of a server: the first line of the file. Raises KgptError, UsageError."""
    key = read_text(path).split(b"\n")[0].strip()
    if not key or not key.isascii() or b" " in key:
        raise UsageError(f"{path} does not begin with an API key", "write one into its first line, without spaces")
    return Text(KEY, KEY, key)


def read_text(path: Path) -> bytes:
    """The text in ``path``. Raises KgptError, UsageError for what is no text."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "give the path of a text file") from error
    return checked_text(data, str(path))


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
    """Write the checked texts to temporary files for the time of the block; with ``keep`` the files stay.

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
            place = folder / text.kind / text.name  # a file for /read may have the name of a prompt
            with write_errors(str(place)):
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(text.data)
            modules.append(BootModule(place, text.words))
        yield tuple(modules)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def check_modules(modules: Sequence[BootModule]) -> None:
    """Raise UsageError for more modules than a kernel accepts."""
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
    """Does ``text`` contain characters that the command line has no escape for?"""
    return any(ord(char) < 32 and char not in "\n\t" for char in text)
