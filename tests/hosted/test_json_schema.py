"""What a JSON schema lets through is JSON, and valid for it: compared with Python's jsonschema."""

from __future__ import annotations

import importlib
import json
import re
import unicodedata
from typing import Any

import grammars
import pytest
from grammars import Grammars, Schemas
from refusals import lacks


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Grammars:
    folder = tmp_path_factory.mktemp("grammars")
    return Grammars(grammars.build(folder), folder)


_FORMATS = {
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}


def validator(schema: Any) -> Any:
    """Checks formats too, dates by the calendar."""
    jsonschema = importlib.import_module("jsonschema")
    checker = jsonschema.FormatChecker(formats=("date", "uuid"))
    for name, pattern in _FORMATS.items():
        if name not in ("date", "uuid"):
            checker.checks(name)(
                lambda value, pattern=pattern: not isinstance(value, str) or bool(re.fullmatch(pattern, value))
            )
    of = jsonschema.Draft202012Validator
    of.check_schema(schema)
    return of(schema, format_checker=checker)


def parsed(text: bytes) -> Any:
    """JSON as strict readers take it: no lone surrogates, no NaN, no number beyond a double."""
    value = json.loads(text.decode(), parse_constant=_refused)
    assert not any(unicodedata.category(char) == "Cs" for char in json.dumps(value, ensure_ascii=False))
    return value


def _refused(name: str) -> Any:
    raise ValueError(name)


def run_schemas(engine: Grammars, seeds: range) -> int:
    """How many texts of random schemas were whole. All of them are valid; the others ended for want of tokens."""
    whole = 0
    for seed in seeds:
        schema = Schemas(seed).schema()
        assert engine.read_schema(schema) == 0, (seed, schema, engine.error)
        reason, text = engine.reply(seed)
        assert reason in ("eos", "max_tokens"), (seed, schema, text, reason)
        if reason == "eos":
            errors = [error.message for error in validator(schema).iter_errors(parsed(text))]
            assert errors == [], (seed, schema, text)
            whole += 1
    return whole


def test_random_schemas(engine: Grammars) -> None:
    assert run_schemas(engine, range(250)) >= 200


@pytest.mark.slow
def test_ten_thousand_random_schemas(engine: Grammars) -> None:
    assert run_schemas(engine, range(1000, 11_000)) >= 8000


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"uniqueItems": True, "type": "array"}, '"uniqueItems" not supported'),
        ({"type": "integer", "multipleOf": 3}, '"multipleOf" not supported'),
        ({"type": "object", "patternProperties": {}}, '"patternProperties" not supported'),
        ({"type": "object", "minProperties": 1}, '"minProperties" not supported'),
        ({"not": {"type": "string"}}, '"not" not supported'),
        ({"if": {}, "then": {}}, '"if" not supported'),
        ({"allOf": [{}, {}]}, '"allOf" one schema only'),
        ({"anyOf": [{}], "minLength": 3}, '"minLength" beside "anyOf" not supported'),
        ({"type": "object", "anyOf": [{"type": "string"}]}, '"type" beside "anyOf" not supported'),
        ({"anyOf": [{}], "oneOf": [{}]}, '"oneOf" beside "anyOf"'),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf both valid"),
        ({"oneOf": [{"const": 1}, {"const": 1.0}]}, "oneOf both valid"),
        ({"enum": ["a"], "minLength": 3}, '"minLength" beside "enum" not supported'),
        ({"enum": ["a"], "type": "integer"}, '"enum" no value type'),
        ({"const": "a", "type": "integer"}, '"const" beside "type"'),
        ({"$ref": "#/$defs/x", "minimum": 1}, '"minimum" beside "$ref"'),
        ({"$ref": "#/$defs/x"}, 'there is no "#/$defs/x"'),
        ({"$ref": "other.json"}, 'there is no "other.json"'),
        ({"$ref": "#"}, '"$ref" itself'),
        ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, '"$ref" itself'),
        ({"type": "strin"}, 'no type "strin"'),
        ({"type": []}, '"type" empty list'),
        ({"type": "string", "format": "email"}, 'format "email" not supported'),
        ({"type": "string", "pattern": "a", "maxLength": 3}, "only one supported"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, '"minLength" above "maxLength"'),
        ({"type": "string", "minLength": -1}, '"minLength" whole number'),
        ({"type": "number", "minimum": 0.5}, '"minimum" without a fraction'),
        ({"type": "number", "maximum": 1e30}, '"maximum" digits exponent'),
        ({"type": "number", "maximum": 10**14}, "bounds at most 1000000000"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no number between"),
        ({"type": "integer", "exclusiveMinimum": 2, "exclusiveMaximum": 3}, "no number between"),
        ({"type": "array", "items": [{}]}, '"items" one schema "prefixItems"'),
        ({"type": "array", "prefixItems": [{}], "items": False, "minItems": 2}, '"minItems" more'),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, '"a" required none of the properties'),
        ({"type": "object", "properties": {"a": {"properties": {"b": {"contains": {}}}}}}, 'at "b" "contains"'),
        ({"type": "object", "properties": {"a": False}}, 'at "a" false lets no value'),
        (7, "a schema is an object"),
        (False, "false lets no value"),
        *(
            ({"type": "string", "pattern": pattern}, f'"pattern" {words}')
            for pattern, words in (
                ("a^b", "^ $ ends of the whole pattern"),
                ("(?=a)", "only (?: supported"),
                ("(a", "closing parenthesis"),
                ("a)", "no group open"),
                ("[a", "closing bracket"),
                ("\\bx", "escape not supported"),
                ("(a)\\1", "escape not supported"),
                ("*a", "repeats nothing"),
                ("a{2,1}", "{m} {m,} {m,n}"),
                ("a{2000}", "up to 1000"),
                ("\\ud800", "surrogate"),
                ("[z-a]", "range"),
            )
        ),
    ],
    ids=str,
)
def test_what_is_refused_by_name(engine: Grammars, schema: Any, message: str) -> None:
    assert engine.read_schema(schema) == 1
    assert engine.error.startswith("the JSON schema")
    assert not lacks(engine.error, message)


