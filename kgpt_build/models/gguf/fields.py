"""Checks the fields "ARCH.…" of a language model by the rules in kernel_c/infer/fields.def, like the kernel.

Both apply the rows from the top, so that they report the same fault of a file with several faults.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import TypeAlias

from kgpt_build.def_files import rows
from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.scan import Numbers, Value
from kgpt_build.models.gguf.tensors import ARCHITECTURES

Number: TypeAlias = int | float | bool

HINT = "convert the model anew, with a current converter"
_U32_MAX = 2**32 - 1
_F32_MAX = 3.4028234663852886e38
_SPELLED = (
    (r"&&", " and "),
    (r"\|\|", " or "),
    (r"!(?!=)", " not "),
    (r"/", "//"),
    (r"\btrue\b", "True"),
    (r"\bfalse\b", "False"),
)
_CONSTANTS: Mapping[str, Number] = {
    f"SCALING_{row.arguments[0]}": i for i, row in enumerate(r for r in rows("infer/fields.def") if r.kind == "SCALING")
}
_SCALINGS = tuple(row.arguments[1] for row in rows("infer/fields.def") if row.kind == "SCALING")
LONGROPE = _SCALINGS.index("longrope")


@dataclass(frozen=True)
class Field:
    """A row KG_FIELD; ``otherwise`` is the default, None: the field is mandatory."""

    name: str
    key: str
    kind: str
    least: float
    most: float
    otherwise: CodeType | None


@dataclass(frozen=True)
class Rule:
    """A row KG_RULE."""

    condition: CodeType
    name: str
    words: str


@dataclass(frozen=True)
class Follows:
    """A row KG_VALUE."""

    name: str
    value: CodeType


@cache
def table() -> tuple[Field | Rule | Follows, ...]:
    """The fields, rules and values of fields.def, in their order."""
    found: list[Field | Rule | Follows] = []
    for row in rows("infer/fields.def"):
        if row.kind == "FIELD":
            name, key, kind, least, most, otherwise = row.arguments
            default = None if otherwise == "NEEDED" else _compiled(otherwise)
            found.append(Field(name, key, kind, float(least), float(most), default))
        elif row.kind == "RULE":
            condition, name, words = row.arguments
            found.append(Rule(_compiled(condition), name, words))
        elif row.kind == "VALUE":
            found.append(Follows(row.arguments[0], _compiled(row.arguments[2])))
    return tuple(found)


@cache
def keys() -> Mapping[str, str]:
    """Name of a row KG_FIELD -> its key."""
    return {row.name: row.key for row in table() if isinstance(row, Field)}


def read_fields(
    arch: str, fields: Mapping[str, Value], *, tensor_layers: int, tensor_rope_factors: bool
) -> dict[str, Number]:
    """The values of all fields of ``arch`` by their names in fields.def.

    ``tensor_layers`` and ``tensor_rope_factors`` describe the tensors. Raises KgptError that names the field.
    """
    _refuse_unknown(arch, fields)
    values: dict[str, Number] = {
        **ARCHITECTURES[arch].facts,
        "tensor_layers": tensor_layers,
        "tensor_rope_factors": tensor_rope_factors,
    }
    for row in table():
        if isinstance(row, Field):
            key = f"{arch}.{row.key}"
            values[f"given_{row.name}"] = key in fields
            values[row.name] = _value(row, key, fields, values)
        elif isinstance(row, Follows):
            values[row.name] = _evaluated(row.value, values)
        elif not _evaluated(row.condition, values):
            raise _broken(arch, row, values)
    return values


def _broken(arch: str, rule: Rule, values: Mapping[str, Number]) -> KgptError:
    field = next(row for row in table() if isinstance(row, Field) and row.name == rule.name)
    is_size = values[f"given_{rule.name}"] and field.kind in ("SIZE", "SIZES")
    number = f" ({values[rule.name]})" if is_size else ""
    return KgptError(f"the field '{arch}.{field.key}'{number} {rule.words}", HINT)


def size_or(fields: Mapping[str, Value], key: str, otherwise: int) -> int:
    """A whole number of a field outside fields.def. Raises KgptError that names the field."""
    return _size(key, fields[key], 0, _U32_MAX) if key in fields else otherwise


def _refuse_unknown(arch: str, fields: Mapping[str, Value]) -> None:
    """Raise KgptError for a field of the architecture that fields.def does not know."""
    known = set(keys().values())
    for key in fields:
        if key.startswith(f"{arch}.") and key.removeprefix(f"{arch}.") not in known:
            raise KgptError(f"the field {key!r} is not supported", "it may change what the model computes")


def _compiled(text: str) -> CodeType:
    """Compile a C expression as a Python expression."""
    for theirs, ours in _SPELLED:
        text = re.sub(theirs, ours, text)
    return compile(text.strip(), "fields.def", "eval")


def _evaluated(code: CodeType, values: Mapping[str, Number]) -> Number:
    """Evaluate an expression of fields.def, which is a part of kgpt."""
    result: Number = eval(code, {"__builtins__": {}, **_CONSTANTS}, dict(values))
    return result


def _value(row: Field, key: str, fields: Mapping[str, Value], values: Mapping[str, Number]) -> Number:
    if key not in fields:
        if row.otherwise is None:
            raise KgptError(f"the field {key!r} is missing", HINT)
        return _evaluated(row.otherwise, values)
    value = fields[key]
    if row.kind == "SIZES" and isinstance(value, (Numbers, tuple)):
        value = _uniform(key, value, int(values["block_count"]))
    if row.kind == "PATTERN" and isinstance(value, (Numbers, tuple)):
        return _pattern(key, value, int(values["block_count"]))
    if row.kind in ("SIZE", "SIZES", "PATTERN"):
        return _size(key, value, int(row.least), int(row.most))
    if row.kind in ("NUMBER", "POSITIVE"):
        return _number(key, value, row)
    if row.kind == "FLAG":
        if not isinstance(value, bool):
            raise KgptError(f"the field {key!r} is {_shown(value)}, not a bool", HINT)
        return value
    if not isinstance(value, str):
        raise KgptError(f"the field {key!r} is {_shown(value)}, not a text", HINT)
    if row.kind == "SCALING" and value not in _SCALINGS:
        raise KgptError(f"the field {key!r} is {value[:64]!r}, not one of {', '.join(_SCALINGS)}", HINT)
    return _SCALINGS.index(value) if row.kind == "SCALING" else 0


def _uniform(key: str, value: Numbers | tuple[str, ...], layers: int) -> Value:
    """The item of an array with an equal item for each layer."""
    items = list(value) if isinstance(value, tuple) else value.array().tolist()
    if isinstance(value, tuple):
        raise KgptError(f"the field {key!r} is an array of strings, not of numbers", HINT)
    if len(items) != layers:
        raise KgptError(f"the field {key!r} is an array of {len(items)}, but the model's layers are {layers}", HINT)
    if any(item != items[0] for item in items):
        raise KgptError(f"the field {key!r} differs from layer to layer", "such models are not supported")
    first: Value = items[0]
    return first


def _pattern(key: str, value: Numbers | tuple[str, ...], layers: int) -> int:
    """The N of an array of flags of which every Nth is off; 0: all are on."""
    flags = (
        [bool(item) for item in value.array().tolist()] if isinstance(value, Numbers) and value.code in "?Ii" else []
    )
    for n in range(layers + 1) if len(flags) == layers else ():
        if flags == [n == 0 or i % n < n - 1 for i in range(layers)]:
            return n
    what = "an array, but not of flags for all layers of which every Nth is off"
    raise KgptError(f"the field {key!r} is {what}", HINT)


def _size(key: str, value: Value, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise KgptError(f"the field {key!r} is {_shown(value)}, not a whole number", HINT)
    if not least <= value <= most:
        raise KgptError(f"the field {key!r} is {value}, not {least} to {most}", HINT)
    return value


def _number(key: str, value: Value, row: Field) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise KgptError(f"the field {key!r} is {_shown(value)}, not a number", HINT)
    if not abs(value) <= _F32_MAX:
        raise KgptError(f"the field {key!r} is {value}, not a finite number", HINT)
    number = float(struct.unpack("<f", struct.pack("<f", float(value)))[0])
    if row.kind == "POSITIVE" and not number > 0:
        raise KgptError(f"the field {key!r} is {value}, not a positive number", HINT)
    if row.kind == "NUMBER" and not row.least <= number <= row.most:
        raise KgptError(f"the field {key!r} is {value}, not {row.least:g} to {row.most:g}", HINT)
    return number


def _shown(value: Value) -> str:
    """A value in a message: an array without its items."""
    return "an array" if isinstance(value, (Numbers, tuple)) else repr(value)[:80]
