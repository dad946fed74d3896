"""The types of tensors in each mix, such as Q4_K_M: which tensors get more bits than the mix's main type.

These are the mixes of llama-quantize (src/llama-quant.cpp of llama.cpp), so that a name means the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kgpt_build.models.gguf.types import TYPES

BLOCKS = {kind.name: kind.block for kind in TYPES.values()}
FALLBACK = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL"}
"""Type with blocks of 256 -> what replaces it where rows are no multiple of 256."""

_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"


@dataclass(frozen=True)
class Place:
    """A tensor's place: it is number ``index`` of ``count`` of its kind; ``group`` heads share a key head."""

    index: int
    count: int
    group: int
    has_importance: bool

    @property
    def is_spread(self) -> bool:
        """The first and the last eighth of the layers, and every third one between."""
        eighth = self.count // 8
        return self.index < eighth or self.index >= 7 * self.count // 8 or (self.index - eighth) % 3 == 2

    def is_in_first(self, part: int) -> bool:
        """The first 1/``part`` of the layers."""
        return self.index < self.count // part


@dataclass(frozen=True)
class Rule:
    """Tensors ``where`` have the type ``kind`` in places for which ``when`` is true; the first such rule counts."""

    where: str
    kind: str
    when: Callable[[Place], bool] = lambda _: True


@dataclass(frozen=True)
class Mix:
    """``main``: the type of all other matrices; ``file_type``: the number of general.file_type (LlamaFileType)."""

    main: str
    file_type: int
    rules: tuple[Rule, ...] = ()


def _shared(place: Place) -> bool:
    return place.group >= 4


_MORE_FOR_SHARED = Rule("attn_v", "Q5_K", _shared)
_FIRST_DOWN = Rule("ffn_down", "Q5_K", lambda place: place.is_in_first(8) and not place.has_importance)

MIXES: dict[str, Mix] = {
    "F32": Mix("F32", 0),
    "F16": Mix("F16", 1),
    "BF16": Mix("BF16", 32),
    "Q8_0": Mix("Q8_0", 7),
    "Q6_K": Mix("Q6_K", 18),
    "Q5_K_M": Mix(
        "Q5_K",
        17,
        (
            Rule("attn_v", "Q6_K", lambda place: place.is_spread),
            Rule("ffn_down", "Q6_K", lambda place: place.is_spread),
        ),
    ),
    "Q5_K_S": Mix("Q5_K", 16),
    "Q5_1": Mix("Q5_1", 9),
    "Q5_0": Mix("Q5_0", 8, (Rule("ffn_down", "Q5_1", lambda place: place.has_importance and place.is_in_first(8)),)),
    "Q4_K_M": Mix(
        "Q4_K",
        15,
        (
            Rule("attn_v", "Q6_K", lambda place: place.is_spread),
            Rule("ffn_down", "Q6_K", lambda place: place.is_spread),
        ),
    ),
    "Q4_K_S": Mix(
        "Q4_K",
        14,
        (
            Rule("attn_v", "Q5_K", lambda place: place.index < 4),
            Rule("ffn_down", "Q5_K", lambda place: place.is_in_first(8)),
        ),
    ),
    "Q4_1": Mix("Q4_1", 3),
    "Q4_0": Mix("Q4_0", 2, (Rule("ffn_down", "Q4_1", lambda place: place.has_importance and place.is_in_first(8)),)),
    "IQ4_NL": Mix("IQ4_NL", 25, (_MORE_FOR_SHARED, _FIRST_DOWN)),
    "IQ4_XS": Mix("IQ4_XS", 30, (_MORE_FOR_SHARED, _FIRST_DOWN)),
    "MXFP4": Mix("MXFP4", 38),
    "Q3_K_L": Mix("Q3_K", 13, (Rule("attn_v", "Q5_K"), Rule("ffn_down", "Q5_K"), Rule("attn_output", "Q5_K"))),
    "Q3_K_M": Mix(
        "Q3_K",
        12,
        (
            Rule("attn_v", "Q5_K", lambda place: place.index < 2),
            Rule("attn_v", "Q4_K"),
            Rule("ffn_down", "Q5_K", lambda place: place.is_in_first(16)),
            Rule("ffn_down", "Q4_K"),
            Rule("attn_output", "Q4_K"),
        ),
    ),
    "Q3_K_S": Mix("Q3_K", 11),
    "Q2_K": Mix(
        "Q2_K",
        10,
        (
            Rule("attn_v", "Q4_K", _shared),
            Rule("attn_v", "Q3_K"),
            Rule("ffn_down", "Q3_K"),
            Rule("attn_output", "Q3_K"),
        ),
    ),
    "Q2_K_S": Mix(
        "Q2_K",
        21,
        (Rule("attn_v", "Q4_K", _shared), Rule("ffn_down", "Q4_K", lambda place: place.is_in_first(8))),
    ),
}
"""Name -> mix, from the largest files to the smallest."""

ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
"""Other names of mixes, as in llama-quantize."""


