"""Grammars in the C engine, through tests/hosted/grammar_driver.c, and random JSON schemas."""

from __future__ import annotations

import ctypes
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lm
import lm_tiny
import numpy as np
from native import shared_object
from shell_models import bpe_tokenizer, with_tokenizer

REASONS = ("eos", "max_tokens", "context", "stopped", "stop", "nonfinite", "grammar")
WORDS = ('{"', '":', '", "', '"}', "]}", ": ", ", ", "true", "false", "null", "e1", "\\u00", "été", "日本", "\n\t\t")
"""Tokens of several bytes, among them half of a sign of JSON and half of a character."""
_MEMORY = 64 << 20


class Grammars:
    """A tiny random model, one grammar at a time."""

    def __init__(self, library: ctypes.CDLL, folder: Path, n_ctx: int = 4096, model: Path | None = None) -> None:
        self._library = library
        path = model or write_model(folder / "grammars.gguf", n_ctx)
        data = path.read_bytes()
        self._file, self._memory = lm._aligned(len(data)), lm._aligned(_MEMORY + len(data))
        self._file[:] = np.frombuffer(data, np.uint8)
        self._struct = ctypes.create_string_buffer(library.driver_size())
        where = (*lm._where(self._file), *lm._where(self._memory))
        assert library.driver_open(self._struct, *where, n_ctx) == 0, self.error
        tokens = (ctypes.c_uint32 * 4)(*(library.driver_token(self._struct, text, len(text)) for text in _CLOSING))
        self._favoured = tokens

    @property
    def error(self) -> str:
        message: bytes = self._library.driver_error(self._struct)
        return message.decode()

    def read(self, text: str | bytes, *, schema: bool = False, room: int = 0) -> int:
        """The status of a grammar, 0 if it is good."""
        data = text if isinstance(text, bytes) else text.encode()
        status: int = self._library.driver_read(self._struct, data, ctypes.c_uint64(len(data)), schema, _u64(room))
        return status

    def read_schema(self, schema: object) -> int:
        return self.read(json.dumps(schema), schema=True)

    def reply(self, seed: int, most: int = 1500, temperature: float = 1.0) -> tuple[str, bytes]:
        """Why it ended, and its text. Quotes and closing brackets are likelier, so that most texts end."""
        reason = self._library.driver_reply(
            self._struct, _u64(seed), ctypes.c_float(temperature), most, self._favoured, 4
        )
        assert reason >= 0, self.error
        text = ctypes.c_char_p()
        n = self._library.driver_text(self._struct, ctypes.byref(text))
        return REASONS[reason], ctypes.string_at(text, n)

    def match(self, text: bytes) -> str:
        """``no``; ``part``: of a text that fits; ``whole``."""
        return ("no", "part", "whole")[self._library.driver_match(self._struct, text, _u64(len(text)))]

    def wrong_bits(self) -> tuple[int, int]:
        """Bits of the mask that are wrong, and how many tokens are allowed."""
        allowed = ctypes.c_uint32()
        return self._library.driver_wrong_bits(self._struct, ctypes.byref(allowed)), allowed.value

    def go_on(self, choice: int) -> bool:
        """Take an allowed token."""
        return bool(self._library.driver_go_on(self._struct, choice))

    def walk(self, text: bytes) -> int:
        """Make a mask before each token of a text. How many there were."""
        n: int = self._library.driver_walk(self._struct, text, _u64(len(text)))
        return n

    def sizes(self) -> tuple[int, ...]:
        """Operations, sets of bytes, counters, classes of bytes."""
        sizes = (ctypes.c_uint32 * 4)()
        self._library.driver_grammar_sizes(self._struct, sizes)
        return tuple(sizes)


_CLOSING = (b"}", b"]", b'"', b",")


def build(folder: Path) -> ctypes.CDLL:
    """Compile the library."""
    library = shared_object(folder, ["tests/hosted/grammar_driver.c", *lm.engine_sources(folder)], include=folder)
    for name in ("size", "text"):
        getattr(library, f"driver_{name}").restype = ctypes.c_uint64
    library.driver_error.restype = ctypes.c_char_p
    library.driver_go_on.restype = ctypes.c_bool
    return library


def write_model(path: Path, n_ctx: int) -> Path:
    """A model of every byte and of WORDS."""
    tokenizer = bpe_tokenizer(range(256), WORDS)
    shape: dict[str, Any] = {"n_embd": 4, "n_layer": 1, "n_head": 2, "n_head_kv": 1, "n_ff": 3, "head_dim": 4}
    n_vocab = len(tokenizer["tokenizer.ggml.tokens"])
    lm_tiny.write(path, lm_tiny.TINY["llama"], n_vocab=n_vocab, fields={"context_length": n_ctx}, **shape)
    path.write_bytes(with_tokenizer(path.read_bytes(), tokenizer))
    return path


def _u64(value: int) -> ctypes.c_uint64:
    return ctypes.c_uint64(value)


