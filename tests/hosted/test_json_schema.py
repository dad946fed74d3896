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
@pytest.mark.timeout(3600)
def test_ten_thousand_random_schemas(engine: Grammars) -> None:
    assert run_schemas(engine, range(1000, 11_000)) >= 8000
