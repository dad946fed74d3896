"""docs/api-fields.md, cell by cell: each field and each endpoint does what the tables say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_cases import FOLDER
from chats import write_talker
from hosted import Hosted
from serving import NAME, Answer, Server, serving, talker_modules

PAGE = (Path(__file__).parents[2] / "docs" / "api-fields.md").read_text(encoding="utf-8")
TABLES = {
    title: re.findall(r"^\| `(.+?)` \| .* \| (\w+)[^|]*\|$", body, re.MULTILINE)
    for title, body in (section.split("\n", 1) for section in PAGE.split("\n## ")[1:])
}
CELLS = [(title, field, word) for title, rows in TABLES.items() if title != "Endpoints" for field, word in rows]
TEXT = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "f"}}
BASE: dict[str, dict[str, Any]] = {
    "POST /v1/chat/completions": {"messages": TEXT, "max_tokens": 3, "seed": 1},
    "POST /v1/completions": {"prompt": "x", "max_tokens": 3, "seed": 1},
    "POST /v1/embeddings": {"input": "x"},
    "POST /api/chat": {"model": NAME, "messages": TEXT, "stream": False, "options": {"num_predict": 3, "seed": 1}},
    "POST /api/generate": {"model": NAME, "prompt": "x", "stream": False, "options": {"num_predict": 3, "seed": 1}},
    "POST /api/embed": {"model": NAME, "input": "x"},
    "POST /tokenize": {"content": "x"},
}
GOOD: dict[str, Any] = {
    "model": NAME, "messages": TEXT, "prompt": "y", "input": ["y", "z"], "content": "y", "stop": ["q"], "n": 2,
    "best_of": 1, "logit_bias": {"70": 5}, "logprobs": True, "response_format": {"type": "json_object"},
    "stream_options": {"include_usage": True}, "tools": [TOOL], "tool_choice": "auto", "reasoning_effort": "none",
    "grammar": 'root ::= "a"', "json_schema": {"type": "boolean"}, "n_predict": -1, "num_predict": -1, "think": False,
    "format": "json", "system": "be brief", "encoding_format": "base64", "dimensions": 4, "seed": 5,
    "max_tokens": 2, "max_completion_tokens": 2, "top_k": 3, "repeat_last_n": 3, "samplers": ["top_k"], "lora": [{}],
    "audio": {}, "modalities": ["text", "audio"], "function_call": {"name": "f"}, "functions": [{}],
    "web_search_options": {}, "suffix": "x", "images": ["AAAA"], "template": "x", "tfs_z": 0.5,
    "stream": False, "raw": True, "truncate": False, "add_special": True, "parse_special": False, "with_pieces": True,
    "parallel_tool_calls": False, "repeat_penalty": 1.1, "top_logprobs": 2,
}  # fmt: skip
"""Values that work, or would change the answer; others are 0.5."""
BAD: dict[str, tuple[Any, str]] = {
    "stream_options": ({"include_usage": 1}, "include_usage"), "tools": ({}, "tools"), "prompt": (1, "prompt"),
    "messages": ("x", "messages"), "input": (1, "input"), "content": (1, "content"), "best_of": (2, "best_of"),
    "response_format": ({"type": "xml"}, "response_format"), "json_schema": ({"type": "x"}, "json_schema"),
    "grammar": ("root ::= [", "grammar"), "encoding_format": ("x", "encoding_format"), "think": ([], "think"),
    "format": ("xml", "format"), "model": (1, "model"),
}  # fmt: skip
"""Values that are not possible, and the name in the error; for others an object in a list."""


@pytest.fixture(scope="module")
def server(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    template = (FOLDER / "qwen3.jinja").read_text()
    modules = talker_modules(write_talker(tmp_path_factory.mktemp("fields"), n_ctx=2048, template=template))
    with serving(without_model, modules, "slots=2 queue=4 ctx=2048 max_tokens=8") as found:
        yield found


def ask(server: Server, title: str, field: str = "", value: Any = None) -> Answer:
    """The request of an endpoint, with ``value`` in ``field``."""
    body = json.loads(json.dumps(BASE[title]))
    *above, name = field.split(".")
    place = body.setdefault(above[0], {}) if above else body
    if field:
        place[name] = value
    if name == "top_logprobs" and title.startswith("POST /v1"):
        body["logprobs"] = True
    return server.post(title.removeprefix("POST "), **body)


def complaint(answer: Answer) -> str:
    """What an error says it is about."""
    assert answer.status == 400, answer.body
    error = answer.json()["error"]
    return error if isinstance(error, str) else f"{error['param']} {error['message']}"


def without_times(answer: Answer) -> Any:
    """An answer, without what differs from request to request."""
    assert answer.status == 200, answer.body
    found = answer.json()
    for name in [name for name in found if name in ("id", "created", "created_at", "usage") or "duration" in name]:
        del found[name]
    return found


def test_the_tables_have_every_field_of_the_clients() -> None:
    """Those of OpenAI's and Ollama's own libraries."""
    chat = pytest.importorskip("openai.types.chat.completion_create_params").CompletionCreateParamsBase
    text = pytest.importorskip("openai.types.completion_create_params").CompletionCreateParamsBase
    embedding = pytest.importorskip("openai.types.embedding_create_params").EmbeddingCreateParams
    theirs = pytest.importorskip("ollama._types")
    known = {title: {field for field, _ in rows} for title, rows in TABLES.items()}
    assert set(chat.__annotations__) <= known["POST /v1/chat/completions"]
    assert set(text.__annotations__) <= known["POST /v1/completions"]
    assert set(embedding.__annotations__) == known["POST /v1/embeddings"]
    options = {f"options.{name}" for name in theirs.Options.model_fields}
    assert {*theirs.ChatRequest.model_fields, *options} - {"options"} <= known["POST /api/chat"]
    assert set(theirs.GenerateRequest.model_fields) - {"options"} <= known["POST /api/generate"]
    assert set(theirs.EmbedRequest.model_fields) == known["POST /api/embed"]


def test_the_tables_are_read() -> None:
    assert set(TABLES) == {*BASE, "Endpoints"}
    assert {word for _, _, word in CELLS} == {"works", "ignored", "refused"}
    assert len(CELLS) == PAGE.count("\n| `") - len(TABLES["Endpoints"]) > 150


@pytest.mark.parametrize(("title", "field", "word"), CELLS)
def test_a_field_does_what_its_cell_says(server: Server, title: str, field: str, word: str) -> None:
    name = field.rpartition(".")[2]
    good = 2 if (title, name) == ("POST /v1/completions", "logprobs") else GOOD.get(name, 0.5)
    if word == "refused":
        assert name in complaint(ask(server, title, field, good))
    elif word == "ignored":
        plain = without_times(ask(server, title))
        nonsense: list[Any] = [good, [{}], "nonsense"]
        for value in nonsense:
            assert without_times(ask(server, title, field, value)) == plain
    else:
        assert ask(server, title, field, good).status == 200
        value, about = BAD.get(name, ([{}], name))
        assert about in complaint(ask(server, title, field, value))


@pytest.mark.parametrize(("endpoint", "word"), TABLES["Endpoints"])
def test_an_endpoint_is_there_or_not(server: Server, endpoint: str, word: str) -> None:
    method, path = endpoint.split()
    body = json.dumps({"model": NAME, "messages": TEXT, "input": "x", "prompt": "x", "content": "x", "tokens": [70]})
    answer = server.ask(method, path, body.encode() if method == "POST" else None)
    assert answer.status == (200 if word == "works" else 404)
