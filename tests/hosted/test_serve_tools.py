"""kgpt serve: tools in chats. The prompt is that of the model's own Jinja template; the clients are the real ones."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from chat_cases import FOLDER
from chats import write_talker
from hosted import Hosted
from serving import NAME, Server, also_sanitized, serving, talker_modules

from kgpt_build.chat.environment import Renderer

openai = pytest.importorskip("openai")
ollama = pytest.importorskip("ollama")
jsonschema = pytest.importorskip("jsonschema")

ASKED = [{"role": "user", "content": "What is the weather?"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CLOCK = {"type": "object", "properties": {"zone": {"$ref": "#/$defs/zone"}}, "required": ["zone"],
         "$defs": {"zone": {"enum": ["UTC", "CET"]}}}  # fmt: skip


def tool(name: str, parameters: Any = None, description: str = "") -> dict[str, Any]:
    function = {"name": name, "description": description} | ({} if parameters is None else {"parameters": parameters})
    return {"type": "function", "function": function}


TOOLS = [tool("weather", WEATHER, "Tells the weather."), tool("clock", CLOCK)]
SCHEMAS = {"weather": WEATHER, "clock": CLOCK}
OPEN, CLOSE = "<tool_call>", "</tool_call>"


CALL = '<tool_call>\n{"name": "f", "arguments": {"x": "a\\n\\"é"}}\n</tool_call>'
LINES = '<tool_call>{"name":"g","arguments":{\n"list":[1,\n{"y":null}]}}</tool_call>'
WORDS = (CALL, f"See:\n{CALL}", f"No\n{LINES}", "just text")
"""Tokens of the vocabulary, behind ``BEFORE`` others and the bytes."""
BEFORE = "".join(word[1:] for word in ("user", "assistant", "system", " line", " of", " the", " number"))


pytest_generate_tests = also_sanitized
SANITIZED = {
    "test_a_call_that_is_required",
    "test_what_is_refused",
    "test_the_prompt_is_that_of_the_template",
}


@pytest.fixture(scope="module", params=["qwen3", pytest.param("qwen2.5", marks=pytest.mark.slow)])
def template(request: pytest.FixtureRequest) -> str:
    return (FOLDER / f"{request.param}.jinja").read_text()


@pytest.fixture(scope="module")
def server(without_model: Hosted, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    modules = talker_modules(write_talker(tmp_path_factory.mktemp("tools"), n_ctx=8192, template=template, words=WORDS))
    with serving(without_model, modules, "slots=4 ctx=8192 max_tokens=300 seed=5") as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as found:
        yield found


def said_in(chunks: Any) -> tuple[str, list[tuple[str, str]], str]:
    """The text, calls and reason of a stream."""
    text, reason, calls = "", "", list[list[str]]()
    for chunk in chunks:
        (choice,) = chunk.choices
        text += choice.delta.content or ""
        reason = choice.finish_reason or reason
        for part in choice.delta.tool_calls or []:
            if part.index == len(calls):
                assert part.id
                assert part.type == "function"
                calls.append([part.function.name, ""])
            assert part.index == len(calls) - 1
            calls[-1][1] += part.function.arguments
    return text, [(name, arguments) for name, arguments in calls], reason


def said_by(choice: Any) -> tuple[str, list[tuple[str, str]], str]:
    calls = choice.message.tool_calls or []
    assert len({call.id for call in calls}) == len(calls)
    found = [(call.function.name, call.function.arguments) for call in calls]
    return choice.message.content or "", found, choice.finish_reason


def test_a_call_that_is_required(client: Any) -> None:
    names = set()
    for seed in range(6):
        asked = {"model": NAME, "messages": ASKED, "tools": TOOLS, "tool_choice": "required", "seed": seed}
        choice = client.chat.completions.create(**asked).choices[0]
        text, calls, reason = said_by(choice)
        assert (choice.message.content, text) == (None, "")
        for name, arguments in calls if reason == "tool_calls" else calls[:-1]:
            jsonschema.validate(json.loads(arguments), SCHEMAS[name])
            names.add(name)
        assert calls
        assert said_in(client.chat.completions.create(**asked, stream=True)) == (text, calls, reason)
    assert names == {"weather", "clock"}


def test_one_call(client: Any) -> None:
    asked: dict[str, Any] = {"model": NAME, "messages": ASKED, "tools": TOOLS, "n": 3, "seed": 1}
    for more in (
        {"tool_choice": "required", "parallel_tool_calls": False},
        {"tool_choice": {"type": "function", "function": {"name": "clock"}}},
    ):
        for choice in client.chat.completions.create(**asked, **more).choices:
            text, ((name, arguments),), reason = said_by(choice)
            assert (text, reason) == ("", "tool_calls")
            jsonschema.validate(json.loads(arguments), SCHEMAS[name])
            assert name == "clock" or "parallel_tool_calls" in more


def test_tools_that_are_not_to_be_called(client: Any, server: Server) -> None:
    """With "none" the model does not hear of them."""
    plain = client.chat.completions.create(model=NAME, messages=ASKED, seed=3, max_tokens=20)
    none = client.chat.completions.create(
        model=NAME, messages=ASKED, seed=3, max_tokens=20, tools=TOOLS, tool_choice="none"
    )
    assert none.choices == plain.choices
    auto = client.chat.completions.create(model=NAME, messages=ASKED, seed=3, max_tokens=20, tools=TOOLS)
    assert auto.usage.prompt_tokens > plain.usage.prompt_tokens + 100
    assert auto.choices[0].message.tool_calls is None
    chunks = client.chat.completions.create(model=NAME, messages=ASKED, seed=3, max_tokens=20, tools=TOOLS, stream=True)
    assert said_in(chunks) == said_by(auto.choices[0])


def parsed(reply: str, *, one: bool = False) -> tuple[str, list[tuple[str, str]]]:
    """What a reply says and calls, in Python."""
    calls: list[tuple[str, str]] = []
    text, at = reply, 0
    thought = reply.find("</think>") if reply.lstrip().startswith("<think>") else 0
    for match in re.finditer(f"{OPEN}(.*?)(?:{CLOSE}|$)", reply[max(thought, 0) :], re.DOTALL) if thought >= 0 else ():
        try:
            block = json.loads(match[1])
            name, arguments = block["name"], block["arguments"]
        except (ValueError, KeyError, TypeError):
            continue
        if not isinstance(name, str) or not isinstance(arguments, dict):
            continue
        if not calls:
            text = reply[: thought + match.start()].rstrip(" \n\t\r")
        raw = match[1][re.search(r'"arguments"\s*:\s*', match[1]).end() :].rstrip()[:-1].rstrip()  # type: ignore[union-attr]
        calls.append((name, raw))
        at = match.end()
    assert at <= len(reply)
    return text, calls[:1] if one else calls


REPLIES = [
    "just text", "text \n\n", CALL, f"Let me see.\n{CALL}", f"Let me see. \n\n {CALL}\n{CALL}\n", f"{CALL} and text",
    "a <tool_call> b", "a <tool_call>{}</tool_call> b", f'<tool_call>{{"name": 1}}</tool_call>{CALL}', "a<tool_cal",
    f"{CALL[:-13]}", f"a\n{CALL[:-20]}", f"<think>\n{CALL}</think>\n\n{CALL}", f"<think>{CALL}", f"<{OPEN}x", OPEN * 2,
    "<",
    LINES, f"{'wörter ' * 170}{CALL}",
    '<tool_call>{"name": "f", "arguments": {"x": "' + "ü" * 600 + '"}}</tool_call>', f"{CALL}{OPEN}{{{CLOSE}{CALL}",
    '<tool_call>{"name": "\\u00e9\\"", "arguments": {}}</tool_call>',
    '<tool_call>{"name": "", "arguments": {}}</tool_call>',
    '<tool_call>{"name": "weather", "arguments": "{}"}</tool_call>',  # a text in place of an object
    '<tool_call>{"name": "weather", "arguments": {"city": 5}}</tool_call>',  # not valid for the schema
    '<tool_call>{"name": "storm", "arguments": {}}</tool_call>',  # no such tool
    '<tool_call>{"name": "weather", "parameters": {}}</tool_call>', '<tool_call>{"name": "weather"}</tool_call>',
    '<tool_call>[{"name": "weather", "arguments": {}}]</tool_call>', "<tool_call>weather(city=Oslo)</tool_call>",
    '<tool_call>{"name": "a", "arguments": {}}{"name": "b", "arguments": {}}</tool_call>',
    '<tool_call>{"name": "a", "arguments": {"x": 1,}}</tool_call>',
    "<tool_call>{'name': 'a', 'arguments': {}}</tool_call>",
]  # fmt: skip


def literal(text: str) -> str:
    """A grammar of one text."""
    return (
        "root ::= " + json.dumps(text).replace("\\u00fc", "ü")
        if text.isascii()
        else ("root ::= " + json.dumps(text, ensure_ascii=False))
    )


@pytest.mark.parametrize("number", range(len(REPLIES)))
def test_calls_are_found_in_a_reply(server: Server, client: Any, number: int) -> None:
    """A grammar of one text makes the model say it. OpenAI's and Ollama's API, whole and as a stream."""
    reply = REPLIES[number]
    asked: dict[str, Any] = {"model": NAME, "messages": ASKED, "tools": TOOLS, "max_tokens": 4000, "seed": 1}
    more = {"extra_body": {"grammar": literal(reply)}}
    text, calls = parsed(reply)
    if number == REPLIES.index('<tool_call>{"name": "", "arguments": {}}</tool_call>'):
        text, calls = reply, []  # a call without a name is none
    whole = said_by(client.chat.completions.create(**asked, **more).choices[0])
    assert whole == (text, calls, "tool_calls" if calls else "stop")
    assert said_in(client.chat.completions.create(**asked, **more, stream=True)) == whole
    one = said_by(client.chat.completions.create(**asked, **more, parallel_tool_calls=False).choices[0])
    assert one == (text, calls[:1], whole[2])


def test_a_call_that_is_cut(client: Any) -> None:
    """By max_tokens: what has come of it is text, and finish_reason says why; a whole one before it stays a call."""
    for before in ("", CALL):
        reply = before + '<tool_call>{"name": "weather", "arguments": {"city": "' + "x" * 200
        asked: dict[str, Any] = {"model": NAME, "messages": ASKED, "tools": TOOLS, "max_tokens": 120, "seed": 1}
        more = {"extra_body": {"grammar": literal(reply)}}
        text, calls, reason = said_by(client.chat.completions.create(**asked, **more).choices[0])
        assert reason == "length"
        assert calls == (parsed(CALL)[1] if before else [])
        assert before or (text and reply.startswith(text))
        assert said_in(client.chat.completions.create(**asked, **more, stream=True)) == (text, calls, reason)


def test_calls_of_ollama(server: Server, client: Any) -> None:
    theirs = ollama.Client(host=server.url)
    assert "tools" in theirs.show(NAME).capabilities
    plain = theirs.chat(NAME, ASKED, options={"num_predict": 1})
    told = theirs.chat(NAME, ASKED, tools=TOOLS, options={"num_predict": 1})  # the client writes them anew
    assert told.prompt_eval_count > plain.prompt_eval_count + 100
    found = server.post("/api/chat", model=NAME, messages=ASKED, tools=TOOLS, stream=False, options={"seed": 2})
    same = client.chat.completions.create(model=NAME, messages=ASKED, tools=TOOLS, seed=2)
    assert found.json()["message"]["content"] == same.choices[0].message.content
    ids, at = list[int](), 2 + 256 + len(BEFORE)
    for word in WORDS:
        at += len(word.encode()) - 1
        ids.append(at - 1)
    for word, token in zip(WORDS, ids, strict=True):  # Ollama has no grammars: the reply is one token, said three times
        body: dict[str, Any] = {"model": NAME, "messages": ASKED, "tools": TOOLS}
        body["options"] = {"num_predict": 3, "logit_bias": {str(token): 100}}
        text, calls = parsed(word * 3)
        wanted = [{"function": {"name": name, "arguments": json.loads(raw)}} for name, raw in calls]
        message = server.post("/api/chat", **body, stream=False).json()["message"]
        assert message["content"] == text
        assert message.get("tool_calls", []) == wanted
        lines = server.post("/api/chat", **body).body.decode().splitlines()
        parts = [json.loads(line)["message"] for line in lines]
        assert "".join(part["content"] for part in parts) == text
        assert [call for part in parts for call in part.get("tool_calls", [])] == wanted
        theirs_too = theirs.chat(NAME, ASKED, tools=TOOLS, options=body["options"]).message.tool_calls or []
        assert [(call.function.name, dict(call.function.arguments)) for call in theirs_too] == [
            (name, json.loads(raw)) for name, raw in calls
        ]


_WORDS = ("x", '"', "\\", "é", "\n", "\t", "\x01", "\u2028", "/", "🙂", "<|im_end|>", "{}", "</tool_call>", "\x7f")


def random_json(choose: random.Random, depth: int = 0) -> Any:
    kind = choose.randrange(8 if depth < 4 else 6)
    if kind < 2:
        return "".join(choose.choices(_WORDS, k=choose.randrange(5)))
    if kind < 6:
        return choose.choice([None, True, False, 0, -7, 1.5, 1e-7, 12345678901234567890, [], {}])
    if kind == 6:
        return [random_json(choose, depth + 1) for _ in range(choose.randrange(4))]
    return {f"{i}{choose.choice(_WORDS)}": random_json(choose, depth + 1) for i in range(choose.randrange(4))}


def random_chat(choose: random.Random) -> list[dict[str, Any]]:
    """Messages as templates want them."""

    def text() -> str:
        return "".join(choose.choices((*_WORDS, "word "), k=choose.randrange(1, 5)))

    messages: list[dict[str, Any]] = [{"role": "system", "content": f"s{text()}"}] if choose.random() < 0.5 else []
    while True:
        messages.append({"role": "user", "content": f"u{text()}"})
        while choose.random() < 0.6:
            calls = [
                {"type": "function", "function": {"name": choose.choice("fg"), "arguments": {"x": random_json(choose)}}}
                for _ in range(choose.randrange(1, 3))
            ]
            said = choose.choice(["", f"a{text()}", f"<think>\nt{text()}\n</think>\n\na{text()}"])
            messages.append({"role": "assistant", "content": said, "tool_calls": calls})
            messages += [{"role": "tool", "content": text()} for _ in calls]
        if choose.random() < 0.4:
            return messages
        messages.append({"role": "assistant", "content": f"a{text()}"})


def test_the_prompt_is_that_of_the_template(server: Server, template: str) -> None:
    """Random conversations, with arguments as OpenAI's API has them (a text), and as Ollama's has (an object)."""
    choose, render = random.Random(3), Renderer(template, "", "")
    for _ in range(150):
        messages = random_chat(choose)
        tools = [tool(f"f{i}", {"a": random_json(choose)}) for i in range(choose.randrange(4))]
        told: Any = messages
        asked: dict[str, Any] = {"tools": tools} if tools else {}
        expected = render(told, **asked)
        sent = json.loads(json.dumps(messages))
        for message in sent:
            for call in message.get("tool_calls", []):
                if choose.random() < 0.5:
                    compact = choose.choice([(",", ":"), (", ", ": "), (" ,\n", " : ")])
                    call["function"]["arguments"] = json.dumps(call["function"]["arguments"], separators=compact)
                call["id"] = "call_1"
            if message["role"] == "assistant" and not message["content"]:
                message["content"] = choose.choice(["", None])
        answer = server.post("/apply-template", messages=sent, tools=tools)
        assert answer.status == 200, answer.body
        assert answer.json()["prompt"] == expected  # this vocabulary adds no BOS


def test_a_result_goes_back(client: Any) -> None:
    """The loop of a program with tools; the prompt that was computed is not computed again."""
    asked: dict[str, Any] = {"model": NAME, "tools": TOOLS, "seed": 4, "max_tokens": 200}
    first = client.chat.completions.create(
        messages=ASKED, tool_choice={"type": "function", "function": {"name": "weather"}}, **asked
    )
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"sun": true}'}
    more = [*ASKED, message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(messages=more, **asked)
    assert second.usage.prompt_tokens > first.usage.prompt_tokens
    assert second.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens - 30
    assert second.choices[0].message.role == "assistant"


def calling(function: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{"function": function}]}


CALLED = calling({"name": "f", "arguments": "{}"})
RESULT = {"role": "tool", "content": "x"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "retrieval"}]}, "tools.[0]"),
        ({"tools": [*TOOLS, tool("a b")]}, "tools.[2]"),
        ({"tools": [tool("f", [])]}, "tools.[0]"),
        ({"tools": [tool("f", {"type": "string"})], "tool_choice": "required"}, "tools"),
        ({"tools": [tool("f", {"type": "object", "uniqueItems": True})], "tool_choice": "required"}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "h"}}}, "tool_choice"),
        ({"tools": TOOLS, "parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"tools": TOOLS, "logprobs": True}, "logprobs"),
        ({"tools": TOOLS, "response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": TOOLS, "tool_choice": "required", "grammar": 'root ::= "x"'}, "response_format"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"messages": [*ASKED, RESULT]}, "messages.[1]"),
        ({"messages": [*ASKED, CALLED, *ASKED]}, "messages.[2]"),
        ({"messages": [*ASKED, CALLED]}, "messages.[1]"),
        ({"messages": [*ASKED, CALLED, CALLED]}, "messages.[2]"),
        ({"messages": [*ASKED, CALLED, RESULT, *ASKED]}, "messages.[3]"),
        ({"messages": [{**CALLED, "role": "user", "content": "x"}]}, "messages.[0]"),
        ({"messages": [*ASKED, {**CALLED, "tool_calls": "f"}, RESULT]}, "messages.[1]"),
        ({"messages": [*ASKED, calling({"name": "f", "arguments": "["})]}, "messages.[1]"),
        ({"messages": [*ASKED, calling({"name": "f", "arguments": "1"})]}, "messages.[1]"),
        ({"messages": [*ASKED, calling({"name": "f"})]}, "messages.[1]"),
        ({"messages": [*ASKED, {"role": "assistant"}, *ASKED]}, "messages.[1]"),
    ],
)  # fmt: skip
def test_what_is_refused(server: Server, fields: dict[str, Any], param: str) -> None:
    answer = server.post("/v1/chat/completions", **{"messages": ASKED, **fields})
    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


def test_a_template_without_tools_refuses_them(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> None:
    modules = talker_modules(write_talker(tmp_path_factory.mktemp("chatml"), n_ctx=512))
    with serving(without_model, modules, "slots=1 ctx=512") as found:
        answer = found.post("/v1/chat/completions", messages=ASKED, tools=TOOLS)
        assert (answer.status, answer.json()["error"]["param"]) == (400, "tools")
        assert NAME in answer.json()["error"]["message"]
        assert found.post("/v1/chat/completions", messages=[*ASKED, CALLED, RESULT]).status == 400
        answer = found.post("/api/chat", model=NAME, messages=ASKED, tools=TOOLS)
        assert answer.status == 400
        assert "tools" in answer.json()["error"]
        assert "tools" not in found.post("/api/show", model=NAME).json()["capabilities"]
        assert found.post("/v1/completions", prompt="x", tools=TOOLS).json()["error"]["param"] == "tools"
