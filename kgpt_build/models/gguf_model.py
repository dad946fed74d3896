"""A language model in a GGUF file, which stays where it is: only its header is read, and checked for the engine."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models import gguf_scan
from kgpt_build.models.file_hash import cached_sha256
from kgpt_build.models.gguf_scan import Scan, Value
from kgpt_build.models.gguf_types import TYPES, type_name
from kgpt_build.models.gguf_vocab import Vocabulary, read_vocabulary
from kgpt_build.models.lm_tensors import ARCHITECTURES, check_fields, check_tensors
from kgpt_build.models.model import clean_name

NO_CHAT = "none"
"""The name of a template for an image that shall not chat."""

_HINT = "the file is damaged, or was converted wrongly"
_MAX_SIZE = 1 << 24  # of any one hyperparameter: products of two fit 48 bits in the kernel


@dataclass(frozen=True)
class LmSizes:
    """The sizes of a language model, in elements.

    ``head_dim`` is that of queries, keys and values; RoPE turns the first ``rope_dim`` of a head.
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
        """The sizes by the names that lm_tensors has for them."""
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
    """A checked file: the engine knows its architecture, types and tokenizer, and its tensors have the right shapes.

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
        """Such as ``Q4_1 + Q8_0``: the types of matrices, the commonest first."""
        matrices = Counter(TYPES[tensor.kind].name for tensor in self.header.tensors if len(tensor.dims) > 1)
        return " + ".join(name for name, _ in matrices.most_common())

    def chat_blob(self, template: str | None = None) -> bytes:
        """The chat template as the kernel takes it (kernel_c/include/kgpt/chat.h); empty where there is none.

        ``template`` is the name of a family in the place of the file's own, or NO_CHAT. Raises KgptError.
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
        """The file's bytes. Raises KgptError if it cannot be read, or is no longer the one that was checked."""
        with mapped(self.path) as data:
            if len(data) != self.size:
                raise KgptError(f"{self.path} has changed while it was read", "try again when nothing writes it")
            yield data


