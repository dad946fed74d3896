"""A language model in a GGUF file. Only the header is read and checked; the weights stay in the file."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.file_hash import cached_sha256
from kgpt_build.models.gguf import scan as gguf_scan
from kgpt_build.models.gguf.fields import HINT, LONGROPE, Number, read_fields, size_or
from kgpt_build.models.gguf.finite import require_finite
from kgpt_build.models.gguf.scan import Scan, Value
from kgpt_build.models.gguf.tensors import ARCHITECTURES, check_tensors, count_layers
from kgpt_build.models.gguf.types import TYPES
from kgpt_build.models.gguf.vocab import Vocabulary, read_vocabulary
from kgpt_build.models.model import clean_name

NO_CHAT = "none"
"""The template name for a kernel without chat."""

MOST_CTX = 1 << 20
"""KG_LM_MOST_CTX of kernel_c/infer/lm_model.h: the largest context."""


@dataclass(frozen=True)
class LmSizes:
    """The sizes of a language model, in elements.

    ``head_dim``: elements of a query, key or value per head; RoPE rotates the first ``rope_dim`` of them.
    """

    n_vocab: int
    n_ctx: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    head_dim: int
    norm_eps: float
    rope_dim: int

    @property
    def named(self) -> dict[str, int]:
        """The sizes by their names in arch.def."""
        q, kv = self.n_head * self.head_dim, self.n_head_kv * self.head_dim
        return {
            "embd": self.n_embd,
            "vocab": self.n_vocab,
            "ctx": self.n_ctx,
            "ff": self.n_ff,
            "ff_twice": 2 * self.n_ff,
            "head": self.head_dim,
            "q": q,
            "kv": kv,
            "qkv": q + 2 * kv,
            "rope_pairs": self.rope_dim // 2,
        }


@dataclass(frozen=True, eq=False)
class GgufModel:
    """A checked GGUF file: the engine supports its architecture, types and tokenizer, and all shapes are correct.

    ``sha256`` and ``size`` (bytes) are the file's; ``types`` counts tensors by type; ``chat_template`` is Jinja, or
    None.
    """

    path: Path
    name: str
    arch: str
    sha256: str
    size: int
    hparams: LmSizes
    n_parameters: int
    types: Mapping[str, int]
    vocabulary: Vocabulary
    chat_template: str | None
    header: Scan

    @property
    def type_text(self) -> str:
        """The types of the matrices, the most frequent first: ``Q4_1 + Q8_0``."""
        matrices = Counter(TYPES[tensor.kind].name for tensor in self.header.tensors if len(tensor.dims) > 1)
        return " + ".join(name for name, _ in matrices.most_common())

    def chat_blob(self, template: str | None = None) -> bytes:
        """The chat template as a blob for the kernel (kernel_c/include/kgpt/chat.h); empty without a template.

        ``template``: a family that replaces the file's own template, or NO_CHAT. Raises KgptError.
        """
        from kgpt_build.chat import chat_blob, guarded_chat_blob  # late: Jinja is slow to import

        if template == NO_CHAT or not (template or self.chat_template):
            return b""
        bos, eos = self.vocabulary.text("bos") or "", self.vocabulary.text("eos") or ""
        if template:
            return chat_blob("", bos, eos, family=template).blob()
        return guarded_chat_blob(self.chat_template or "", bos, eos).blob()

    @contextmanager
    def mapped(self) -> Iterator[mmap.mmap]:
        """The file's bytes. Raises KgptError if it cannot be read, or has changed since the check."""
        with mapped(self.path) as data:
            if len(data) != self.size:
                raise KgptError(f"{self.path} has changed while it was read", "try again when nothing writes it")
            yield data


