"""kgpt serve: endpoints of llama.cpp's server, embeddings of OpenAI's API, and the chat page."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_cases import CASES
from chats import write_talker
from chromium import browsing
from hosted import Hosted
from serving import NAME, Server, also_sanitized, metrics, request, serving, talker_modules

from kgpt_build.headers import page

SAID = [{"role": "user", "content": "hello"}]
TEXT = 'Grüße, "你好" 🙂\n<|im_end|>'


pytest_generate_tests = also_sanitized
SANITIZED = {
    "test_tokens_there_and_back",
    "test_embeddings",
    "test_what_is_counted",
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return talker_modules(write_talker(tmp_path_factory.mktemp("more"), n_ctx=512))


@pytest.fixture(scope="module")
def server(without_model: Hosted, modules: tuple[str, ...]) -> Iterator[Server]:
    with serving(without_model, modules, "slots=2 queue=4 ctx=512 max_tokens=12") as found:
        yield found


def test_what_is_counted(server: Server) -> None:
    before = metrics(server)
    usage = server.chat(max_tokens=5).json()["usage"]
    assert server.post("/v1/chat/completions", messages=[]).status == 400
    after = metrics(server)
    grown = {name: after[name] - before[name] for name in before}
    assert grown["llamacpp:tokens_predicted_total"] == usage["completion_tokens"] == 5
    assert grown["llamacpp:prompt_tokens_total"] == usage["prompt_tokens"]
    assert grown["kgpt_refused_total"] == 1
    assert grown["kgpt_requests_total"] == 3
    assert after["kgpt_slots"] == 2
    assert after["llamacpp:requests_processing"] == after["llamacpp:requests_deferred"] == 0


def test_slots_and_properties(server: Server) -> None:
    slots = server.ask("GET", "/slots").json()
    assert [slot["id"] for slot in slots] == [0, 1]
    assert all(slot["n_ctx"] == 512 and not slot["is_processing"] for slot in slots)
    props = server.ask("GET", "/props").json()
    assert (props["total_slots"], props["model_alias"]) == (2, NAME)
    assert props["default_generation_settings"]["n_ctx"] == 512


def test_tokens_there_and_back(server: Server) -> None:
    tokens = server.post("/tokenize", content=TEXT).json()["tokens"]
    assert server.post("/detokenize", tokens=tokens).json()["content"] == TEXT
    plain = server.post("/tokenize", content=TEXT, parse_special=False).json()["tokens"]
    assert len(plain) > len(tokens)
    assert server.post("/detokenize", tokens=plain).json()["content"] == TEXT
    pieces = server.post("/tokenize", content=TEXT, with_pieces=True).json()["tokens"]
    assert [piece["id"] for piece in pieces] == tokens
    spelt = [piece["piece"] for piece in pieces]
    assert b"".join(bytes(s) if isinstance(s, list) else s.encode() for s in spelt).decode() == TEXT
    assert server.post("/tokenize", content="").json() == {"tokens": []}
    assert server.post("/detokenize", tokens=[]).json() == {"content": ""}
    broken = server.post("/tokenize", content="é").json()["tokens"][:1]
    assert server.post("/detokenize", tokens=broken).json()["content"] in ("\ufffd", "é")
    long = "word " * 2000
    many = server.post("/tokenize", content=long).json()["tokens"]
    assert server.post("/detokenize", tokens=many).json()["content"] == long
    for path, fields in (("tokenize", {"content": 1}), ("detokenize", {"tokens": [10**9]}), ("detokenize", {})):
        assert server.post(f"/{path}", **fields).status == 400


@pytest.mark.parametrize(
    "said",
    [SAID, [{"role": "system", "content": "be brief"}, *SAID, *SAID], [*SAID, {"role": "assistant", "content": "wel"}]],
)
def test_the_prompt_of_a_chat_is_one_of_a_text(server: Server, said: list[Any]) -> None:
    """With its special tokens. Messages may stand in a row, and the last one may begin the reply."""
    prompt = server.post("/apply-template", messages=said).json()["prompt"]
    shown = "".join(f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in said)
    begun = said[-1]["role"] == "assistant"
    assert prompt == (shown.removesuffix("<|im_end|>\n") if begun else f"{shown}<|im_start|>assistant\n")
    ways: dict[str, Any] = {"temperature": 0, "max_tokens": 9}
    chat = server.post("/v1/chat/completions", messages=said, **ways).json()
    text = server.post("/v1/completions", prompt=prompt, **ways).json()
    assert chat["choices"][0]["message"]["content"] == text["choices"][0]["text"]
    assert chat["usage"]["prompt_tokens"] == text["usage"]["prompt_tokens"]
    assert len(server.post("/tokenize", content=prompt).json()["tokens"]) == text["usage"]["prompt_tokens"]
    raw = server.post("/api/generate", model=NAME, prompt=prompt, raw=True, stream=False, options={"temperature": 0})
    assert raw.json()["prompt_eval_count"] == text["usage"]["prompt_tokens"]


def test_messages_in_a_row_are_refused_where_the_template_has_no_place_for_them(
    without_model: Hosted, tmp_path_factory: pytest.TempPathFactory
) -> None:
    template = next(case for case in CASES if case.name == "llama2").text
    modules = talker_modules(write_talker(tmp_path_factory.mktemp("llama2"), n_ctx=512, template=template))
    with serving(without_model, modules, "slots=1 ctx=512") as found:
        assert found.post("/apply-template", messages=SAID).status == 200
        answer = found.post("/apply-template", messages=[*SAID, *SAID])
        assert (answer.status, answer.json()["error"]["param"]) == (400, "messages.[1]")
        assert found.post("/apply-template", messages=[]).status == 400


def test_no_limit_to_a_reply_but_the_context(server: Server) -> None:
    for field in ("max_tokens", "max_completion_tokens", "n_predict"):
        asked: dict[str, Any] = {field: -1, "logit_bias": {"70": 100}}
        choice = server.chat(**asked).json()["choices"][0]
        assert choice["finish_reason"] == "length"
        assert len(choice["message"]["content"]) > 400


def embed(server: Server, given: Any, **fields: Any) -> Any:
    answer = server.post("/v1/embeddings", model=NAME, input=given, **fields)
    assert answer.status == 200, answer.body
    return answer.json()


def test_embeddings(server: Server) -> None:
    texts = ["hello", "a longer text, of several words", "hello"]
    found = embed(server, texts)
    vectors = [item["embedding"] for item in found["data"]]
    assert [item["index"] for item in found["data"]] == [0, 1, 2]
    assert vectors[0] == vectors[2] != vectors[1]
    assert [embed(server, text)["data"][0]["embedding"] for text in texts] == vectors
    for vector in vectors:
        assert sum(x * x for x in vector) == pytest.approx(1, abs=1e-5)
    coded = embed(server, texts[1], encoding_format="base64")["data"][0]["embedding"]
    assert struct.unpack(f"<{len(vectors[1])}f", base64.b64decode(coded)) == pytest.approx(vectors[1], abs=1e-8)
    tokens = server.post("/tokenize", content="hello", add_special=True).json()["tokens"]
    assert embed(server, tokens)["data"] == embed(server, [tokens])["data"] == embed(server, "hello")["data"]
    assert embed(server, "hello")["usage"]["prompt_tokens"] == len(tokens)


def test_embeddings_wait_for_a_slot_and_change_no_reply(server: Server) -> None:
    """Both slots are busy, so the embedding comes after one of them."""
    alone = [server.chat(f"number {i}", seed=i, max_tokens=200).json()["choices"] for i in range(2)]
    vector = embed(server, "in between")["data"]
    body = [
        json.dumps({"messages": [{"role": "user", "content": f"number {i}"}], "seed": i, "max_tokens": 200}).encode()
        for i in range(2)
    ]
    with server.wire() as first, server.wire() as second:
        first.send(request("POST", "/v1/chat/completions", body[0]))
        second.send(request("POST", "/v1/chat/completions", body[1]))
        assert embed(server, "in between")["data"] == vector
        assert [first.answer().json()["choices"], second.answer().json()["choices"]] == alone


@pytest.mark.parametrize(
    "fields",
    [{}, {"input": []}, {"input": [1.5]}, {"input": [[1], 2]}, {"input": {"a": 1}}, {"input": "x" * 2000},
     {"input": "x", "encoding_format": "int8"}, {"input": "x", "dimensions": 3}],
)  # fmt: skip
def test_embeddings_that_are_refused(server: Server, fields: dict[str, Any]) -> None:
    answer = server.post("/v1/embeddings", **fields)
    assert answer.status == 400
    assert answer.json()["error"]["message"]


def test_a_browser_gets_the_page(server: Server) -> None:
    accept = "Accept: text/html,application/xhtml+xml;q=0.9\r\n"
    answer = server.ask("GET", "/", more=accept)
    source = Path(__file__).parents[2] / page.PLACE
    assert answer.body.decode() == source.read_text(encoding="utf-8")
    assert answer.fields["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.fields["content-security-policy"]
    assert not re.search(rb"(?:src|href)=\"(?!data:)", answer.body)  # self-contained
    assert server.ask("HEAD", "/", more=accept).fields["content-length"] == str(len(answer.body))


def test_a_line_of_the_page_as_a_literal() -> None:
    assert page.literal('a"b\\c?é\n1') == r'"a\"b\\c\?\303\251\0121"'


@pytest.mark.slow
def test_the_page_in_a_browser(server: Server) -> None:
    """A chat of two messages by keys, a reply that is stopped, and one of a server's own."""
    with browsing() as browser:
        browser.visit(server.url)
        browser.waits_for(f"document.title === '{NAME} – kgpt'")
        for n in (1, 2):
            browser.type(f"message {n}")
            browser.press("Enter")
            browser.waits_for(f"chat.length === {2 * n} && !stop")
        assert browser.run("chat.map(message => message.role)") == ["user", "assistant"] * 2
        assert all(browser.run("chat.map(message => message.content)"))
        assert "tokens/s" in browser.text(".assistant:last-child .note")
        shown = "(() => { const p = node('p'); show(p, 'a ```b\\n``` c ```d');"
        shown += " return [p.textContent, ...[...p.querySelectorAll('code')].map(code => code.textContent)]; })()"
        assert browser.run(shown) == ["a ```b\n``` c ```d", "```b\n```", "```d"]
        browser.press("ArrowUp")
        assert browser.page(("inputValue", "#text")) == "message 2"
        browser.run("document.getElementById('max_tokens').value = 400")
        browser.press("Enter")
        browser.waits_for("document.querySelectorAll('.assistant .said').length === 3")
        browser.press("Escape")
        browser.waits_for("!stop")
        browser.run("document.getElementById('text').value = ''")  # a message comes back if nothing was said
        browser.run("document.getElementById('temperature').value = -1")
        browser.run("clear()")
        browser.type("refused")
        browser.press("Enter")
        shown = browser.waits_for("document.querySelector('.error')?.textContent")
        assert "temperature" in shown
        assert browser.page(("inputValue", "#text")) == "refused"
        assert all(url.startswith(server.url) for url in browser.requests)
        assert [text for text in browser.complaints if "400 (Bad Request)" not in text] == []