@dataclass(frozen=True)
class Described:
    """What a header says of a model that the engine can run; see GgufModel."""

    name: str
    arch: str
    hparams: LmSizes
    n_parameters: int
    types: Mapping[str, int]
    vocabulary: Vocabulary
    chat_template: str | None


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """The bytes of ``path``, mapped. Raises KgptError for an empty file, and OSError."""
    if path.stat().st_size == 0:
        raise KgptError("the file is empty", "give a .gguf file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def load_gguf_model(path: Path, header: Scan | None = None) -> GgufModel:
    """The language model in ``path``, whose ``header`` may be known. Raises KgptError for one that cannot run.

    Its message does not name the path.
    """
    if header is None:
        with mapped(path) as data:
            header = gguf_scan.scan(data)
    size = path.stat().st_size
    found = describe(header, path.stem)
    return GgufModel(
        path=path,
        name=found.name,
        arch=found.arch,
        sha256=cached_sha256(path),
        size=size,
        hparams=found.hparams,
        n_parameters=found.n_parameters,
        types=found.types,
        vocabulary=found.vocabulary,
        chat_template=found.chat_template,
        header=header,
    )


def describe(header: Scan, name: str) -> Described:
    """What ``header`` says; ``name`` is for a file that does not say its own. Raises KgptError for what cannot run."""
    arch = require_architecture(header)
    _require_types(header)
    check_fields(arch, list(header.fields))
    fields = _Fields(header.fields)
    vocabulary = read_vocabulary(header.fields)
    hparams = _sizes(fields, arch, len(vocabulary.tokens))
    check_tensors(arch, hparams.n_layer, hparams.named, header.tensors)
    own_name = header.fields.get("general.name")
    return Described(
        name=clean_name(own_name if isinstance(own_name, str) and own_name.strip() else name),
        arch=arch,
        hparams=hparams,
        n_parameters=sum(prod(tensor.dims) for tensor in header.tensors),
        types=Counter(TYPES[tensor.kind].name for tensor in header.tensors),
        vocabulary=vocabulary,
        chat_template=fields.text("tokenizer.chat_template"),
    )


def require_architecture(header: Scan) -> str:
    """The architecture. Raises KgptError, with the list, for one that is not supported."""
    known = ", ".join(ARCHITECTURES)
    if not header.architecture:
        raise KgptError("the field 'general.architecture' is missing", f"supported architectures: {known}")
    if header.architecture not in ARCHITECTURES:
        raise KgptError(f"the architecture {header.architecture!r} is not supported", f"supported: {known}")
    return header.architecture


def _require_types(header: Scan) -> None:
    for tensor in header.tensors:
        if tensor.kind not in TYPES:
            raise KgptError(
                f"the tensor {tensor.name!r} has the type {type_name(tensor.kind)}, which is not supported",
                f"supported: {', '.join(known.name for known in TYPES.values())}",
            )


@dataclass(frozen=True)
class _Fields:
    """Fields that are looked up by key, and refused by it."""

    fields: Mapping[str, Value]

    def size(self, key: str, default: int | None = None) -> int:
        value = self.fields.get(key, default)
        if value is None:
            raise KgptError(f"the field {key!r} is missing", _HINT)
        if isinstance(value, gguf_scan.Numbers):
            raise KgptError(f"the field {key!r} differs from layer to layer", "such models are not supported")
        if isinstance(value, bool) or not isinstance(value, int):
            raise KgptError(f"the field {key!r} is {value!r}, not a whole number", _HINT)
        if not 1 <= value <= _MAX_SIZE:
            raise KgptError(f"the field {key!r} is {value}", f"it must be between 1 and {_MAX_SIZE}")
        return value

    def eps(self, key: str) -> float:
        value = self.fields.get(key)
        if value is None:
            raise KgptError(f"the field {key!r} is missing", _HINT)
        if not isinstance(value, float) or not 0 <= value < 1:
            raise KgptError(f"the field {key!r} is {value!r}, not a number from 0 to below 1", _HINT)
        return value

    def text(self, key: str) -> str | None:
        value = self.fields.get(key)
        if value is not None and not isinstance(value, str):
            raise KgptError(f"the field {key!r} is not a text", _HINT)
        return value


def _sizes(fields: _Fields, arch: str, n_vocab: int) -> LmSizes:
    if fields.fields.get(f"{arch}.expert_count"):
        raise KgptError(
            f"the field '{arch}.expert_count' is set: it is a mixture of experts", "these are not supported"
        )
    n_embd = fields.size(f"{arch}.embedding_length")
    n_head = fields.size(f"{arch}.attention.head_count")
    n_head_kv = fields.size(f"{arch}.attention.head_count_kv", n_head)
    if n_head % n_head_kv:
        raise KgptError(
            f"the {n_head} heads cannot share {n_head_kv} heads of keys",
            f"'{arch}.attention.head_count' must be a multiple of '{arch}.attention.head_count_kv'",
        )
    head_key = f"{arch}.attention.key_length"
    if head_key not in fields.fields and n_embd % n_head:
        raise KgptError(
            f"the width {n_embd} cannot be divided into {n_head} heads",
            f"'{arch}.embedding_length' must be a multiple of '{arch}.attention.head_count'",
        )
    head_dim = fields.size(head_key, n_embd // n_head)
    value_key = f"{arch}.attention.value_length"
    if fields.size(value_key, head_dim) != head_dim:
        raise KgptError(
            f"the field {value_key!r} is {fields.size(value_key)}, not {head_dim} as of the keys",
            "such models are not supported",
        )
    return LmSizes(
        n_vocab=n_vocab,
        n_ctx=fields.size(f"{arch}.context_length"),
        n_embd=n_embd,
        n_layer=fields.size(f"{arch}.block_count"),
        n_head=n_head,
        n_head_kv=n_head_kv,
        n_ff=fields.size(f"{arch}.feed_forward_length"),
        head_dim=head_dim,
        rope_dim=fields.size(f"{arch}.rope.dimension_count", head_dim),
        norm_eps=fields.eps(f"{arch}.{ARCHITECTURES[arch].eps}"),
    )
