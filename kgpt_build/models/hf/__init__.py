"""Imports models of Hugging Face: a folder with config.json, tokenizer.json and safetensors files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kgpt_build.models.checkpoint import Checkpoint
from kgpt_build.models.hf.config import Config
from kgpt_build.models.hf.families import describe
from kgpt_build.models.hf.json_file import read_object
from kgpt_build.models.hf.shards import stored_tensors, weight_files
from kgpt_build.models.hf.tensors import gguf_tensors
from kgpt_build.models.hf.tokenizer import FILES, STRIPS, folder_fields, tokenizer_fields
from kgpt_build.models.importing.options import ImportOptions
from kgpt_build.models.model import clean_name

FORMAT = "Hugging Face"


def recognises(source: Path, beginning: bytes) -> bool:
    """Is ``source`` a folder with config.json or safetensors files, or such a file?"""
    if source.is_dir():
        return (source / "config.json").is_file() or any(source.glob("*.safetensors"))
    return beginning[4:9] == b"\0\0\0\0{"  # the length of a header below 4 GB, and its first character


def files(source: Path, options: ImportOptions) -> Sequence[Path]:
    """All files that decide the result. Raises KgptError."""
    folder = _folder(source)
    beside = [folder / name for name in ("config.json", *FILES)]
    given = options.tokenizer
    if given is not None:
        beside += [given] if given.is_file() else [given / name for name in FILES]
    return [path for path in beside if path.is_file()] + list(weight_files(folder))


def read(source: Path, options: ImportOptions) -> Checkpoint:
    """The model in ``source``, a folder, or a file in it. Raises KgptError that names what is wrong.

    The weights are read when they are used, one tensor at a time.
    """
    folder = _folder(source)
    described = describe(Config(read_object(folder / "config.json")))
    tensors = gguf_tensors(described, stored_tensors(folder))
    n_vocab = described.sizes.n_vocab
    if options.tokenizer is not None and not options.tokenizer.is_dir():
        vocabulary = tokenizer_fields(options.tokenizer, n_vocab)
    else:
        vocabulary = folder_fields(options.tokenizer or folder, n_vocab)
    arch = described.family.arch
    name = clean_name(options.name or folder.resolve().name)
    if "phi" in name.lower():  # the engine takes such a name for a sign that special tokens strip white space
        vocabulary.setdefault(STRIPS, [0] * n_vocab)
    fields = {f"{arch}.{key}": value for key, value in described.fields.items()}
    return Checkpoint(arch, name, {**fields, **vocabulary}, tensors)


def _folder(source: Path) -> Path:
    return source if source.is_dir() else source.parent
