"""``kgpt memory``: the file in which a kernel keeps conversations, also within the image of a stick."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import click

from kgpt_build.cli.shared.options import verbose_option
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.memory import (
    KIND_NUMBERS,
    KINDS,
    TEXTS,
    Record,
    Store,
    changes,
    empty_log,
    empty_store,
    log_text,
    read_conversation,
    read_store,
)
from kgpt_build.memory.store import BLOCK
from kgpt_build.paths import write_atomically
from kgpt_build.sizes import memory_text

_FILE = click.argument("file", type=click.Path(path_type=Path))
_CONVERSATION = KIND_NUMBERS["CONVERSATION"]
_FORGET = "forget it in a chat: /forget NAME"


@click.group("memory", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make and read the file in which a chat keeps conversations beyond the end of a run.

    \b
    kgpt memory make notes.kgm --size 64
    kgpt chat --memory-file notes.kgm        then /save NAME, /load NAME, /forget NAME
    kgpt memory ls notes.kgm
    kgpt memory log kgpt.img                 transcripts of log=on
    kgpt memory ls kgpt.img                  the memory of a stick: kgpt image usb --memory 256M
    """


@command.command("make")
@_FILE
@click.option(
    "--size", type=click.IntRange(1, 65536), default=64, show_default=True, metavar="MB", help="Its size in MiB."
)
@verbose_option
def _make(file: Path, size: int) -> None:
    """Make an empty memory FILE. An existing file is not replaced."""
    if file.exists():
        raise UsageError(f"{file} exists already", "choose another name, or remove it: what it keeps is then gone")
    write_atomically(file, empty_store(size << 20))


@command.command("ls")
@_FILE
@verbose_option
def _ls(file: Path) -> None:
    """List what FILE keeps: a memory, or the image of a stick or a stick that has one."""
    with _memory(file) as memory:
        store = memory.store
    for record in store.records:
        kind = KINDS.get(record.kind, "of another version")
        damage = "" if record.whole else "  damaged"
        kept = f"  {record.kept:%Y-%m-%d %H:%M} UTC" if record.kept else ""
        click.echo(f"{record.name:<24} {memory_text(len(record.data)):>9}  {kind}{kept}{damage}")
    click.echo(f"{memory_text(store.free)} of {memory_text(store.size)} are free")


@command.command("export")
@_FILE
@click.argument("name")
@click.option("--raw", is_flag=True, help="The record as it is, instead of JSON.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file. [default: standard output]")
@verbose_option
def _export(file: Path, name: str, raw: bool, output: Path | None) -> None:
    """Write the conversation NAME as JSON: tokens, system prompt, last reply, cache, model, and when it was kept."""
    with _memory(file) as memory:
        record = memory.find(name)
    if raw:
        data = record.data
    else:
        kept = record.kept.isoformat().replace("+00:00", "Z") if record.kept else None
        told = {**dataclasses.asdict(read_conversation(record.data)), "kept": kept}
        data = (json.dumps(told, ensure_ascii=False) + "\n").encode()
    if output is None:
        click.echo(data, nl=False)
    else:
        write_atomically(output, data)