class Schemas:
    """Random schemas of what docs/constrained.md lists."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._defs: dict[str, Any] = {}

    def schema(self) -> dict[str, Any]:
        """A whole schema, perhaps one that refers to itself."""
        self._defs = {f"d{i}": None for i in range(self._random.randrange(3))}
        schema = self._of(3)
        for name in self._defs:
            self._defs[name] = self._of(2)
        if self._random.random() < 0.3:
            node = {"type": "object", "properties": {"v": schema, "n": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
            schema = {**node, "required": ["v", "n"], "additionalProperties": False}
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": self._defs, **schema}

    def _of(self, depth: int) -> dict[str, Any]:
        leaves: list[Callable[[int], dict[str, Any]]] = [
            self._string,
            self._integer,
            self._number,
            self._constants,
            self._types,
        ]
        nodes: list[Callable[[int], dict[str, Any]]] = [
            self._object,
            self._object,
            self._list,
            self._tuple,
            self._any_of,
            self._one_of,
            self._ref,
        ]
        make = self._random.choice(leaves if depth == 0 else leaves + nodes + nodes)
        schema = make(depth - 1)
        if self._random.random() < 0.2:
            schema = {"description": "x", "default": None, **schema}
        return schema

    def _string(self, _: int) -> dict[str, Any]:
        r = self._random
        least = r.randrange(6)
        return r.choice(
            [
                {"type": "string"},
                {"type": "string", "minLength": least, "maxLength": least + r.randrange(40)},
                {"type": "string", "maxLength": r.randrange(5)},
                {"type": "string", "format": r.choice(["date", "time", "date-time", "uuid"])},
                {"type": "string", "pattern": r.choice(PATTERNS)},
            ]
        )

    def _integer(self, _: int) -> dict[str, Any]:
        return {"type": "integer", **self._bounds(r"integer")}

    def _number(self, _: int) -> dict[str, Any]:
        return {"type": "number", **self._bounds("number")}

    def _bounds(self, kind: str) -> dict[str, Any]:
        r = self._random
        low = r.choice([0, 1, -1, r.randrange(-200, 200), r.randrange(-(10**8), 10**8)])
        high = low + r.choice([2, 3, 10, 99, 1000, 12345678])
        bounds: dict[str, Any] = {}
        if r.random() < 0.6:
            bounds[r.choice(["minimum", "exclusiveMinimum"])] = low + (
                0.5 if kind == "integer" and r.random() < 0.2 else 0
            )
        if r.random() < 0.6:
            bounds[r.choice(["maximum", "exclusiveMaximum"])] = high
        return bounds

    def _constants(self, _: int) -> dict[str, Any]:
        r = self._random
        values = [None, True, 1, -2.5, "a", 'q"\\\n', "é日", [], [1, {"a": None}], {"k": [True]}, 1e3, ""]
        if r.random() < 0.4:
            return {"const": r.choice(values)}
        return {"enum": r.sample(values, r.randrange(1, 5))}

    def _types(self, _: int) -> dict[str, Any]:
        r = self._random
        types = ["null", "boolean", "integer", "number", "string", "array", "object"]
        return r.choice([{}, {"type": r.sample(types, r.randrange(1, 4))}, {"type": r.choice(types)}])

    def _object(self, depth: int) -> dict[str, Any]:
        r = self._random
        names = r.sample(["a", "ab", "b", "é", 'x"y', "", "long name", "日本"], r.randrange(5))
        schema: dict[str, Any] = {"type": "object", "properties": {name: self._of(depth) for name in names}}
        schema["required"] = [name for name in names if r.random() < 0.5]
        schema |= r.choice([{}, {"additionalProperties": False}, {"additionalProperties": self._of(depth)}])
        if "additionalProperties" in schema and schema["additionalProperties"] is not False and r.random() < 0.3:
            schema["required"].append("extra")
        return schema

    def _list(self, depth: int) -> dict[str, Any]:
        r = self._random
        least = r.choice([0, 0, 1, 2])
        schema: dict[str, Any] = {"type": "array", "items": r.choice([self._of(depth), True])}
        schema |= r.choice([{}, {"minItems": least}, {"minItems": least, "maxItems": least + r.randrange(4)}])
        return schema

    def _tuple(self, depth: int) -> dict[str, Any]:
        r = self._random
        n = r.randrange(1, 4)
        schema: dict[str, Any] = {"type": "array", "prefixItems": [self._of(depth) for _ in range(n)]}
        schema |= r.choice([{}, {"items": False}, {"items": self._of(depth)}])
        return schema | r.choice([{}, {"minItems": n}, {"minItems": r.randrange(n + 1), "maxItems": n}])

    def _any_of(self, depth: int) -> dict[str, Any]:
        return {"anyOf": [self._of(depth) for _ in range(self._random.randrange(1, 4))]}

    def _one_of(self, depth: int) -> dict[str, Any]:
        r = self._random
        kinds = [
            {
                "type": "object",
                "properties": {"kind": {"const": kind}, "of": self._of(depth)},
                "required": ["kind", "of"],
            }
            for kind in ("x", "y", 3)
        ]
        apart = [self._string(0), self._integer(0), {"type": "null"}, {"type": "array", "items": self._of(depth)}]
        return {"oneOf": r.sample(r.choice([kinds, apart]), r.randrange(1, 4))}

    def _ref(self, depth: int) -> dict[str, Any]:
        if not self._defs:
            return self._of(max(depth, 0))
        ref = {"$ref": f"#/$defs/{self._random.choice(list(self._defs))}"}
        # Something lies between: a reference to itself alone would never come to a value.
        return {"type": "array", "items": ref, "maxItems": 2}


PATTERNS = (
    "^[a-z]{2,5}$",
    "^\\d{3}-\\d{4}$",
    "a+b?|^c",
    "^(foo|bar)*$",
    "^[^a-z\\d\\s]{1,3}$",
    '^"\\\\[\\x00-\\x1f]$',
    "^\\w+@\\w+\\.(com|org)$",
    "^.{3}$",
    "^\\S\\W\\D$",
    "x(?:y|z){1,3}?$",
    "^[\\u00e0-\\u00ff\\-\\]]+$",
    "é$",
    "^$",
)
