"""Models as JSON: microgpt's ``state_dict`` (name -> rows of numbers) with its characters.

``{"chars": "abc…", "state_dict": {name: rows}, "n_head": 4}``, or the tensors beside ``chars`` without ``state_dict``.
The other hyperparameters follow from the shapes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from kgpt_build.errors import KgptError
from kgpt_build.models.model import FloatArray, Hyperparameters, Model, clean_name
from kgpt_build.models.tokenizer import CharTokenizer
from kgpt_build.words import shown

DEFAULT_N_HEAD = 4  # microgpt's

_OPTIONS = ("name", "arch", "n_head", "block_size", "norm_eps")
_HINT = 'a model is {"chars": "abc…", "state_dict": {"wte": [[…], …], …}, "n_head": 4}'


def load_json(path: Path) -> Model:
    """Read the model in ``path``. Raises KgptError for any fault; the message does not name the path."""
    document = _parse(path)
    tensors = {name: _to_tensor(name, rows) for name, rows in _state_dict(document).items()}
    for name in ("wte", "wpe", "lm_head"):
        if name not in tensors:
            raise KgptError(f"the tensor {shown(name)} is missing", _HINT)
    n_layer = _count_layers(tensors)
    n_ctx = _integer(document, "block_size", tensors["wpe"].shape[0])
    n_head = _integer(document, "n_head", DEFAULT_N_HEAD)
    hparams = Hyperparameters(
        n_vocab=tensors["wte"].shape[0],
        n_ctx=n_ctx,
        n_embd=tensors["wte"].shape[1],
        n_layer=n_layer,
        n_head=n_head,
        n_head_kv=n_head,
        n_ff=tensors["layer0.mlp_fc1"].shape[0] if "layer0.mlp_fc1" in tensors else 4 * tensors["wte"].shape[1],
        norm_eps=_fraction(document, "norm_eps", 1e-5),
    )
    name = _text(document, "name", path.stem)
    return Model(clean_name(name), _text(document, "arch", "microgpt"), hparams, _tokenizer(document), tensors)


def _parse(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_distinct)
    except UnicodeDecodeError as error:
        raise KgptError(f"neither GGUF nor UTF-8 text (byte {error.start})", "give a .gguf or .json file") from None
    except json.JSONDecodeError as error:
        raise KgptError(f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}", _HINT) from None
    except (RecursionError, ValueError) as error:  # thousands of nested brackets; a number with thousands of digits
        raise KgptError(f"not a model: {error}", _HINT) from None
    if not isinstance(document, dict):
        raise KgptError("the JSON is not an object", _HINT)
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise KgptError(f"the key {shown(key)} occurs twice", _HINT)
        result[key] = value
    return result


def _state_dict(document: dict[str, Any]) -> dict[str, Any]:
    if "chars" not in document:
        raise KgptError("the key 'chars' is missing", _HINT)
    if "state_dict" not in document:
        return {key: value for key, value in document.items() if key != "chars" and key not in _OPTIONS}
    state_dict = document["state_dict"]
    unknown = sorted(set(document) - {"chars", "state_dict", *_OPTIONS})
    if unknown:
        raise KgptError(
            f"the key {shown(unknown[0])} is unknown", f"beside chars and state_dict there may be {', '.join(_OPTIONS)}"
        )
    if not isinstance(state_dict, dict):
        raise KgptError("'state_dict' is not an object of name: rows", _HINT)
    return state_dict


def _tokenizer(document: dict[str, Any]) -> CharTokenizer:
    chars = document["chars"]
    if not isinstance(chars, (str, list)) or not all(isinstance(char, str) for char in chars):
        raise KgptError("'chars' is neither a text nor a list of texts", _HINT)
    return CharTokenizer(tuple(chars))


def _integer(document: dict[str, Any], key: str, default: int) -> int:
    value = document.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise KgptError(f"{shown(key)} is {shown(value)}, not a whole number", _HINT)
    return value


def _text(document: dict[str, Any], key: str, default: str) -> str:
    value = document.get(key, default)
    if not isinstance(value, str):
        raise KgptError(f"{shown(key)} is {shown(value)}, not a text", _HINT)
    return value


def _fraction(document: dict[str, Any], key: str, default: float) -> float:
    value = document.get(key, default)
    if not isinstance(value, float):
        raise KgptError(f"{shown(key)} is {shown(value)}, not a fraction", _HINT)
    return value


def _count_layers(tensors: dict[str, FloatArray]) -> int:
    indices = [int(match[1]) for name in tensors if (match := re.match(r"layer(0|[1-9][0-9]{0,5})\.", name, re.ASCII))]
    return max(indices, default=-1) + 1


def _to_tensor(name: str, rows: Any) -> FloatArray:
    """``rows`` as (rows, columns) f32. Raises KgptError for anything but equally long lists of numbers."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        raise KgptError(f"the tensor {shown(name)} is not a list of rows", _HINT)
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise KgptError(
                f"the tensor {shown(name)} is ragged: row {i} has {len(row)} numbers, row 0 has {len(rows[0])}", _HINT
            )
        for j, value in enumerate(row):
            if type(value) is not float and type(value) is not int:
                raise KgptError(
                    f"the tensor {shown(name)} holds {shown(value)} at row {i}, column {j}, which is not a number",
                    _HINT,
                )
    try:
        with np.errstate(over="ignore"):  # becomes inf, which Model refuses and names
            return np.array(rows, dtype=np.float64).astype(np.float32)
    except OverflowError:
        raise KgptError(f"the tensor {shown(name)} holds a whole number that no float can hold", _HINT) from None
