"""Imports a model that was split into several GGUF files: NAME-00001-of-00003.gguf, the first shard, stands for all.

The shards are joined in the cache, because a kernel, a boot module and an image hold one file, and its hash names it.
llama-gguf-split and the gguf library write such files: the first has the fields of the model, each has its number
(``split.no``, from 0), the count (``split.count``) and the number of all tensors (``split.tensors.count``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Checkpoint
from kgpt_build.models.gguf import scan as gguf_scan
from kgpt_build.models.gguf.fields import size_or
from kgpt_build.models.gguf.model import describe, mapped
from kgpt_build.models.gguf.scan import MAGIC, Scan
from kgpt_build.models.gguf.stored import stored_fields, stored_tensors
from kgpt_build.models.importing.options import ImportOptions
from kgpt_build.words import counted

FORMAT = "GGUF in shards"
_NAME = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.ASCII)
_NUMBER, _COUNT, _TENSORS = "split.no", "split.count", "split.tensors.count"
_TOGETHER = "keep all shards of one model in one folder, with the names that they were made with"


@dataclass(frozen=True)
class _Shard:
    """A file and its header; ``number`` counts from 1."""

    path: Path
    number: int
    header: Scan


def stem_of(path: PurePath) -> str:
    """The name of ``path`` without ".gguf"; of a shard the name of the model, without its number."""
    match = _NAME.fullmatch(path.name)
    return match[1] if match else path.stem


def shard_names(name: str) -> list[str]:
    """The names of all shards of a model, if ``name`` is that of one of them; otherwise ``name`` alone."""
    match = _NAME.fullmatch(name)
    if match is None or not 1 <= int(match[2]) <= int(match[3]):
        return [name]
    return [f"{match[1]}-{i + 1:05}-of-{match[3]}.gguf" for i in range(int(match[3]))]


def recognises(source: Path, beginning: bytes) -> bool:
    """Is ``source`` a shard by its name and its fields? Of a damaged one, reading it as a whole names the fault."""
    if source.is_dir() or not beginning.startswith(MAGIC) or not _NAME.fullmatch(source.name):
        return False
    with suppress(KgptError):
        return size_or(_header(source).fields, _COUNT, 1) > 1
    return False


def files(source: Path, options: ImportOptions) -> Sequence[Path]:
    """All shards. Raises KgptError if ``source`` is not the first one, or if one is missing."""
    paths = [source.with_name(name) for name in shard_names(source.name)]
    if source != paths[0]:
        number = paths.index(source) + 1
        raise KgptError(
            f"is shard {number} of the {len(paths)} that a model was split into", f"give the first: {paths[0]}"
        )
    for path in paths:
        if not path.is_file():
            raise KgptError(f"the shard {path.name} is missing", f"get it, too, and {_TOGETHER}")
    if options.tokenizer:
        raise KgptError("a GGUF file has its own tokenizer", "leave out --tokenizer")
    return paths


def read(source: Path, options: ImportOptions) -> Checkpoint:
    """The model in all shards, with the fields of the first. Raises KgptError, OSError."""
    paths = files(source, options)
    shards = [_Shard(path, i + 1, _scanned(path)) for i, path in enumerate(paths)]
    first = shards[0]
    for shard in shards:
        _check_shard(shard, first, len(shards))
    _check_tensors(shards)
    name = options.name or first.header.fields.get("general.name")
    described = describe(_whole(shards), stem_of(source))  # a model that kgpt refuses is not joined first
    return Checkpoint(
        described.arch,
        name if isinstance(name, str) and name else described.name,
        stored_fields(first.header),
        [tensor for shard in shards for tensor in stored_tensors(shard.path, shard.header)],
    )


def _header(path: Path) -> Scan:
    with mapped(path) as data:
        return gguf_scan.scan(data)


def _scanned(path: Path) -> Scan:
    try:
        return _header(path)
    except KgptError as error:
        raise KgptError(f"the shard {path.name} is damaged: {error.message}", error.hint) from error


def _check_shard(shard: _Shard, first: _Shard, count: int) -> None:
    """Raise KgptError for a shard that does not say what its name says, or that is of another model."""
    fields, name = shard.header.fields, shard.path.name
    claimed = size_or(fields, _COUNT, 1)
    if claimed != count:
        what = f"{_COUNT} is {claimed}" if _COUNT in fields else f"it has no {_COUNT}"
        raise KgptError(f"{name} is no shard of a model in {count}: {what}", _TOGETHER)
    number = size_or(fields, _NUMBER, 0) + 1
    if number != shard.number:
        raise KgptError(f"{name} is shard {number} by its {_NUMBER}, not {shard.number}", _TOGETHER)
    for key in (_TENSORS, "general.architecture", "general.name"):
        own, theirs = fields.get(key), first.header.fields.get(key)
        if own is not None and own != theirs:
            raise KgptError(
                f"{name} is of another model than {first.path.name}: {key} is {own!r}, not {theirs!r}", _TOGETHER
            )


def _check_tensors(shards: Sequence[_Shard]) -> None:
    """Raise KgptError if a tensor is in two shards, or if their number is not the one that the first shard names."""
    where: dict[str, _Shard] = {}
    for shard in shards:
        for tensor in shard.header.tensors:
            if tensor.name in where:
                names = f"{where[tensor.name].path.name} and {shard.path.name}"
                raise KgptError(f"the tensor {tensor.name!r} is in {names}: they are of different models", _TOGETHER)
            where[tensor.name] = shard
    expected = size_or(shards[0].header.fields, _TENSORS, len(where))
    if expected != len(where):
        raise KgptError(
            f"{counted(len(shards), 'shard')} have {counted(len(where), 'tensor')}, but {_TENSORS} is {expected}",
            _TOGETHER,
        )


def _whole(shards: Sequence[_Shard]) -> Scan:
    """The header of the joined file, as far as a check of the model needs it."""
    first = shards[0].header
    fields = {key: value for key, value in first.fields.items() if not key.startswith("split.")}
    return replace(first, fields=fields, tensors=tuple(t for shard in shards for t in shard.header.tensors))