@command.command("import")
@_FILE
@click.argument("name")
@click.argument("record", type=click.Path(path_type=Path))
@verbose_option
def _import(file: Path, name: str, record: Path) -> None:
    """Keep RECORD, a file of kgpt memory export --raw, as the conversation NAME of FILE, in place of an older one.

    It is written as the kernel writes: ended at any time, FILE keeps the old or the new.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,31}", name):
        raise UsageError(f"{name!r} is no name: it has 1 to 31 letters, digits, '-', '_' and '.'", "choose another one")
    try:
        data = record.read_bytes()
        read_conversation(data)
    except OSError as error:
        raise KgptError(f"{record}: cannot be read: {error.strerror or error}", "give another file") from None
    except KgptError as error:
        raise KgptError(f"{record}: {error.message}", "kgpt memory export --raw makes such a file") from None
    with _memory(file, "r+b") as memory:
        memory.put(Record(name, _CONVERSATION, data, whole=True, time=int(time.time())))


@command.command("log")
@_FILE
@click.option("--clear", is_flag=True, help="Empty it, instead of printing it.")
@verbose_option
def _log(file: Path, clear: bool) -> None:
    """Print the transcripts of log=on: FILE is the image of a stick, the stick, or its file kgpt/log.txt."""
    with _opened(file, "log", "r+b" if clear else "rb") as (opened, start, size):
        opened.seek(start)
        data = opened.read(size)
        text = log_text(data)
        if clear:
            # From the end: ended at any time, what is left is a beginning of the text.
            empty = empty_log(size)
            for at in reversed(range(0, len(data.rstrip(b"\n")), BLOCK)):
                opened.seek(start + at)
                opened.write(empty[at : at + BLOCK])
                opened.flush()
            os.fsync(opened.fileno())
        else:
            click.echo(text, nl=False)


class _Memory:
    """A memory within an open file, from the byte ``start``."""

    def __init__(self, path: Path, file: BinaryIO, start: int, size: int) -> None:
        self._path, self._file, self._start = path, file, start
        file.seek(start)
        self._area = file.read(size)
        self.store: Store = read_store(self._area)

    def find(self, name: str) -> Record:
        """The conversation ``name``. Raises KgptError."""
        for record in self.store.records:
            if (record.name, record.kind) == (name, _CONVERSATION):
                if not record.whole:
                    raise KgptError(f"{name} is damaged: its CRC does not match", _FORGET)
                return record
        raise KgptError(f"it keeps no conversation {name}", f"kgpt memory ls {self._path} lists them")

    def put(self, record: Record) -> None:
        """Keep a record. Raises KgptError, OSError."""
        if damaged := [other.name for other in self.store.records if not other.whole]:
            raise KgptError(f"{damaged[0]} is damaged: its CRC does not match", _FORGET)
        *data, switch = changes(self._area, record)
        for writes in (data, [switch]):  # the switch only when the record is durable
            for offset, part in writes:
                self._file.seek(self._start + offset)
                self._file.write(part)
            self._file.flush()
            os.fsync(self._file.fileno())


@contextmanager
def _memory(path: Path, mode: Literal["rb", "r+b"] = "rb") -> Iterator[_Memory]:
    """The memory in ``path``. Raises KgptError, which names the path."""
    with _opened(path, "", mode) as (file, start, size):
        yield _Memory(path, file, start, size)


@contextmanager
def _opened(path: Path, what: str, mode: Literal["rb", "r+b"]) -> Iterator[tuple[BinaryIO, int, int]]:
    """The file ``path``, and where the memory or the ``what`` lies in it. Raises KgptError, which names the path."""
    try:
        with path.open(mode) as file:
            yield (file, *_place(file, f"{what}_" if what else ""))
    except OSError as error:
        done = "read" if mode == "rb" else "changed"
        raise KgptError(f"{path}: cannot be {done}: {error.strerror or error}", "kgpt memory make makes one") from None
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from None


def _place(file: BinaryIO, what: str) -> tuple[int, int]:
    """Offset and size of the memory (or the log) in a file: the whole, or a file of the stick. Raises KgptError."""
    from kgpt_build.image.inspect import file_runs, has_partitions

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    magic, path = TEXTS[f"{what}magic"].encode(), TEXTS[f"{what}path"]
    if file.read(len(magic)) == magic or not has_partitions(file):
        return 0, size
    runs = file_runs(file, path)
    if not runs:
        raise KgptError(f"it has no {path}", "make it with one: kgpt image usb --memory 256M")
    if len(runs) > 1:
        raise KgptError(f"{path} lies in {len(runs)} pieces", "copy it off the stick, delete it, and copy it back")
    return runs[0]
