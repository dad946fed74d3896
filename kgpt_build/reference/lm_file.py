"""A language model's file as the reference reads it: hyperparameters, and tensors dequantised when they are used."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.reference.lm_arch import ARCHITECTURES, Arch

if TYPE_CHECKING:
    from gguf import GGUFReader

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RopeSettings:
    """Rotary positions: ``n`` values of a head are turned; ``scaling`` is none, linear, yarn or longrope."""

    n: int
    base: float
    local_base: float
    scaling: str
    factor: float
    attn_factor: float
    beta_fast: float
    beta_slow: float
    n_ctx_original: int


@dataclass(frozen=True)
class LmHyperparameters:
    """Sizes and constants of a model; ``window`` 0 means that every layer looks at all positions."""

    n_vocab: int
    n_ctx: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ff: int
    norm_eps: float
    attn_scale: float
    window: int
    pattern: int | tuple[bool, ...]
    rope: RopeSettings

    def window_of(self, layer: int) -> int:
        """Positions that a layer looks at, its own included; 0 for all."""
        if isinstance(self.pattern, tuple):
            return self.window if self.pattern[layer] else 0
        local = self.pattern == 0 or layer % self.pattern < self.pattern - 1
        return self.window if local else 0


@dataclass(frozen=True)
class LanguageModel:
    """A model whose weights lie in its file."""

    arch: Arch
    hparams: LmHyperparameters
    reader: GGUFReader
    by_name: dict[str, Any] = field(repr=False)

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def tensor(self, name: str, dtype: npt.DTypeLike) -> Array:
        """The tensor ``name`` (rows, columns) or (n,), as ``dtype`` of the f32 that the file's blocks mean."""
        from gguf import quants

        found = self.by_name[name]
        values: Array = np.asarray(quants.dequantize(found.data, found.tensor_type), np.float32)
        return values.reshape([int(n) for n in found.shape][::-1]).astype(dtype)

    def kind(self, name: str) -> str:
        """The type of a tensor, such as Q4_1."""
        return str(self.by_name[name].tensor_type.name)


def load(path: Path) -> LanguageModel:
    """The language model in ``path``. Raises KgptError for an architecture that the reference does not know."""
    from gguf import GGUFReader

    reader = GGUFReader(path)
    name = _Fields(reader, "general").text("architecture", "")
    if name not in ARCHITECTURES:
        raise KgptError(f"the architecture {name!r} is not supported", f"supported: {', '.join(ARCHITECTURES)}")
    arch = ARCHITECTURES[name]
    by_name = {tensor.name: tensor for tensor in reader.tensors}
    return LanguageModel(arch, _hyperparameters(_Fields(reader, name), arch, by_name), reader, by_name)


class _Fields:
    """The fields of one namespace."""

    def __init__(self, reader: GGUFReader, space: str) -> None:
        self._reader, self._space = reader, space

    def _get(self, key: str) -> Any:
        found = self._reader.get_field(f"{self._space}.{key}")
        return None if found is None else found.contents()

    def number(self, key: str, otherwise: float | None = None) -> float:
        value = self._get(key)
        if value is None and otherwise is None:
            raise KgptError(f"the field '{self._space}.{key}' is missing", "the reference cannot compute without it")
        if isinstance(value, list):  # one for each layer, all equal
            (value,) = set(value)
        return float(otherwise if value is None else value)  # type: ignore[arg-type]

    def size(self, key: str, otherwise: int | None = None) -> int:
        return int(self.number(key, otherwise))

    def flags(self, key: str) -> tuple[bool, ...]:
        """An array with a flag for each layer; empty where it is none."""
        value = self._get(key)
        return tuple(bool(item) for item in value) if isinstance(value, list) else ()

    def text(self, key: str, otherwise: str) -> str:
        value = self._get(key)
        return otherwise if value is None else str(value)


def _hyperparameters(fields: _Fields, arch: Arch, tensors: dict[str, Any]) -> LmHyperparameters:
    n_embd, n_layer = fields.size("embedding_length"), fields.size("block_count")
    n_head = fields.size("attention.head_count")
    head_dim = fields.size("attention.key_length", n_embd // n_head)
    n_ctx = fields.size("context_length")
    eps = "attention.layer_norm_epsilon" if arch.norm == "layer" else "attention.layer_norm_rms_epsilon"
    # Gemma 3 with 27 billion parameters is the one that scales by the width over the heads.
    divisor = n_embd // n_head if arch.pattern and n_layer == 62 else head_dim
    return LmHyperparameters(
        n_vocab=int(tensors["token_embd.weight"].shape[1]),
        n_ctx=n_ctx,
        n_embd=n_embd,
        n_layer=n_layer,
        n_head=n_head,
        n_head_kv=fields.size("attention.head_count_kv", n_head),
        head_dim=head_dim,
        n_ff=fields.size("feed_forward_length"),
        norm_eps=fields.number(eps),
        attn_scale=1 / math.sqrt(divisor),
        window=fields.size("attention.sliding_window", 0) if arch.window else 0,
        pattern=fields.flags("attention.sliding_window_pattern")
        or fields.size("attention.sliding_window_pattern", arch.pattern),
        rope=_rope(fields, arch, head_dim, n_ctx),
    )


def _rope(fields: _Fields, arch: Arch, head_dim: int, n_ctx: int) -> RopeSettings:
    linear = fields.number("rope.scale_linear", 1.0)
    return RopeSettings(
        n=0 if arch.rope == "none" else fields.size("rope.dimension_count", head_dim),
        base=fields.number("rope.freq_base", 10000.0),
        local_base=fields.number("rope.freq_base_swa", arch.local_base),
        scaling=fields.text("rope.scaling.type", "linear"),
        factor=fields.number("rope.scaling.factor", linear),
        attn_factor=fields.number("rope.scaling.attn_factor", 1.0),
        beta_fast=fields.number("rope.scaling.yarn_beta_fast", 32.0),
        beta_slow=fields.number("rope.scaling.yarn_beta_slow", 1.0),
        n_ctx_original=fields.size("rope.scaling.original_context_length", n_ctx),
    )
