"""What there is to know about a model before a kernel is built of it: the object that `kgpt info --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.headers.lm import MAX_BYTES
from kgpt_build.kernel import memory
from kgpt_build.kernel.traffic import traffic_of
from kgpt_build.models import GgufModel, Model
from kgpt_build.models.gguf.scan import MAGIC
from kgpt_build.models.gguf.types import TYPES
from kgpt_build.models.importing import importer_of
from kgpt_build.sizes import MIB

NO_TEMPLATE = "none"


@dataclass(frozen=True)
class TensorRow:
    """A tensor of a file; ``shape`` as NumPy has it, (rows, columns); ``size`` in bytes."""

    name: str
    kind: str
    shape: tuple[int, ...]
    size: int


def tensor_rows(model: Model | GgufModel) -> Sequence[TensorRow]:
    """All tensors, in the order of the file."""
    if isinstance(model, Model):
        return [TensorRow(name, "F32", tensor.shape, tensor.nbytes) for name, tensor in model.tensors.items()]
    return [TensorRow(t.name, TYPES[t.kind].name, t.dims[::-1], t.size) for t in model.header.tensors]


def facts(
    model: Model | GgufModel, path: Path, *, n_ctx: int = 0, kv: str = "", ram: int = 0, bandwidth: float = 0
) -> dict[str, Any]:
    """Everything as plain values. Sizes are bytes.

    ``n_ctx`` 0 and ``kv`` "" are the kernel's defaults, and for language models only. ``ram`` (bytes) adds the largest
    context, ``bandwidth`` (GB/s) the speed.
    """
    is_lm = isinstance(model, GgufModel)
    context = min(n_ctx or memory.DEFAULT_CTX, model.hparams.n_ctx) if is_lm else model.hparams.n_ctx
    kind = (kv or memory.default_kv(model.arch)) if is_lm else "f32"
    found = {
        "file": str(path),
        "format": _format(path),
        "name": model.name,
        "sha256": model.sha256,
        "architecture": model.arch,
        "parameters": model.n_parameters,
        "sizes": _sizes(model),
        "types": _types(model),
        "tokenizer": _tokenizer(model),
        "chat_template": _template(model),
        "memory": _memory(model, context, kind),
        "reads": _reads(model, context, kind, bandwidth),
    }
    return {**found, "largest_context": _largest(model, ram, kind)} if ram else found


def _format(path: Path) -> str:
    """The name of the format of the model in ``path``, which was read already."""
    if (importer := importer_of(path)) is not None:
        return importer.FORMAT
    with path.open("rb") as file:
        return "GGUF" if file.read(len(MAGIC)) == MAGIC else "JSON"


def _sizes(model: Model | GgufModel) -> Mapping[str, int]:
    names = ("n_layer", "n_embd", "n_ff", "n_head", "n_head_kv", "head_dim", "n_ctx", "n_vocab")
    return {name: getattr(model.hparams, name) for name in names}


def _types(model: Model | GgufModel) -> Mapping[str, Mapping[str, int]]:
    """Tensors and bytes of each type, the one with the most bytes first."""
    found: dict[str, dict[str, int]] = {}
    for row in tensor_rows(model):
        of = found.setdefault(row.kind, {"tensors": 0, "bytes": 0})
        of["tensors"] += 1
        of["bytes"] += row.size
    return dict(sorted(found.items(), key=lambda item: -item[1]["bytes"]))


def _tokenizer(model: Model | GgufModel) -> Mapping[str, Any]:
    if isinstance(model, Model):
        return {
            "kind": "kgpt-char",
            "pre": "",
            "tokens": model.tokenizer.n_vocab,
            "special": {"bos": model.tokenizer.bos_id},
        }
    vocabulary = model.vocabulary
    special = dict(sorted(vocabulary.special.items(), key=lambda item: item[1]))
    return {"kind": vocabulary.model, "pre": vocabulary.pre, "tokens": len(vocabulary.tokens), "special": special}


def _template(model: Model | GgufModel) -> Mapping[str, str]:
    """The family of the chat template, and why kgpt cannot use it, if it cannot."""
    if isinstance(model, Model) or not model.chat_template:
        return {"family": NO_TEMPLATE, "fault": ""}
    from kgpt_build.chat import read_chat_blob  # late: Jinja is slow to import

    try:
        return {"family": read_chat_blob(model.chat_blob()).family, "fault": ""}
    except KgptError as error:
        return {"family": NO_TEMPLATE, "fault": error.message}


def _memory(model: Model | GgufModel, n_ctx: int, kv: str) -> Mapping[str, Any]:
    needs = memory.needs_of(model, n_ctx, kv)
    weights = needs.weights
    return {
        "context": n_ctx,
        "kv_type": kv,
        "weights": weights,
        "kernel": needs.image_end - weights,
        "kv": needs.kv,
        "scratch": needs.scratch,
        "total": needs.total,
        "fits_a_kernel": isinstance(model, Model) or model.size <= MAX_BYTES - MIB,
    }


def _largest(model: Model | GgufModel, ram: int, kv: str) -> Mapping[str, int]:
    """0: not even the shortest context fits. ``least`` is the memory that the shortest one needs."""
    trained = model.hparams.n_ctx
    if isinstance(model, Model):
        needed = memory.needs_of(model).total
        return {"memory": ram, "context": trained if needed <= ram else 0, "trained": trained, "least": needed}
    largest, least = memory.largest_ctx(model, ram, kv), memory.needs_of(model, 1, kv).total
    return {"memory": ram, "context": largest, "trained": trained, "least": least}


def _reads(model: Model | GgufModel, n_ctx: int, kv: str, bandwidth: float) -> Mapping[str, Any]:
    """Bytes that a token reads: the first one, and one at the end of the context."""
    traffic = traffic_of(model, n_ctx, kv)
    found: dict[str, Any] = {"weights": traffic.weights, "kv_of_full_context": traffic.kv(n_ctx)}
    if bandwidth:
        speeds = {"first": traffic.rate(bandwidth, 1), "at_full_context": traffic.rate(bandwidth, n_ctx)}
        found |= {"bandwidth": bandwidth, "tokens_per_second": speeds}
    return found
