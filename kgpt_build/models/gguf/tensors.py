"""Checks the tensors of a file against the tables of architectures: mandatory and optional tensors with their shapes.

The tables are in kernel_c/infer/arch.def, which the kernel uses, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kgpt_build.def_files import rows
from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import F32, ScannedTensor
from kgpt_build.models.gguf.types import GROUP
from kgpt_build.words import counted

Shape: TypeAlias = tuple[str, ...]
_HINT = "the file is damaged, or is a variant that is not supported"


@dataclass(frozen=True)
class Slot:
    """A tensor of the table, in layers without "blk.N."; ``shape`` by names of sizes, length of a row first."""

    name: str
    in_layer: bool
    shape: Shape


@dataclass(frozen=True)
class Architecture:
    """The tensors of an architecture, and ``facts``: its properties by their names in fields.def."""

    needs: tuple[Slot, ...]
    may: tuple[Slot, ...]
    facts: Mapping[str, int | float | bool]

    def slot(self, name: str, in_layer: bool) -> Slot | None:
        """The table's row of a tensor, or None."""
        slots = (*self.needs, *self.may)
        return next((slot for slot in slots if slot.name == name and slot.in_layer == in_layer), None)


def _slots() -> dict[str, Slot]:
    """Sizes by their names in arch.def."""
    found = {}
    for row in rows("infer/arch.def"):
        if row.kind in ("MATRIX", "VECTOR"):
            identifier, name, holder, _, *sizes = row.arguments
            found[identifier] = Slot(name, holder == "LAYER", tuple(size.lower() for size in reversed(sizes)))
    return found


def _architectures() -> dict[str, Architecture]:
    slots, found = _slots(), {}
    sets = {"0": frozenset[str](), **{identifier: frozenset([identifier]) for identifier in slots}}

    def members(text: str) -> frozenset[str]:
        return frozenset[str]().union(*(sets[name.strip()] for name in text.split("|")))

    def among(text: str) -> tuple[Slot, ...]:
        return tuple(slot for identifier, slot in slots.items() if identifier in members(text))

    for row in rows("infer/arch.def"):
        if row.kind == "SET":
            sets[row.arguments[0]] = members(row.arguments[1])
        elif row.kind == "ARCH":
            name, norm, rope, _, traits, pattern, local_base, needs, may = row.arguments
            found[name] = Architecture(among(needs), among(may), _facts(norm, rope, traits, pattern, local_base))
    return found


def _facts(norm: str, rope: str, traits: str, pattern: str, local_base: str) -> dict[str, int | float | bool]:
    has = [trait.strip() for trait in traits.split("|")]
    return {
        "arch_norm_layer": norm == "LAYER",
        "arch_rope": rope != "NONE",
        "arch_window": "WINDOW" in has,
        "arch_parallel": "PARALLEL" in has,
        "arch_pattern": int(pattern),
        "arch_local_base": float(local_base),
    }


ARCHITECTURES: Mapping[str, Architecture] = _architectures()
"""Architecture -> its tensors and facts, in the order of messages."""


def count_layers(tensors: Sequence[ScannedTensor]) -> int:
    """The number of layers: the highest N of the tensors "blk.N.", plus 1."""
    numbers = (re.match(r"blk\.([0-9]+)", tensor.name) for tensor in tensors)
    return max((int(found[1]) + 1 for found in numbers if found), default=0)


def check_tensors(
    arch: str, n_layer: int, sizes: Mapping[str, int], tensors: Sequence[ScannedTensor], *, longrope: bool
) -> None:
    """Raise KgptError for unexpected, missing or wrongly shaped tensors of ``arch``.

    The kernel checks in the same order (kernel_c/infer/lm_tensors.c), so that both report the same tensor.
    ``longrope``: by its fields the model has RoPE factors as tensors.
    """
    of = ARCHITECTURES[arch]
    model = f"a {arch} of {counted(n_layer, 'layer')}"
    found = {tensor.name: tensor for tensor in tensors}
    _check_vocabulary(found.get("token_embd.weight"), sizes["vocab"], model)
    for tensor in tensors:
        slot = _slot_of(of, tensor.name, n_layer)
        if slot is None:
            raise KgptError(f"the tensor {tensor.name!r} is unexpected", f"{model} has none: {_HINT}")
        _check_tensor(tensor, slot.shape, sizes)
    missing = next((slot.name for slot in of.needs if not slot.in_layer and slot.name not in found), None)
    _require(missing or _missing_factors(found, longrope), model)
    for layer in range(n_layer):
        full = (f"blk.{layer}.{slot.name}" for slot in of.needs if slot.in_layer)
        _require(next((name for name in full if name not in found), None), model)
        _check_fused(of, layer, sizes)


def _require(missing: str | None, model: str) -> None:
    if missing is not None:
        raise KgptError(f"the tensor {missing!r} is missing", f"{model} must have it: {_HINT}")


def _check_vocabulary(tensor: ScannedTensor | None, n_vocab: int, model: str) -> None:
    """Check that there is an embedding for each token."""
    if tensor is None:
        _require("token_embd.weight", model)
    elif len(tensor.dims) < 2 or tensor.dims[1] != n_vocab:
        n_rows = tensor.dims[1] if len(tensor.dims) > 1 else 1
        raise KgptError(f"the tensor {tensor.name!r} has {n_rows} rows for {n_vocab} tokens", _HINT)


def _slot_of(of: Architecture, name: str, n_layer: int) -> Slot | None:
    found = re.fullmatch(r"blk\.(0|[1-9][0-9]*)\.(.+)", name, re.ASCII | re.DOTALL)
    if found is None:
        return of.slot(name, in_layer=False)
    return of.slot(found[2], in_layer=True) if int(found[1]) < n_layer else None


def _missing_factors(found: Mapping[str, ScannedTensor], longrope: bool) -> str | None:
    """Check that LongRoPE has factors for short and for long contexts."""
    names = ("rope_factors_short.weight", "rope_factors_long.weight")
    if not longrope and not any(name in found for name in names):
        return None
    return next((name for name in names if name not in found), None)


def _check_tensor(tensor: ScannedTensor, shape: Shape, sizes: Mapping[str, int]) -> None:
    expected = tuple(sizes[size] for size in shape)
    found = tensor.dims
    while len(found) > len(expected) and found[-1] == 1:
        found = found[:-1]
    if found != expected:
        raise KgptError(
            f"the tensor {tensor.name!r} has the shape {list(tensor.dims)}, not {list(expected)}",
            f"its shape must follow from the hyperparameters: {_HINT}",
        )
    if len(expected) == 1 and tensor.kind != F32:
        raise KgptError(f"the tensor {tensor.name!r} is a vector, but not of the type F32", _HINT)


def _check_fused(of: Architecture, layer: int, sizes: Mapping[str, int]) -> None:
    """Check that each part of a fused matrix is a whole number of interleaved groups of rows."""
    parts = {"attn_qkv.weight": (sizes["q"], sizes["kv"]), "ffn_up.weight": (sizes["ff"],)}
    for slot in of.needs:
        if slot.shape[-1] not in ("qkv", "ff_twice") or len(slot.shape) < 2:
            continue
        odd = next((rows for rows in parts[slot.name] if rows % GROUP), None)
        if odd is not None:
            raise KgptError(
                f"the tensor 'blk.{layer}.{slot.name}' has a part of {odd} rows, not a multiple of {GROUP}",
                "such models are not supported",
            )
