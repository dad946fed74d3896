"""kgpt serve, with the real client of Ollama's API."""

from __future__ import annotations

import datetime
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from chats import write_talker
from hosted import Hosted
from serving import NAME, Server, also_sanitized, request, serving, talker_modules

ollama = pytest.importorskip("ollama")

SAID = [{"role": "user", "content": "hello"}]
OPTIONS = {"seed": 5, "num_predict": 9}
TAGGED = f"{NAME}:latest"


pytest_generate_tests = also_sanitized
SANITIZED = {
    "test_a_chat_says_what_that_of_openai_says",
    "test_what_is_refused",
    "test_embeddings",
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return talker_modules(write_talker(tmp_path_factory.mktemp("ollama"), n_ctx=512))


@pytest.fixture(scope="module")
def server(without_model: Hosted, modules: tuple[str, ...]) -> Iterator[Server]:
    with serving(without_model, modules, "slots=2 queue=4 ctx=512 max_tokens=12") as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    return ollama.Client(host=server.url)


def test_what_is_served(server: Server, client: Any) -> None:
    assert server.ask("GET", "/").body == b"Ollama is running"
    assert server.ask("HEAD", "/").status == 200
    assert server.ask("GET", "/api/version").json()["version"].count(".") == 2
    (listed,) = client.list().models
    assert (listed.model, listed.details.family, listed.details.format) == (TAGGED, "llama", "gguf")
    assert listed.size > 0
    assert len(listed.digest) == 64
    assert listed.modified_at.tzinfo is not None
    (running,) = client.ps().models
    assert running.model == TAGGED
    assert running.context_length == 512
    shown = client.show(TAGGED)
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["llama.context_length"] == 512
    assert "completion" in shown.capabilities
    assert client.show(NAME).details == shown.details
    with pytest.raises(ollama.ResponseError, match="model 'llama3' not found") as caught:
        client.show("llama3")
    assert caught.value.status_code == 404


def test_a_chat_says_what_that_of_openai_says(server: Server, client: Any) -> None:
    same = server.chat(seed=5, max_tokens=9).json()["choices"][0]["message"]["content"]
    whole = client.chat(TAGGED, SAID, options=OPTIONS)
    assert (whole.message.role, whole.message.content) == ("assistant", same)
    assert (whole.done, whole.done_reason, whole.eval_count) == (True, "length", 9)
    assert whole.prompt_eval_count > 0
    assert whole.total_duration >= whole.eval_duration > 0
    parts = list(client.chat(NAME, SAID, options=OPTIONS, stream=True))
    assert "".join(part.message.content for part in parts) == same
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len(parts) > 3
    assert parts[-1].eval_count == 9
    assert datetime.datetime.fromisoformat(whole.created_at).tzinfo is not None


def test_a_stream_is_the_default_and_has_a_line_for_each_object(server: Server) -> None:
    answer = server.ask("POST", "/api/chat", json.dumps({"model": NAME, "messages": SAID}).encode())
    assert answer.fields["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert lines[-1]["done"]
    assert len(lines) > 3


def test_a_prompt_is_a_message_or_raw_text(server: Server, client: Any) -> None:
    chat = client.chat(NAME, SAID, options=OPTIONS).message.content
    assert client.generate(NAME, "hello", options=OPTIONS).response == chat
    system = [{"role": "system", "content": "be short"}, *SAID]
    told = client.generate(NAME, "hello", system="be short", options=OPTIONS)
    assert told.response == client.chat(NAME, system, options=OPTIONS).message.content
    raw = client.generate(NAME, "hello", raw=True, options=OPTIONS)
    assert raw.prompt_eval_count < told.prompt_eval_count
    parts = list(client.generate(NAME, "hello", raw=True, options=OPTIONS, stream=True))
    assert "".join(part.response for part in parts) == raw.response
    stop = raw.response[2:4]
    cut = client.generate(NAME, "hello", raw=True, options={**OPTIONS, "stop": [stop]})
    assert (cut.response, cut.done_reason) == (raw.response.split(stop)[0], "stop")


def test_a_reply_within_a_schema(client: Any) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    schema["additionalProperties"] = False
    options = {"seed": 3, "num_predict": 200}
    assert isinstance(json.loads(client.chat(NAME, SAID, format=schema, options=options).message.content)["ok"], bool)
    assert isinstance(json.loads(client.generate(NAME, "hello", format=schema, options=options).response)["ok"], bool)
    start = client.generate(NAME, "hello", format="json", options={**options, "num_predict": 5}).response
    assert start.lstrip().startswith("{")


def test_no_message_loads_the_model(client: Any) -> None:
    assert client.chat(NAME, []).done_reason == "load"
    loaded = client.generate(NAME)
    assert (loaded.done, loaded.response, loaded.done_reason) == (True, "", "load")


def test_embeddings(server: Server, client: Any) -> None:
    both = client.embed(NAME, ["hello", "something else"])
    assert len(both.embeddings) == 2
    assert both.prompt_eval_count > 2
    assert sum(x * x for x in both.embeddings[0]) == pytest.approx(1, abs=1e-5)
    assert client.embed(NAME, "hello").embeddings == both.embeddings[:1]
    assert client.embeddings(NAME, "hello").embedding == both.embeddings[0]
    assert len(client.embed(NAME, "x" * 2000).embeddings) == 1  # cut to the context
    with pytest.raises(ollama.ResponseError, match="longer than the context"):
        client.embed(NAME, "x" * 2000, truncate=False)
    server.waits_for(lambda: server.ask("GET", "/health").status == 200)


@pytest.mark.parametrize(
    ("path", "fields", "word"),
    [
        ("chat", {"messages": SAID}, "model"),
        ("chat", {"model": NAME, "messages": "x"}, "messages"),
        ("chat", {"model": NAME, "messages": SAID, "tools": [{}]}, "tools"),
        ("chat", {"model": NAME, "messages": SAID, "stream": 1}, "stream"),
        ("chat", {"model": NAME, "messages": SAID, "options": {"num_predict": 0}}, "num_predict"),
        ("chat", {"model": NAME, "messages": SAID, "options": {"temperature": "hot"}}, "temperature"),
        ("chat", {"model": NAME, "messages": SAID, "format": "xml"}, "format"),
        ("chat", {"model": NAME, "messages": SAID, "format": {"type": "no type"}}, "type"),
        ("generate", {"model": NAME, "prompt": 1}, "prompt"),
        ("generate", {"model": NAME, "prompt": "x", "images": ["AAAA"]}, "images"),
        ("embed", {"model": NAME}, "input"),
        ("embed", {"model": NAME, "input": [{}]}, "input"),
    ],
)
def test_what_is_refused(server: Server, path: str, fields: dict[str, Any], word: str) -> None:
    answer = server.post(f"/api/{path}", **fields)
    assert answer.status == 400
    assert word in answer.json()["error"]


def test_a_client_that_hangs_up_ends_its_reply(server: Server) -> None:
    body = json.dumps({"model": NAME, "messages": SAID, "options": {"num_predict": -1, "seed": 1}}).encode()
    with server.wire() as wire:
        wire.send(request("POST", "/api/chat", body))
        wire.socket.recv(100)
        wire.socket.shutdown(socket.SHUT_RDWR)
    server.waits_for(lambda: not any(slot["is_processing"] for slot in server.ask("GET", "/slots").json()))
