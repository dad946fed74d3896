"""The tensors of a Hugging Face model as GGUF has them: names, order of rows, shapes that follow from config.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Tensor
from kgpt_build.models.gguf.tensors import ARCHITECTURES, Slot
from kgpt_build.models.hf.families import Described
from kgpt_build.models.hf.safetensors_file import float32_of
from kgpt_build.models.hf.shards import Stored
from kgpt_build.words import counted, listed, shown

Array = npt.NDArray[Any]
_OUTPUT = "lm_head.weight"
_KINDS = ("F32", "F16", "BF16")
_BUFFERS = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""Ends of names of tensors that older versions stored, although they follow from the configuration."""
_HINT = "the files are damaged or belong to different models, or this is a variant that is not supported"


@dataclass(frozen=True)
class _Planned:
    """A tensor to be: GGUF's ``name`` and ``shape``, and the ``sources`` (names of transformers) with their rows."""

    name: str
    slot: Slot
    shape: tuple[int, ...]
    sources: tuple[str, ...]
    rows: tuple[int, ...]


def gguf_tensors(described: Described, stored: Mapping[str, Stored]) -> list[Tensor]:
    """All tensors of the model in GGUF's form. Raises KgptError that lists what is missing, or too many."""
    planned = list(_plan(described, _root(described, stored)))
    tied = _is_tied(described, planned, stored)
    wanted = {source for item in planned for source in item.sources}
    others = [name for name in stored if name not in wanted and not name.endswith(_BUFFERS)]
    others = [name for name in others if not (tied and name == _output_in(stored))]
    others = [name for name in others if not name.startswith(described.family.others)]
    _require_same([name for name in sorted(wanted) if name not in stored], others, described)
    made = [_made(described, item, [stored[name] for name in item.sources]) for item in planned]
    factors = described.rope.tensors if described.rope else {}
    return made + [Tensor(name, values.shape, "F32", partial(np.asarray, values)) for name, values in factors.items()]


def _root(described: Described, stored: Mapping[str, Stored]) -> str:
    """What precedes the names: files of a model without its head leave it out."""
    root = described.family.root
    roots = (f"model.language_{root}", f"language_model.{root}", "model.language_model.", root)
    return next((root for root in roots if any(name.startswith(root) for name in stored)), "")


def _plan(described: Described, root: str) -> Iterator[_Planned]:
    of, family = ARCHITECTURES[described.family.arch], described.family
    sizes = {**described.sizes.named, "vocab": described.sizes.n_vocab}
    made = frozenset(described.rope.tensors) if described.rope else frozenset()
    may = (slot for slot in of.may if slot.name in described.extra - made)
    slots = [*of.needs, *may]
    output = of.slot("output.weight", in_layer=False)
    if output is not None and output not in slots and not described.tied:
        slots.append(output)
    for slot in slots:
        for layer in range(described.sizes.n_layer) if slot.in_layer else (None,):
            start = root if layer is None else f"{root}{family.layers}.{layer}."
            shape = tuple(sizes[size] for size in reversed(slot.shape))
            sources = _sources(described, slot.name, start, root)
            rows = (shape[0],) if len(sources) == 1 else (sizes["q"], sizes["kv"], sizes["kv"])
            yield _Planned(slot.name if layer is None else f"blk.{layer}.{slot.name}", slot, shape, sources, rows)


def _sources(described: Described, name: str, start: str, root: str) -> tuple[str, ...]:
    """transformers' names of a tensor, of which ``name`` is GGUF's without "blk.N."."""
    stem, _, end = name.rpartition(".")
    if stem == "output":
        return (
            (f"{root}{described.family.names['token_embd']}.weight",)
            if _uses_embedding(described, end)
            else (f"lm_head.{end}",)
        )
    return tuple(f"{start}{item}.{end}" for item in described.family.names[stem].split())


def _uses_embedding(described: Described, end: str) -> bool:
    """Is the output's matrix, which the architecture must have, that of the embedding?"""
    return described.tied and end == "weight"


