"""Imports checkpoints of llama2.c: model.bin in its versions 0, 1 and 2, with the tokenizer.bin that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Checkpoint
from kgpt_build.models.importing.options import ImportOptions
from kgpt_build.models.llama2c.header import LEAST, looks_like, read_header
from kgpt_build.models.llama2c.tokenizer import read_tokenizer
from kgpt_build.models.llama2c.weights import tensors

FORMAT = "llama2.c"
_EPSILON, _ROPE_BASE = 1e-5, 10000.0  # constants of run.c


def recognises(source: Path, beginning: bytes) -> bool:
    """Is ``source`` a checkpoint, or a damaged one? ``beginning``: its first bytes, at least LEAST."""
    return not source.is_dir() and looks_like(beginning)


def files(source: Path, options: ImportOptions) -> Sequence[Path]:
    """The checkpoint and its tokenizer. Raises KgptError if there is none."""
    return (source, _tokenizer_of(source, options))


def read(source: Path, options: ImportOptions) -> Checkpoint:
    """The model in ``source``, as the architecture llama in F32. Raises KgptError, OSError."""
    with source.open("rb") as file:
        header = read_header(file.read(LEAST))
    weights = tensors(source, header)  # before the tokenizer: a damaged model is the first fault to name
    return Checkpoint(
        architecture="llama",
        name=options.name or source.stem,
        fields={
            "llama.context_length": header.seq_len,
            "llama.embedding_length": header.dim,
            "llama.block_count": header.n_layers,
            "llama.feed_forward_length": header.hidden_dim,
            "llama.attention.head_count": header.n_heads,
            "llama.attention.head_count_kv": header.n_kv_heads,
            "llama.attention.layer_norm_rms_epsilon": _EPSILON,
            "llama.rope.dimension_count": header.head_dim,
            "llama.rope.freq_base": _ROPE_BASE,
            "llama.vocab_size": header.vocab_size,
            **read_tokenizer(_tokenizer_of(source, options), header.vocab_size),
        },
        tensors=weights,
    )


def _tokenizer_of(source: Path, options: ImportOptions) -> Path:
    path = options.tokenizer or source.parent / "tokenizer.bin"
    if path.is_file():
        return path
    if options.tokenizer:
        raise KgptError(f"the tokenizer {path} is no file", "check the path of --tokenizer")
    raise KgptError(
        f"its tokenizer is missing: there is no tokenizer.bin in {path.parent}",
        "copy it there, or give it: kgpt import MODEL.bin --tokenizer FILE",
    )
