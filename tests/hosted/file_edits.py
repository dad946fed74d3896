"""Random edits of a model's file: values, kinds, ranges, arrays, and what is missing, fields and tensors."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from model_files import BOOL, CODES, F32, F64, I32, STRING, U16, U32, U64, Data, ModelFile, many, one

from kgpt_build.models.gguf.fields import keys
from kgpt_build.models.gguf.tensors import ARCHITECTURES

_INTEGERS = {0: (0, 255), 1: (-128, 127), 2: (0, 2**16 - 1), 3: (-(2**15), 2**15 - 1), 4: (0, 2**32 - 1),
             5: (-(2**31), 2**31 - 1), 10: (0, 2**64 - 1), 11: (-(2**63), 2**63 - 1)}  # fmt: skip
_SIZES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 24, 25, 32, 62, 511, 512, 513, 514, 1024, 1025, 65535, 2**20,
          2**20 + 1, 2**24, 2**31, 2**32 - 1, 2**32, 2**63, -1, -2)  # fmt: skip
_NUMBERS = (0.0, -0.0, 1.0, 2.0, 0.5, 1e-5, 0.999, 0.35355339, 0.25, 32.0, 16.0, 10000.0, 1e6, -1.0, 1e-45, 1e-300,
            3.4e38, 1e39, math.inf, -math.inf, math.nan)  # fmt: skip
_TEXTS = ("", "none", "linear", "yarn", "longrope", "dynamic", "Linear", "llama", "gpt2", "qwen2", "phi3", "mamba",
          "gpt-2", "llama-bpe", "default", "klingon", "kgpt-char", "reference", "12")  # fmt: skip
_ROLES = ("bos", "eos", "eot", "eom", "unknown", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep")
_OF_VOCABULARY = (
    *("model", "pre", "tokens", "token_type", "scores", "merges", "add_space_prefix", "add_bos_token"),
    *("add_eos_token", *(f"{role}_token_id" for role in _ROLES)),
)


def edited(file: ModelFile, rng: random.Random) -> ModelFile:
    """One to three edits."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        edit = rng.choices((_change, _known_field, _tensors, _other_space), (8, 8, 2, 1))[0]
        file = edit(file, rng)
    return file


def _change(file: ModelFile, rng: random.Random) -> ModelFile:
    """A field that is there: another value or kind, an array, or none at all."""
    if not file.fields:
        return file
    fields, key = dict(file.fields), rng.choice(list(file.fields))
    if rng.random() < 0.15:
        del fields[key]
    else:
        fields[key] = _value(fields[key], rng)
    return replace(file, fields=fields)


def _known_field(file: ModelFile, rng: random.Random) -> ModelFile:
    """A field that has a meaning, there or not."""
    names = [f"{file.arch}.{key}" for key in keys().values()] + [f"tokenizer.ggml.{name}" for name in _OF_VOCABULARY]
    key = rng.choice(names)
    return replace(file, fields={**file.fields, key: _value(_likely(key, rng), rng, gently=True)})


def _other_space(file: ModelFile, rng: random.Random) -> ModelFile:
    own = (f"{file.arch}.", f"{file.arch}.unheard_of", f"{file.arch}.rope")
    others = (
        "split.count",
        "split.no",
        "general.name",
        "general.architecture",
        "tokenizer.chat_template",
        "other.thing",
    )
    key = rng.choice(own + others)
    return replace(file, fields={**file.fields, key: _value(one(U16, rng.randrange(4)), rng)})


def _likely(key: str, rng: random.Random) -> Data:
    """A value of the kind that such a field has."""
    if key.endswith(("type", "layout", ".model", ".pre")) and not key.endswith("token_type"):
        return one(STRING, rng.choice(_TEXTS))
    if key.endswith(("causal", "finetuned", "residual", "prefix", "bos_token", "eos_token")):
        return one(BOOL, rng.random() < 0.5)
    if key.endswith((".tokens", ".merges")):
        return many(STRING, ["a", "b", "c", "ab", "a b", "ab c"][: rng.randrange(7)])
    if key.endswith(".token_type"):
        return many(I32, [rng.randrange(-1, 9) for _ in range(9)])
    if key.endswith("_pattern") and rng.random() < 0.5:
        return many(rng.choice((BOOL, U32, I32)), [rng.random() < 0.5 for _ in range(rng.choice((2, 2, 2, 1, 3)))])
    if key.endswith(".scores"):
        return many(F32, [rng.choice((0.0, -1.0, math.nan)) for _ in range(9)])
    if "rope" in key and not key.endswith(("count", "context_length")):
        return one(F32, _as_f32(rng.choice(_NUMBERS)))
    return one(U32, rng.choice([size for size in _SIZES if 0 <= size < 2**32]))