@dataclass(frozen=True)
class Matrix:
    """What decides a tensor's type: its GGUF ``name``, its ``shape`` as NumPy has it, the type that it has."""

    name: str
    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class Choice:
    """The type chosen for a tensor; ``instead_of``: the type of the mix, if the tensor's rows do not fit its blocks."""

    kind: str
    instead_of: str = ""


def is_quantized(matrix: Matrix) -> bool:
    """Vectors, norms and learned positions stay as they are."""
    stays = matrix.name.endswith("_norm.weight") or matrix.name == "position_embd.weight"
    return len(matrix.shape) > 1 and matrix.name.endswith(".weight") and not stays


def choose(
    matrices: Sequence[Matrix], mix: str, *, n_layer: int, group: int, has_importance: bool, pure: bool = False
) -> list[Choice]:
    """The type of each tensor of a model with ``n_layer`` layers whose key heads serve ``group`` heads each.

    ``pure``: every matrix has the mix's main type, embedding and output included.
    """
    is_tied = all(matrix.name != _OUTPUT for matrix in matrices)
    values = [matrix.name for matrix in sorted(matrices, key=_layer) if _part(matrix.name) == "attn_v"]
    choices = []
    for matrix in matrices:
        part = _part(matrix.name)
        index, count = (values.index(matrix.name), len(values)) if part == "attn_v" else (_layer(matrix), n_layer)
        place = Place(index, count, group, has_importance)
        if not is_quantized(matrix):
            choices.append(Choice(matrix.kind))
        elif matrix.name == _OUTPUT or (is_tied and matrix.name == _EMBEDDING):
            choices.append(_fitting(MIXES[mix].main if pure else _for_output(matrix, MIXES[mix].main), matrix))
        else:
            choices.append(_fitting(_by_rules(MIXES[mix], () if pure else MIXES[mix].rules, part, place), matrix))
    return choices


def _by_rules(mix: Mix, rules: Sequence[Rule], part: str, place: Place) -> str:
    return next((rule.kind for rule in rules if rule.where == part and rule.when(place)), mix.main)


def _for_output(matrix: Matrix, main: str) -> str:
    """The output decides between all tokens, so it gets 6 bits or 8. A tied embedding is the output too."""
    if BLOCKS[main] == 1 or main == "Q8_0":
        return main
    return "Q8_0" if main == "MXFP4" or matrix.shape[-1] % BLOCKS[main] else "Q6_K"


def _fitting(kind: str, matrix: Matrix) -> Choice:
    fits = kind
    if matrix.shape[-1] % BLOCKS[fits]:
        fits = FALLBACK.get(kind, kind)
    if matrix.shape[-1] % BLOCKS[fits]:
        fits = "F16"
    return Choice(fits, "" if fits == kind else kind)


def _part(name: str) -> str:
    """The kind of a tensor in a layer, such as ffn_down; fused Q, K, V count as attn_v."""
    part = name.removesuffix(".weight").rpartition(".")[2]
    return "attn_v" if part == "attn_qkv" else part


def _layer(matrix: Matrix) -> int:
    words = matrix.name.split(".")
    return int(words[1]) if words[0] == "blk" else -1