@pytest.mark.parametrize("text", ['{"type": "object",}', "{", "", "nul", '{"a": "\x01"}', '{"a": "\\ud800"}'])
def test_what_is_no_json(engine: Grammars, text: str) -> None:
    assert engine.read(text, schema=True) == 1
    assert not lacks(engine.error, "JSON schema, byte")


def test_numbers_between_bounds(engine: Grammars) -> None:
    """All whole numbers of small ranges, and numbers near the bounds."""
    for low, high in ((0, 0), (-3, 12), (7, 123), (-120, -98), (99, 1001), (-5, 0), (0, 5), (199, 200), (9, 10)):
        for without in (False, True):
            names = ("exclusiveMinimum", "exclusiveMaximum") if without else ("minimum", "maximum")
            schema = dict(zip(names, (low, high), strict=True))
            if without and high - low < 2:
                continue
            assert engine.read_schema({"type": "integer", **schema}) == 0, engine.error
            inside = range(low + without, high + 1 - without)
            for value in range(low - 130, high + 130):
                assert (engine.match(str(value).encode()) == "whole") == (value in inside), (low, high, value)
            assert engine.match(b"00") == engine.match(b"01") == engine.match(b"1.0") == "no"
            assert engine.read_schema({"type": "number", **schema}) == 0, engine.error
            valid = validator({"type": "number", **schema})
            for value in range(low * 10 - 25, high * 10 + 25):
                text = f"{value / 10:.1f}" if value >= 0 or value % 10 else f"{value // 10}.0"
                assert (engine.match(text.encode()) == "whole") == valid.is_valid(float(text)), (low, high, text)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (
            {"properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": {}}, "required": ["b"]},
            ['{"b":null}', '{"a":1,"b":null}', '{ "b": null, "c": {"x": []}}', '{\n  "a":0\n,\n "b":null\n}'],
            ["{}", '{"a":1}', '{"b":null,"a":1}', '{"b":null,"d":1}', '{"b":null,}', '{"b":null}}', '{"a":1 "b":null}'],
        ),
        (
            {"type": "object", "properties": {"ab": {}, "abc": {}}, "additionalProperties": {"type": "null"}},
            ['{"ab":1,"x":null}', '{"a":null}', '{"":null}', '{"abd":null,"abcd":null}', '{"ab":1,"abc":2}', "{}"],
            ['{"x":1}', '{"x":null,"ab":1}', '{"\\u0061b":null}', '{"abc":1,"ab":2}'],
        ),
        (
            {"type": "array", "items": {"enum": [1, "x"]}, "minItems": 1, "maxItems": 3},
            ["[1]", '[ "x" , 1,\n1]', '["x","x"]'],
            ["[]", "[1,1,1,1]", "[2]", "[1,]", "[,1]", '[1"x"]'],
        ),
        (
            {"prefixItems": [{"type": "null"}, {"type": "boolean"}], "items": {"const": "z"}, "minItems": 1},
            ["[null]", "[null,true]", '[null,false,"z","z"]'],
            ["[]", "[true]", '[null,"z"]', '[null,true,"y"]'],
        ),
        (
            {"$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "$ref": "#/$defs/tree"},
            ["[]", "[[],[[]]]"],
            ["[[]", "[1]", "[[],]"],
        ),
        (
            {"type": "string", "maxLength": 2},
            ['""', '"ab"', '"\\n\\u00e9"', '"日😀"', '"\\""'],
            ['"abc"', "ab", '"\\ud83d\\ude00"', '"\n"', '"\\x"'],
        ),
        (
            {"type": "string", "format": "date"},
            ['"2024-02-29"', '"1999-12-31"', '"2000-02-29"'],
            ['"2023-02-29"', '"1900-02-29"', '"2024-13-01"', '"2024-04-31"', '"24-01-01"'],
        ),
        ({"const": {"k": [1, "é\n"], "l": None}}, ['{"k":[1,"é\\n"],"l":null}'], ['{"k":[1,"é"],"l":null}', "{}"]),
        (
            {"oneOf": [{"type": "object", "properties": {"t": {"const": c}}, "required": ["t"]} for c in "ab"]},
            ['{"t":"a"}', '{"t":"b"}'],
            ['{"t":"c"}', "{}"],
        ),
        ({"type": ["integer", "null"], "maximum": 3}, ["3", "null", "-999"], ["4", '"x"', "3.5"]),
        (True, ["[1e5, -0.5]", '{"a":{"b":null}}', "true"], ["1e400", "01", "[1,]", "nul", "+1", "NaN", "1e"]),
    ],
    ids=str,
)
def test_what_is_let_through(engine: Grammars, schema: Any, good: list[str], bad: list[str]) -> None:
    """Wholly; and nothing else. jsonschema agrees with what is."""
    assert engine.read_schema(schema) == 0, engine.error
    for text in good:
        assert engine.match(text.encode()) == "whole", text
        assert validator(schema).is_valid(json.loads(text)), text
    for text in bad:
        assert engine.match(text.encode()) != "whole", text


