"""Tools in chat templates: which templates have tools here, and that the pieces give what the template gives."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from chat_cases import CASES, FOLDER
from refusals import refused

from kgpt_build.chat import BUILTIN_TEMPLATES, ChatTemplate, Message, Piece, chat_blob, read_chat_blob
from kgpt_build.chat.environment import Renderer
from kgpt_build.chat.template import Slot, trim_flag
from kgpt_build.chat.tools import call, replied, resulted, tool
from kgpt_build.errors import KgptError

WITH_TOOLS = {"qwen2.5", "qwen3"}
QWEN = (FOLDER / "qwen2.5.jinja").read_text()


def _template(name: str) -> tuple[ChatTemplate, Renderer]:
    case = next(case for case in CASES if case.name == name)
    return chat_blob(case.text, case.bos, case.eos), Renderer(case.text, case.bos, case.eos)


def test_which_public_templates_have_tools() -> None:
    found = {case.name for case in CASES if chat_blob(case.text, case.bos, case.eos).takes_tools}
    assert found == WITH_TOOLS
    assert not any(chat_blob("", "", "", family=name).takes_tools for name in BUILTIN_TEMPLATES)


def random_chat(choose: random.Random) -> list[Message]:
    """Messages with calls and results, and thoughts in the text of replies."""
    texts = ("one", "  two\n", "", "<think>\nhm\n</think>\n\nso", "</think>\n\n x", "<think></think>", "{{ x }}")

    def said() -> str:
        return choose.choice(texts)

    messages = [Message(role="system", content=f"s{said()}")] if choose.random() < 0.5 else []
    while True:
        messages.append(Message(role="user", content=f"u{said()}"))
        while choose.random() < 0.6:
            calls = [call(choose.choice("fg"), {"x": said(), "y": None}) for _ in range(choose.randrange(1, 4))]
            messages += [replied(said(), *calls), *(resulted(said()) for _ in calls)]
        if choose.random() < 0.4:
            return messages
        messages.append(Message(role="assistant", content=f"{said()}a"))


@pytest.mark.parametrize("name", sorted(WITH_TOOLS))
def test_pieces_give_the_conversation_of_the_template(name: str) -> None:
    template, render = _template(name)
    choose = random.Random(7)
    for _ in range(200):
        messages = random_chat(choose)
        tools = [tool(f"t{i}", "é <b>", x={"type": "number"}) for i in range(choose.randrange(4))]
        asked: dict[str, Any] = {"tools": tools} if tools else {}
        assert template.render(messages, tools) == render(messages, **asked), messages
    assert read_chat_blob(template.blob()) == template


def test_thoughts_of_a_step_stay_in_it() -> None:
    """Qwen 3 keeps the thoughts before a call until the next message of the user."""
    template, _ = _template("qwen3")
    step = [Message(role="user", content="u"), replied("<think>\nt\n</think>\n\n", call("f", {})), resulted("r")]
    later = [Message(role="assistant", content="a"), Message(role="user", content="v")]
    assert "<think>\nt\n</think>" in template.render(step)
    assert "<think>" not in template.render([*step, *later])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tool | tojson", "tool | tojson(indent=2)"),
        ("tool | tojson", "tool.function | tojson"),
        ('", "arguments": ', '", "parameters": '),
        ("\\n</tool_call>", "\\n"),
        (
            "message.tool_calls %}\n            {%- if tool_call",
            "message.tool_calls[:1] %}\n            {%- if tool_call",
        ),
        ("{{- message.content }}", "{{- message.content | trim }}"),
    ],
)
def test_a_template_of_another_kind_has_no_tools(old: str, new: str) -> None:
    """It is taken without them."""
    assert old in QWEN
    template = chat_blob(QWEN.replace(old, new), "", "")
    assert not template.takes_tools
    assert not any(template[piece] for piece in Piece if piece >= Piece.TOOLS_BARE)


def test_unknown_rules_in_a_blob_are_refused() -> None:
    template, _ = _template("qwen3")
    assert replace(template, step_flags=template.step_flags | trim_flag(Slot.REPLY, right=True)).blob()
    for flag in (1, 1 << 28, trim_flag(Slot.LATER, right=False)):
        with refused(KgptError, "chat template flags version"):
            read_chat_blob(replace(template, step_flags=template.step_flags | flag).blob())


def test_people_hear_of_tools() -> None:
    assert _template("qwen2.5")[0].described()[-1] == (
        "takes tools, and calls them between <tool_call> and </tool_call>"
    )
