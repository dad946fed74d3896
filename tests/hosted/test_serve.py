"""kgpt serve, with the real client of OpenAI's API and a model that says nothing sensible."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chats import write_talker
from hosted import Hosted
from serving import NAME, Server, also_sanitized, request, serving, talker_modules

openai = pytest.importorskip("openai")

SAID = [{"role": "user", "content": "hello"}]
TWO = [*SAID, {"role": "assistant", "content": "well"}, {"role": "user", "content": "go on"}]


pytest_generate_tests = also_sanitized
SANITIZED = {
    "test_a_stream_says_the_same",
    "test_several_choices",
    "test_probabilities",
    "test_under_load_each_gets_what_it_gets_alone",
    "test_a_field_that_is_refused",
    "test_grammars_under_load",
    "test_a_reply_within_a_schema",
    "test_several_prompts",
    "test_a_client_of_several_prompts_hangs_up",
    "test_pipelined_requests_are_answered_in_order",
    "test_a_context_that_is_full_ends_the_reply",
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return talker_modules(write_talker(tmp_path_factory.mktemp("serve"), n_ctx=512))


@pytest.fixture(scope="module")
def server(without_model: Hosted, modules: tuple[str, ...]) -> Iterator[Server]:
    with serving(without_model, modules, "slots=4 queue=8 ctx=512 max_tokens=12 seed=5") as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as found:
        yield found


def test_the_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == [NAME]
    assert client.models.retrieve(NAME).id == NAME
    assert client.models.retrieve("tiny llama").id == NAME  # the name in its file
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_a_reply(client: Any) -> None:
    reply = client.chat.completions.create(model=NAME, messages=SAID, max_tokens=7, seed=1)
    (choice,) = reply.choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason == "length"
    assert reply.usage.completion_tokens == 7
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 7


def test_a_stream_says_the_same(client: Any) -> None:
    whole = client.chat.completions.create(model=NAME, messages=TWO, seed=2, max_tokens=40)
    chunks = list(
        client.chat.completions.create(
            model=NAME, messages=TWO, seed=2, max_tokens=40, stream=True, stream_options={"include_usage": True}
        )
    )
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].choices[0].delta.content == ""
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert said == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1] if chunk.choices[0].finish_reason] == ["length"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len(chunks) > 20  # as they come, not all at once


def test_the_chat_of_the_console_gives_the_same_text(
    without_model: Hosted, modules: tuple[str, ...], client: Any
) -> None:
    """By the same seed, and the defaults of the same command line."""
    done = without_model.run("mode=chat prompt=hello seed=77 max_tokens=12 ctx=512 cpus=1 exit", b"", modules)
    reply = client.chat.completions.create(model=NAME, messages=SAID, seed=77)
    assert [reply.choices[0].message.content] == done.samples()


def test_what_was_computed_is_not_computed_again(client: Any) -> None:
    first = client.chat.completions.create(model=NAME, messages=TWO, seed=3)
    more = [*TWO, {"role": "assistant", "content": first.choices[0].message.content}, *SAID]
    second = client.chat.completions.create(model=NAME, messages=more, seed=3)
    assert second.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens
    again = client.chat.completions.create(model=NAME, messages=more, seed=3)
    assert again.usage.prompt_tokens_details.cached_tokens == again.usage.prompt_tokens - 1
    assert again.choices[0].message.content == second.choices[0].message.content


def test_several_choices(client: Any) -> None:
    reply = client.chat.completions.create(model=NAME, messages=SAID, n=6, seed=9)
    assert [choice.index for choice in reply.choices] == list(range(6))
    assert len({choice.message.content for choice in reply.choices}) > 1
    assert reply.usage.completion_tokens <= 6 * 12
    chunks = client.chat.completions.create(model=NAME, messages=SAID, n=6, seed=9, stream=True)
    said = [""] * 6
    for chunk in chunks:
        said[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert said == [choice.message.content for choice in reply.choices]


def test_stop_strings(client: Any) -> None:
    plain = client.chat.completions.create(model=NAME, messages=SAID, seed=4, max_tokens=30).choices[0]
    stop = plain.message.content[3:5]
    for given in (stop, [stop, "zzz"]):
        cut = client.chat.completions.create(model=NAME, messages=SAID, seed=4, max_tokens=30, stop=given).choices[0]
        assert cut.finish_reason == "stop"
        assert cut.message.content == plain.message.content.split(stop)[0]


def test_probabilities(client: Any) -> None:
    asked: dict[str, Any] = {"model": NAME, "messages": SAID, "seed": 6, "logprobs": True, "top_logprobs": 3}
    asked["max_tokens"] = 5
    tokens = client.chat.completions.create(**asked).choices[0].logprobs.content
    assert len(tokens) == 5
    for token in tokens:
        assert token.logprob <= 0
        assert [top.logprob for top in token.top_logprobs] == sorted(t.logprob for t in token.top_logprobs)[::-1]
    streamed = [
        token
        for chunk in client.chat.completions.create(**asked, stream=True)
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert streamed == tokens
    best = client.chat.completions.create(**{**asked, "temperature": 0}).choices[0].logprobs.content
    assert all(token.logprob == token.top_logprobs[0].logprob for token in best)


def test_a_bias_decides(client: Any) -> None:
    tokens = client.chat.completions.create(model=NAME, messages=SAID, logit_bias={"70": 100}, max_tokens=4, seed=1)
    assert len(set(tokens.choices[0].message.content)) == 1


def test_content_in_parts(client: Any) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}]
    whole = client.chat.completions.create(model=NAME, messages=SAID, seed=8)
    assert client.chat.completions.create(model=NAME, messages=parts, seed=8).choices == whole.choices


def test_under_load_each_gets_what_it_gets_alone(client: Any) -> None:
    def ask(i: int) -> Any:
        said = [{"role": "user", "content": f"number {i} " * (1 + i % 3)}]
        return client.chat.completions.create(model=NAME, messages=said, seed=i, max_tokens=30).choices[0]

    alone = [ask(i) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(ask, range(8))) == alone


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.[0]"),
        ({"messages": [{"role": "user"}]}, "messages.[0]"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.[0]"),
        ({"messages": [{"role": "assistant", "content": "x"}, *SAID]}, "messages.[0]"),
        ({"messages": [*SAID, {"role": "assistant", "content": "x"}, *SAID, *TWO[1:2], *TWO[1:2]]}, "messages.[4]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.[0]"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -3}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": "x" * 256}, "stop"),
        ({"stop": "\0"}, "stop"),
        ({"seed": 0.5}, "seed"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"stream": "yes"}, "stream"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}}, "response_format"),
        ({"grammar": "root ::= ["}, "grammar"),
        ({"grammar": 'root ::= "a"', "json_schema": {}}, "grammar"),
        ({"messages": [{"role": "user", "content": "x" * 2000}]}, "messages"),
    ],
)  # fmt: skip
def test_a_field_that_is_refused(server: Server, fields: dict[str, Any], param: str) -> None:
    answer = server.post("/v1/chat/completions", **{"messages": SAID, **fields})
    assert answer.status == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["message"]


def test_fields_that_are_harmless(server: Server) -> None:
    harmless: dict[str, Any] = {
        "user": "me",
        "store": False,
        "metadata": {},
        "tools": [],
        "tool_choice": "none",
        "functions": None,
    }
    assert server.chat(**harmless, response_format={"type": "text"}, n=None, stop=None).status == 200


def test_another_model(server: Server) -> None:
    answer = server.chat(model="gpt-4o")
    assert (answer.status, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_a_context_that_is_full_ends_the_reply(server: Server) -> None:
    answer = server.chat("x" * 480, max_tokens=1000)
    choice, usage = answer.json()["choices"][0], answer.json()["usage"]
    assert (answer.status, choice["finish_reason"]) == (200, "length")
    assert usage["total_tokens"] == 512 + 1  # the last token is sampled, and not computed


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    body = json.dumps({"messages": SAID, "seed": 1}).encode()
    with server.wire() as wire:
        wire.send(request("POST", "/v1/chat/completions", body) + request("GET", "/v1/models") + request("GET", "/no"))
        assert wire.answer().json()["object"] == "chat.completion"
        assert wire.answer().json()["object"] == "list"
        assert wire.answer().status == 404


SCHEMA = {
    "type": "object",
    "properties": {
        "sky": {"type": "boolean"}, "word": {"enum": ["red", "blue"]}, "n": {"type": "integer", "maximum": 9},
    },
    "required": ["sky", "word"],
    "additionalProperties": False,
}  # fmt: skip


def test_a_reply_within_a_schema(client: Any) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
    for seed in range(5):
        asked = {"model": NAME, "messages": SAID, "seed": seed, "max_tokens": 200, "response_format": wanted}
        choice = client.chat.completions.create(**asked).choices[0]
        found = json.loads(choice.message.content)
        assert choice.finish_reason == "stop"
        assert isinstance(found["sky"], bool)
        assert found["word"] in ("red", "blue")
        assert set(found) <= {"sky", "word", "n"}
        chunks = client.chat.completions.create(**asked, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == choice.message.content


def test_a_reply_that_is_some_object(client: Any) -> None:
    reply = client.chat.completions.create(
        model=NAME, messages=SAID, seed=1, max_tokens=300, response_format={"type": "json_object"}
    )
    assert reply.choices[0].message.content.startswith("{")


def test_a_reply_within_a_grammar(server: Server) -> None:
    answer = server.chat(grammar='root ::= ("yes" | "no") "!"', n=4, seed=2, max_tokens=20).json()
    assert {choice["message"]["content"] for choice in answer["choices"]} <= {"yes!", "no!"}


def test_grammars_under_load(server: Server) -> None:
    """Each reply has its own, beside replies without one."""

    def ask(i: int) -> Any:
        more: dict[str, Any] = {"grammar": f"root ::= [{'abcd'[i % 4]}]{{5,20}}"} if i % 3 else {}
        return server.chat(f"{i}", seed=i, max_tokens=30, **more).json()["choices"]

    alone = [ask(i) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == alone
    assert set(alone[1][0]["message"]["content"]) == {"b"}


def test_a_text_goes_on(client: Any, server: Server) -> None:
    asked: dict[str, Any] = {"model": NAME, "prompt": "of the line", "seed": 5, "max_tokens": 10}
    whole = client.completions.create(**asked)
    assert whole.object == "text_completion"
    assert whole.usage.completion_tokens == 10
    chunks = list(client.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert client.completions.create(**{**asked, "prompt": ["of the line"]}).choices == whole.choices
    assert len(server.post("/v1/completions", prompt="x", n=3).json()["choices"]) == 3
    assert client.completions.create(model=NAME, prompt="x").usage.completion_tokens <= 16  # OpenAI's default


def test_a_text_is_that_of_the_console(without_model: Hosted, modules: tuple[str, ...], client: Any) -> None:
    done = without_model.run("mode=generate prompt=of seed=7 max_tokens=12 ctx=512 cpus=1 exit", b"", modules)
    reply = client.completions.create(model=NAME, prompt="of", seed=7, max_tokens=12)
    assert [reply.choices[0].text] == done.samples()


def test_a_prompt_of_tokens(client: Any) -> None:
    ids = [70, 71, 72]
    reply = client.completions.create(model=NAME, prompt=ids, seed=1, max_tokens=3)
    assert reply.usage.prompt_tokens == 3
    for wrong in (
        [-1],
        [99999],
        [1.5],
        [],
        [["a"]],
        [[1], []],
        ["a", 1],
        [1, "a"],
        ["a", None],
        [{"a": 1}],
        ["x"] * 129,
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            client.completions.create(model=NAME, prompt=wrong)
        assert caught.value.param == "prompt"


PROMPTS = ["one", "", "three of them, " * 20, "oné\n", "one"]


@pytest.mark.parametrize("n", [1, 3])
def test_several_prompts(client: Any, server: Server, n: int) -> None:
    """Each gets what it gets alone: four slots, five prompts, choices that wait."""
    asked: dict[str, Any] = {"model": NAME, "seed": 11, "max_tokens": 9, "n": n, "logprobs": 1}
    alone = [client.completions.create(**asked, prompt=prompt) for prompt in PROMPTS]
    wanted = [choice for each in alone for choice in each.choices]
    for i, choice in enumerate(wanted):
        choice.index = i
    together = client.completions.create(**asked, prompt=PROMPTS)
    assert together.choices == wanted
    assert together.usage.prompt_tokens == sum(each.usage.prompt_tokens for each in alone)
    assert together.usage.completion_tokens == sum(each.usage.completion_tokens for each in alone)
    lists = [server.post("/tokenize", content=text, add_special=True).json()["tokens"] for text in PROMPTS if text]
    ids = client.completions.create(**asked, prompt=lists)
    assert [choice.text for choice in ids.choices] == [c.text for c in wanted if c.index // n != 1]
    said = [""] * len(wanted)
    for chunk in client.completions.create(**asked, prompt=PROMPTS, stream=True):
        said[chunk.choices[0].index] += chunk.choices[0].text
    assert said == [choice.text for choice in wanted]


def test_many_prompts_under_load(client: Any) -> None:
    """Bodies that need a large buffer, and clients at once."""

    def ask(i: int) -> list[Any]:
        prompts = [f"number {i} {j} " * 20 for j in range(100 + i)]
        return list(client.completions.create(model=NAME, prompt=prompts, seed=i, max_tokens=3).choices)

    alone = [ask(i) for i in range(3)]
    assert [len(choices) for choices in alone] == [100, 101, 102]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(ask, range(3))) == alone
    (one,) = client.completions.create(model=NAME, prompt="number 2 7 " * 20, seed=2, max_tokens=3).choices
    assert one.text == alone[2][7].text


def test_a_client_of_several_prompts_hangs_up(server: Server) -> None:
    body = json.dumps({"prompt": ["x"] * 60, "max_tokens": 400, "seed": 1, "stream": True}).encode()
    with server.wire() as wire:
        wire.send(request("POST", "/v1/completions", body))
        assert wire.socket.recv(100)
    server.waits_for(lambda: not any(slot["is_processing"] for slot in server.ask("GET", "/slots").json()))


def test_probabilities_of_a_text(client: Any) -> None:
    asked: dict[str, Any] = {"model": NAME, "prompt": "x", "seed": 3, "max_tokens": 6, "logprobs": 2}
    choice = client.completions.create(**asked).choices[0]
    found = choice.logprobs
    assert len(found.tokens) == len(found.token_logprobs) == len(found.top_logprobs) == len(found.text_offset) == 6
    assert found.text_offset[0] == 0
    assert found.text_offset == sorted(found.text_offset)
    streamed = [chunk.choices[0].logprobs for chunk in client.completions.create(**asked, stream=True)]
    assert [token for each in streamed if each for token in each.tokens] == found.tokens
    with pytest.raises(openai.BadRequestError):
        client.completions.create(**{**asked, "logprobs": 6})
    assert len(client.completions.create(model=NAME, prompt="x", n=2, best_of=2).choices) == 2  # the same as without it
    for name, value in (("echo", True), ("suffix", "x"), ("best_of", 2)):
        with pytest.raises(openai.BadRequestError, match=name):
            client.completions.create(model=NAME, prompt="x", **{name: value})