@dataclass(frozen=True)
class Described:
    """The description of a model by its header; see GgufModel."""

    name: str
    arch: str
    hparams: LmSizes
    n_parameters: int
    types: Mapping[str, int]
    vocabulary: Vocabulary
    chat_template: str | None


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map ``path`` into memory. Raises KgptError for an empty file, and OSError."""
    if path.stat().st_size == 0:
        raise KgptError("the file is empty", "give a .gguf file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def load_gguf_model(path: Path, header: Scan | None = None) -> GgufModel:
    """Open the language model in ``path``; ``header``, if it was read already. Raises KgptError if it cannot run.

    Its message does not name the path.
    """
    if header is None:
        with mapped(path) as data:
            header = gguf_scan.scan(data)
    size = path.stat().st_size
    found = describe(header, path.stem)
    sha256 = cached_sha256(path)
    with mapped(path) as data:
        require_finite(data, header, sha256)
    return GgufModel(
        path=path,
        name=found.name,
        arch=found.arch,
        sha256=sha256,
        size=size,
        hparams=found.hparams,
        n_parameters=found.n_parameters,
        types=found.types,
        vocabulary=found.vocabulary,
        chat_template=found.chat_template,
        header=header,
    )


def describe(header: Scan, name: str) -> Described:
    """Check ``header`` and describe the model; ``name`` is its name if the file has none. Raises KgptError.

    The kernel checks in the same order, so that both report the same fault of a file with several faults.
    """
    arch = require_architecture(header)
    vocabulary = read_vocabulary(header.fields)
    values = read_fields(
        arch,
        header.fields,
        tensor_layers=count_layers(header.tensors),
        tensor_rope_factors=any(
            tensor.name in ("rope_factors_long.weight", "rope_factors_short.weight") for tensor in header.tensors
        ),
    )
    hparams = _sizes(values, len(vocabulary.tokens))
    longrope = values["scaling_type"] == LONGROPE
    check_tensors(arch, hparams.n_layer, hparams.named, header.tensors, longrope=longrope)
    own_name = header.fields.get("general.name")
    return Described(
        name=clean_name(own_name if isinstance(own_name, str) and own_name.strip() else name),
        arch=arch,
        hparams=hparams,
        n_parameters=sum(prod(tensor.dims) for tensor in header.tensors),
        types=Counter(TYPES[tensor.kind].name for tensor in header.tensors),
        vocabulary=vocabulary,
        chat_template=_chat_template(header.fields),
    )


def require_architecture(header: Scan) -> str:
    """The architecture. Raises KgptError that lists the supported ones, and for a part of a split model."""
    _refuse_shard(header)
    _refuse_without_weights(header)
    known = ", ".join(ARCHITECTURES)
    if not isinstance(header.fields.get("general.architecture", ""), str):
        raise KgptError("the field 'general.architecture' is not a text", HINT)
    if "general.architecture" not in header.fields:
        raise KgptError("the field 'general.architecture' is missing", f"supported architectures: {known}")
    if header.architecture not in ARCHITECTURES:
        raise KgptError(f"the architecture {header.architecture!r} is not supported", f"supported: {known}")
    return header.architecture


def _refuse_shard(header: Scan) -> None:
    """Raise KgptError for one of the files of a split model: it has only a part of the tensors.

    By their names, shards.py finds all of them, and joins them before they are read here.
    """
    count = size_or(header.fields, "split.count", 1)
    if count > 1:
        number = size_or(header.fields, "split.no", 0) + 1
        raise KgptError(
            f"the file is shard {number} of the {count} that a model was split into",
            f"name the shards MODEL-{number:05}-of-{count:05}.gguf and so on, in one folder, and give the first",
        )


def _refuse_without_weights(header: Scan) -> None:
    if not header.tensors and "tokenizer.ggml.tokens" in header.fields:
        hint = "give the file of a whole model: this one is for tests of tokenizers"
        raise KgptError("the file holds a vocabulary, but no weights", hint)
    if not header.tensors:
        raise KgptError("the file holds no weights", "give the file of a whole model")


def _sizes(values: Mapping[str, Number], n_vocab: int) -> LmSizes:
    """The sizes from the values of fields, which have the names of fields.def."""
    return LmSizes(
        n_vocab=n_vocab,
        n_ctx=min(int(values["context_length"]), MOST_CTX),
        n_embd=int(values["embedding_length"]),
        n_layer=int(values["block_count"]),
        n_head=int(values["head_count"]),
        n_head_kv=int(values["head_count_kv"]),
        n_ff=int(values["feed_forward_length"]),
        head_dim=int(values["key_length"]),
        rope_dim=int(values["rope_dimensions"] if values["arch_rope"] else 0),
        norm_eps=float(values["epsilon" if values["arch_norm_layer"] else "rms_epsilon"]),
    )


def _chat_template(fields: Mapping[str, Value]) -> str | None:
    value = fields.get("tokenizer.chat_template")
    if value is not None and not isinstance(value, str):
        raise KgptError("the field 'tokenizer.chat_template' is not a text", HINT)
    return value
