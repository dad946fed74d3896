"""``kgpt corpus``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.cli.shared.options import json_option, verbose_option
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.vm.terminal import visible
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.corpora.collect import Collected, File, Treatment

_LINUX = "linux"
_STANDARD_OUTPUT = Path("-")
_LINUX_SUFFIXES = ".c,.h"
_MOST_NAMED = 3


@click.command("corpus")
@click.argument("sources", metavar="linux|PATH...", nargs=-1, required=True)
@click.option(
    "-o", "--output", "out", type=click.Path(path_type=Path), default="corpus.txt", show_default=True, metavar="FILE",
    help="The text to write; -: standard output.",
)  # fmt: skip
@click.option(
    "--part", metavar="FOLDER", help="linux: a folder of the kernel source, or a pattern such as 'kernel/*.c'."
    " [default: kernel/module]",
)  # fmt: skip
@click.option(
    "--source", metavar="PACKAGE|FILE|FOLDER", help="linux: linux-source-VERSION or linux-source-VERSION=REVISION, a "
    ".deb, a .tar.xz, or an unpacked source. [default: one in /usr/src, or in the cache, or the newest that apt has]",
)  # fmt: skip
@click.option("--suffix", metavar="LIST", help="Take only files that end so, such as .c,.h. [default for linux: .c,.h]")
@click.option(
    "--strip-comments/--keep-comments", default=None, help="Remove the comments of C-like files, or keep them. "
    "[default: removed for linux, kept for PATH]",
)  # fmt: skip
@click.option("--raw", is_flag=True, help="Leave white space, empty lines and control characters as they are.")
@click.option(
    "--max-chars", type=click.IntRange(min=1), metavar="N", help="At most N characters: the whole lines that fit."
)
@click.option("--stats", "stats_only", is_flag=True, help="Print the statistics only, and write nothing.")
@json_option("Print the statistics as one JSON object.")
@verbose_option
def command(
    sources: Sequence[str],
    out: Path,
    part: str | None,
    source: str | None,
    suffix: str | None,
    strip_comments: bool | None,
    raw: bool,
    max_chars: int | None,
    stats_only: bool,
    as_json: bool,
) -> None:
    """Make a text to train on: of the kernel source that Debian ships, or of files and folders.

    \b
    kgpt corpus linux                         kernel/module: about 117,000 characters
    kgpt corpus linux --part kernel           all of kernel/
    kgpt corpus src/ --suffix .c,.h           a tree of your own
    kgpt corpus ./linux                       a folder of this name

    The text is UTF-8 with LF line ends, its files in a sorted order with an empty line between two; the same files
    give the same bytes. Binary files are skipped. UTF-16 and UTF-32 need a byte order mark; lines that are not UTF-8
    are read as Latin-1. kgpt says what it found.
    """
    from kgpt_build.corpora.collect import Treatment, collect

    is_linux = list(sources) == [_LINUX]
    if not is_linux and (part or source):
        raise UsageError(f"{'--part' if part else '--source'} is for kgpt corpus linux", "leave it out")
    treatment = Treatment(
        strip_comments=is_linux if strip_comments is None else strip_comments,
        clean=not raw,
        suffixes=_suffixes(suffix if suffix is not None else _LINUX_SUFFIXES if is_linux else ""),
        max_chars=max_chars,
    )
    name, files = _linux(part, source) if is_linux else (" ".join(sources), _paths(sources, treatment))
    made = collect(files, treatment)
    if not made.text:
        reasons = "; ".join(f"{counted(len(files), 'file')} {reason}" for reason, files in sorted(made.skipped.items()))
        why = f" ({reasons})" if reasons else ""
        raise KgptError(f"{name}: no text in it{why}", "name other files, or another --suffix")
    if not stats_only:
        _write(out, made)
    to_error = out == _STANDARD_OUTPUT and not stats_only
    if as_json:
        click.echo(json.dumps(_facts(name, made), indent=2, ensure_ascii=False), err=to_error)
    else:
        for line in _report(name, made):
            click.echo(line, err=to_error)
    if is_linux:
        from kgpt_build.corpora.linux import LICENSE

        click.echo(f"kgpt: {LICENSE}", err=True)


def _suffixes(text: str) -> frozenset[str]:
    """``".c,.h"`` or ``"c,h"`` -> suffixes in lower case."""
    names = [name.strip().lower().removeprefix("*") for name in text.split(",") if name.strip()]
    return frozenset(name if name.startswith(".") else f".{name}" for name in names)


def _linux(part: str | None, source: str | None) -> tuple[str, Sequence[File]]:
    from kgpt_build.cli.shared.progress import PlainAmounts
    from kgpt_build.corpora.linux import DEFAULT_PART, linux_source

    wanted = (part or DEFAULT_PART).rstrip("/")
    found = linux_source(wanted, source or "", PlainAmounts())
    return f"{found.name}, {wanted}", found.files


def _paths(sources: Sequence[str], treatment: Treatment) -> Iterator[File]:
    from kgpt_build.corpora.trees import files_of

    return files_of([Path(source) for source in sources], treatment.suffixes)


def _write(out: Path, made: Collected) -> None:
    from kgpt_build.paths import write_atomically

    if out == _STANDARD_OUTPUT:
        sys.stdout.buffer.write(made.data)
    else:
        write_atomically(out, made.data)
        click.echo(f"kgpt: wrote {out}", err=True)


def _report(name: str, made: Collected) -> Iterator[str]:
    """The statistics for a person."""
    distinct = made.distinct
    yield f"source      {name}"
    yield f"files       {counted(len(made.files), 'file')}{_skipped_in_brackets(made)}"
    size = f"{len(made.data):,} bytes, {counted(made.n_lines, 'line')}"
    yield f"text        {counted(len(made.text), 'character')}, {size}"
    yield f"vocabulary  {counted(len(distinct), 'distinct character')}{_not_ascii(distinct)}"
    for fact in _conversions(made):
        yield f"            {fact}"
    for reason, names in sorted(made.skipped.items()):
        more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
        yield f"skipped     {reason}: {', '.join(map(visible, names[:_MOST_NAMED]))}{more}"
    yield f"sha256      {made.sha256}"


def _skipped_in_brackets(made: Collected) -> str:
    n_skipped = sum(map(len, made.skipped.values()))
    return f" ({n_skipped:,} skipped)" if n_skipped else ""


def _not_ascii(distinct: str) -> str:
    others = [char for char in distinct if not char.isascii()]
    return f", {len(others):,} of them not ASCII" if others else ""


def _conversions(made: Collected) -> Iterator[str]:
    """What was done to files so that they make one text."""
    for encoding, n in sorted(made.encodings.items()):
        if encoding != "UTF-8":
            yield f"{counted(n, 'file')} in {encoding}: now UTF-8"
    if made.marks:
        yield f"{counted(made.marks, 'byte order mark')} left out"
    for end, n in sorted(made.line_ends.items()):
        yield f"{counted(n, f'{end} line end')}: now LF"
    if made.not_c:
        yield f"{counted(made.not_c, 'file')} in no C-like language: comments kept"
    if made.cut_at:
        yield f"ends within {made.cut_at} (--max-chars)"


def _facts(name: str, made: Collected) -> Mapping[str, Any]:
    """The statistics for programs."""
    return {
        "source": name,
        "files": made.files,
        "characters": len(made.text),
        "bytes": len(made.data),
        "lines": made.n_lines,
        "distinct": len(made.distinct),
        "vocabulary": made.distinct,
        "sha256": made.sha256,
        "encodings": dict(made.encodings),
        "byte_order_marks": made.marks,
        "line_ends": dict(made.line_ends),
        "comments_kept": made.not_c,
        "cut_at": made.cut_at,
        "skipped": dict(made.skipped),
    }