def test_masks_are_what_the_bytes_say(engine: Grammars) -> None:
    """Along texts of several grammars, for every token of the vocabulary, and for the end."""
    for seed in range(12):
        assert engine.read_schema(Schemas(seed).schema()) == 0, engine.error
        engine.match(b"")
        for step in range(40):
            wrong, allowed = engine.wrong_bits()
            assert (wrong, allowed > 0) == (0, True), (seed, step)
            if not engine.go_on(seed * 31 + step * 17):
                break


def test_a_schema_that_no_memory_holds(engine: Grammars) -> None:
    """With any memory it is read, or refused as too long; nothing lies outside of it."""
    schema = json.dumps(Schemas(5).schema())
    found = {engine.read(schema, schema=True, room=room) for room in range(64, 400_000, 7411)}
    assert found == {0, 2}
    many = {"enum": [f"value number {i}" for i in range(3000)]}
    assert engine.read_schema(many) == 0, engine.error
    assert engine.match(b'"value number 2999"') == "whole"
    assert engine.read_schema({"enum": [f"{'x' * 100}{i}" for i in range(20_000)]}) == 2
    assert not lacks(engine.error, "too long memory")


def test_deep_values_end_in_time(engine: Grammars) -> None:
    """Rules are nested at most so deep that every reader of JSON can follow."""
    assert engine.read_schema({}) == 0
    assert engine.match(b"[" * 200 + b"]" * 200) == "whole"
    assert engine.match(b"[" * 2000) == "no"
