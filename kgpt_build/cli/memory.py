"""``kgpt memory``: the file in which a kernel keeps conversations."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import click

from kgpt_build.cli.shared.options import verbose_option
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.memory import KINDS, Record, Store, empty_store, filled_store, read_conversation, read_store
from kgpt_build.paths import write_atomically
from kgpt_build.sizes import memory_text

_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group("memory", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make and read the file in which a chat keeps conversations beyond the end of a run.

    \b
    kgpt memory make notes.kgm --size 64
    kgpt chat --memory-file notes.kgm        then /save NAME, /load NAME, /forget NAME
    kgpt memory ls notes.kgm
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
    """List what FILE keeps."""
    store = _read(file)
    for record in store.records:
        kind = KINDS.get(record.kind, "of another version")
        damage = "" if record.whole else "  damaged"
        click.echo(f"{record.name:<24} {memory_text(len(record.data)):>9}  {kind}{damage}")
    click.echo(f"{memory_text(store.free)} of {memory_text(store.size)} are free")


@command.command("export")
@_FILE
@click.argument("name")
@click.option("--raw", is_flag=True, help="The record as it is, instead of JSON.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file. [default: standard output]")
@verbose_option
def _export(file: Path, name: str, raw: bool, output: Path | None) -> None:
    """Write the conversation NAME as JSON: tokens, system prompt, last reply, cache and model."""
    record = _find(file, _read(file), name)
    if raw:
        data = record.data
    else:
        data = (json.dumps(dataclasses.asdict(read_conversation(record.data)), ensure_ascii=False) + "\n").encode()
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
    """Keep RECORD, a file of kgpt memory export --raw, as the conversation NAME of FILE, in place of an older one."""
    store = _read(file)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,31}", name):
        raise UsageError(f"{name!r} is no name: it has 1 to 31 letters, digits, '-', '_' and '.'", "choose another one")
    try:
        data = record.read_bytes()
        read_conversation(data)
    except OSError as error:
        raise KgptError(f"{record}: cannot be read: {error.strerror or error}", "give another file") from None
    except KgptError as error:
        raise KgptError(f"{record}: {error.message}", "kgpt memory export --raw makes such a file") from None
    if damaged := [other.name for other in store.records if not other.whole]:
        raise KgptError(f"{file}: {damaged[0]} is damaged: its CRC does not match", "/forget it in the chat")
    others = [other for other in store.records if other.name != name]
    write_atomically(file, filled_store(store.size, [*others, Record(name, 1, data, whole=True)]))


def _read(file: Path) -> Store:
    try:
        return read_store(file.read_bytes())
    except OSError as error:
        raise KgptError(f"{file}: cannot be read: {error.strerror or error}", "kgpt memory make makes one") from None
    except KgptError as error:
        raise KgptError(f"{file}: {error.message}", error.hint) from None


def _find(file: Path, store: Store, name: str) -> Record:
    for record in store.records:
        if record.name == name:
            if not record.whole:
                raise KgptError(f"{file}: {name} is damaged: its CRC does not match", "/forget it in the chat")
            return record
    raise KgptError(f"{file} keeps no conversation {name}", f"kgpt memory ls {file} lists them")
