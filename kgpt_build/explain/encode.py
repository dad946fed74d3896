"""Writes a trace as JSON for a page, and reads it again. Arrays are base64 of little-endian numbers."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import KgptError
from kgpt_build.explain.trace import Draw, Layer, Merge, ModelFacts, Source, Token, Trace

FORMAT = "kgpt-trace"
VERSION = 1
_TYPES = {"f32": "<f4", "f16": "<f2", "i32": "<i4"}
_HALVES = ("attention", "q_raw", "k_raw", "q", "k", "v", "attended", "after_attention", "after_mlp")
"""Arrays of a language model that are written as f16 (11 bits of precision), to halve the file."""


def to_json(trace: Trace) -> str:
    """``trace`` as one line of JSON, without "<": it can stand in a script element."""
    halves = () if trace.model.microgpt else _HALVES
    document = {
        "format": FORMAT,
        "version": VERSION,
        "precision": precision(trace),
        **{name: _plain(value, name, halves) for name, value in _fields(trace)},
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def precision(trace: Trace) -> str:
    """A sentence that says what precision the JSON shows."""
    if trace.model.microgpt:
        return "every number is the engine's own single (f32), bit for bit"
    return (
        "logits, probabilities, neurons and lengths are the engine's own singles (f32); attention and vectors are "
        "the engine's rounded to halves (f16), which changes the fourth digit at most"
    )


def from_json(text: str) -> Trace:
    """The trace that ``to_json`` wrote. Halves come back as f32. Raises KgptError for another document."""
    try:
        read = json.loads(text)
        if read["format"] != FORMAT or read["version"] != VERSION:
            raise KgptError("this is another version's trace", "make it again: kgpt explain")
        return _trace({name: _back(value) for name, value in read.items()})
    except (ValueError, KeyError, TypeError) as error:
        raise KgptError(f"this is no trace: {error}", "make one: kgpt explain -o FILE.json") from error


def _fields(value: Any) -> list[tuple[str, Any]]:
    return [(item.name, getattr(value, item.name)) for item in dataclasses.fields(value)]


def _plain(value: Any, name: str, halves: tuple[str, ...]) -> Any:
    """``value`` in types of JSON."""
    if isinstance(value, np.ndarray):
        return array_json(value, name == "attention", half=name in halves)
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value):
        return {key: _plain(item, key, halves) for key, item in _fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, str(key), ()) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, name, halves) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def array_json(values: npt.NDArray[Any], triangle: bool = False, *, half: bool = False) -> dict[str, Any]:
    """An array for a page. ``triangle``: (n, T, T), of which only the values with s <= t are written, row by row."""
    shape = list(values.shape)
    if triangle:
        values = values[:, *np.tril_indices(shape[-1])]
    kind = "i32" if values.dtype.kind in "iu" else "f16" if half else "f32"
    with np.errstate(over="ignore"):  # a half beyond 65,504 is infinite: the page shows that
        data = np.ascontiguousarray(values, _TYPES[kind]).tobytes()
    written = {"type": kind, "shape": shape, "data": base64.b64encode(data).decode("ascii")}
    return {**written, "packed": "lower"} if triangle else written


def _back(value: Any) -> Any:
    if isinstance(value, dict) and "data" in value and "shape" in value:
        return _unpacked(value)
    if isinstance(value, dict):
        return {key: _back(item) for key, item in value.items()}
    return [_back(item) for item in value] if isinstance(value, list) else value


def _unpacked(written: Mapping[str, Any]) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = np.frombuffer(base64.b64decode(written["data"]), _TYPES[written["type"]])
    values = values.astype(np.int32 if written["type"] == "i32" else np.float32)
    shape = tuple(written["shape"])
    if written.get("packed") == "lower":
        whole = np.zeros(shape, values.dtype)
        whole[:, *np.tril_indices(shape[-1])] = values.reshape(shape[0], -1)
        return whole
    return values.reshape(shape)


def _trace(read: dict[str, Any]) -> Trace:
    names = {item.name for item in dataclasses.fields(Trace)}
    known = {name: value for name, value in read.items() if name in names}
    return Trace(
        **known
        | {
            "source": Source(**read["source"]),
            "model": ModelFacts(**read["model"]),
            "tokens": tuple(_token(item) for item in read["tokens"]),
            "layers": tuple(Layer(**item) for item in read["layers"]),
            "draws": tuple(Draw(**item) for item in read["draws"]),
            "pieces": {int(key): text for key, text in read["pieces"].items()},
            "left_out": tuple(read["left_out"]),
        }
    )


def _token(read: dict[str, Any]) -> Token:
    merges = tuple(Merge(bytes.fromhex(m["left"]), bytes.fromhex(m["right"]), m["rank"]) for m in read["merges"])
    return Token(read["id"], bytes.fromhex(read["data"]), read["piece"], merges)