def _as_f32(value: float) -> float:
    return value if not math.isfinite(value) or abs(value) < 3.5e38 else math.copysign(3.4e38, value)


def _value(old: Data, rng: random.Random, *, gently: bool = False) -> Data:
    """A relative of ``old``: itself sometimes, if ``gently``."""
    choice = rng.random()
    if gently and choice < 0.6:
        return old
    if old.is_array:
        return _list(old, rng)
    if choice < 0.75:
        return _same_kind(old, rng)
    if choice < 0.9:
        return _other_kind(old, rng)
    items = list(old.items) * rng.choice((0, 1, 2, 2, 2, 3))
    if items and rng.random() < 0.4:
        items[rng.randrange(len(items))] = _same_kind(old, rng).items[0]
    return many(old.kind, items)


def _same_kind(old: Data, rng: random.Random) -> Data:
    if old.kind == STRING:
        return one(STRING, rng.choice(_TEXTS))
    if old.kind == BOOL:
        return one(BOOL, not old.items[0])
    if old.kind in (F32, F64):
        number = rng.choice(_NUMBERS)
        return one(old.kind, _as_f32(number) if old.kind == F32 else number)
    least, most = _INTEGERS[old.kind]
    return one(old.kind, rng.choice([size for size in _SIZES if least <= size <= most]))


def _other_kind(old: Data, rng: random.Random) -> Data:
    """The same number in another kind where it fits, or another value."""
    kind, value = rng.choice([*CODES, STRING]), old.items[0]
    if kind == STRING:
        return one(STRING, str(value))
    number: Any = value if isinstance(value, (int, float)) and math.isfinite(value) else 1
    if kind == BOOL:
        return one(BOOL, bool(number))
    if kind in (F32, F64):
        return one(kind, _as_f32(float(number)) if kind == F32 else float(number))
    least, most = _INTEGERS[kind]
    return one(kind, int(min(max(number, least), most)))


def _list(old: Data, rng: random.Random) -> Data:
    items, choice = list(old.items), rng.random()
    if choice < 0.1 or not items:
        return one(old.kind, items[0] if items else 0 if old.kind != STRING else "")
    at = rng.randrange(len(items))
    if choice < 0.3:
        del items[at]
    elif choice < 0.4:
        items.append(items[at])
    elif choice < 0.5:
        items[at] = items[rng.randrange(len(items))]
    elif old.kind == STRING:
        items[at] = rng.choice(("", "a", "z", "a b", "b a", " a", "a ", "ab", "x" * 4096, "x" * 4097, "é" * 2048))
    else:
        items[at] = _same_kind(one(old.kind, items[at]), rng).items[0]
    kind = old.kind if old.kind == STRING or rng.random() < 0.9 else rng.choice((U32, U64, F32))
    if kind != old.kind:
        items = [1 for _ in items]
    return many(kind, items)


def _tensors(file: ModelFile, rng: random.Random) -> ModelFile:
    """One missing, one too many, or one of another shape, name or type."""
    tensors, kinds = dict(file.tensors), dict(file.kinds)
    if not tensors:
        return file
    name, choice = rng.choice(list(tensors)), rng.random()
    if choice < 0.25:
        del tensors[name]
    elif choice < 0.5:
        dims = list(tensors[name])
        at = rng.randrange(len(dims))
        dims[at] = rng.choice((1, 2, 8, 9, 10, 16, 17, 32, 48))
        tensors[name] = tuple(dims) + (1,) * rng.choice((0, 0, 0, 1))
    elif choice < 0.6:
        kinds[name] = rng.choice((0, 1, 2, 8, 20, 30, 99))
    elif choice < 0.9:
        every = [slot for of in ARCHITECTURES.values() for slot in (*of.needs, *of.may)]
        slot = rng.choice(every)
        blocks = ("blk.0.", "blk.1.", "blk.2.", "blk.00.", "blk.7.", "")
        tensors[(rng.choice(blocks) if slot.in_layer else "") + slot.name] = rng.choice(((16,), (8,), (4,), (16, 16)))
    else:
        tensors = {(name if key == name else key) + ("x" if key == name else ""): d for key, d in tensors.items()}
    return replace(file, tensors=tensors, kinds=kinds)