def _is_tied(described: Described, planned: Sequence[_Planned], stored: Mapping[str, Stored]) -> bool:
    """Does the output use the embedding? Raises KgptError if a tied model stores an output that is another one."""
    name = _output_in(stored)
    if not described.tied or name is None:
        return described.tied
    embedding = next(stored.get(item.sources[0]) for item in planned if item.name == "token_embd.weight")
    output = stored[name]
    same = embedding is not None and (embedding.shape, embedding.dtype) == (output.shape, output.dtype)
    if not same or output.dtype not in _KINDS or not np.array_equal(_bits(embedding), _bits(output)):
        raise KgptError(
            f"config.json says tie_word_embeddings, but {name} is not the embedding",
            "set tie_word_embeddings to false if the model has an output of its own",
        )
    return True


def _output_in(stored: Mapping[str, Stored]) -> str | None:
    """The name of the output's matrix, if it is stored."""
    return next((name for name in (_OUTPUT, f"language_model.{_OUTPUT}") if name in stored), None)


def _bits(tensor: Stored | None) -> Array:
    assert tensor is not None
    return tensor.values().view(np.uint8)


def _require_same(missing: Sequence[str], extra: Sequence[str], described: Described) -> None:
    parts = [
        f"{counted(len(names), 'tensor')} {'is' if len(names) == 1 else 'are'} {what}: {listed(names)}"
        for names, what in ((missing, "missing"), (extra, "unexpected"))
        if names
    ]
    if parts:
        model = f"a {described.family.arch} of {counted(described.sizes.n_layer, 'layer')}"
        raise KgptError(f"these are not the tensors of {model}: {'; '.join(parts)}", _HINT)


def _made(described: Described, item: _Planned, stored: Sequence[Stored]) -> Tensor:
    """The tensor with its shape and types checked; its values are read later."""
    transposed = described.family.transposed and item.slot.name.endswith(_PROJECTIONS) and len(item.shape) > 1
    for tensor, rows in zip(stored, item.rows, strict=True):
        if tensor.dtype not in _KINDS:
            raise KgptError(
                f"{tensor.path.name}: the tensor {shown(tensor.name)} has the type {tensor.dtype}, "
                "which is not supported",
                f"supported: {', '.join(_KINDS)}",
            )
        expected = (rows, *item.shape[1:])
        expected = expected[::-1] if transposed else expected
        if tensor.shape != expected:
            raise KgptError(
                f"{tensor.path.name}: the tensor {shown(tensor.name)} has the shape {list(tensor.shape)},"
                f" but config.json makes it {list(expected)}",
                _HINT,
            )
    kinds = {tensor.dtype for tensor in stored}
    kind = kinds.pop() if len(item.shape) > 1 and len(kinds) == 1 else "F32"
    return Tensor(item.name, item.shape, kind, partial(_values, stored, kind, _change(described, item, transposed)))


_PROJECTIONS = ("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight")
"""The matrices that GPT-2 stores transposed (Conv1D)."""


def _values(stored: Sequence[Stored], kind: str, change: Callable[[Array], Array]) -> Array:
    parts = [tensor.values() if kind != "F32" else float32_of(tensor.values()) for tensor in stored]
    values = change(parts[0] if len(parts) == 1 else np.concatenate(parts))
    values = np.ascontiguousarray(values)
    return values.view(np.uint8) if kind == "BF16" else values


def _change(described: Described, item: _Planned, transposed: bool) -> Callable[[Array], Array]:
    """What happens to the values on their way into a GGUF."""
    family, sizes, stem = described.family, described.sizes, item.slot.name.rpartition(".")[0]
    if transposed:
        return np.transpose
    if family.plus_one and stem.endswith("norm"):
        return partial(np.add, np.float32(1))
    if family.neighbours and stem in ("attn_q", "attn_k"):
        return partial(_neighbours, sizes.n_head if stem == "attn_q" else sizes.n_head_kv)
    return np.asarray


def _neighbours(n_head: int, values: Array) -> Array:
    """Rows i and i + half of each head become neighbours, so that RoPE turns them as values 2i and 2i + 1."""
    columns = prod(values.shape[1:])
    return values.reshape(n_head, 2, -1, columns).swapaxes(1, 2).reshape(values.shape)
