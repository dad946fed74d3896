"""The pieces of tools, of their calls and results, for templates of the kind of Hermes and Qwen.

Such a template lists the tools as JSON in the system prompt. A call stands in the reply, between two tags such as
``<tool_call>``, as ``{"name": …, "arguments": …}``. Results stand where messages of the user do. A template of another
kind, such as Llama 3's or Mistral's, gets no such pieces: its model then has no tools here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kgpt_build.chat.environment import Renderer, TemplateRefused
from kgpt_build.chat.template import ChatTemplate, Flag, Message, Piece, Slot, conversation, tool_text, trim_flag
from kgpt_build.chat.thoughts import END, PROBES, START, Surroundings, find_rule
from kgpt_build.chat.verify import SAID, Unsayable, cut

_SYSTEM, _USER, _REPLY, _THOUGHT = "qSystemq", "qMessageq", "qReplyq", "qThoughtq"
_NAMES = ("qName0q", "qName1q")
_ARGUMENTS = ({"q0q": 0}, {"q1q": 1})
_RESULTS = ("qResult0q", "qResult1q")
_CALL_PRE = re.compile(r'(<[^<>\s]+>)\s*\{"name": "')
_CALL_POST = re.compile(r"\}\s*(<[^<>\s]+>)")
_NOT_OF_THE_KIND = "its tools are not told as JSON between tags"


def tool(name: str, description: str = "d", **properties: object) -> dict[str, Any]:
    """A tool as OpenAI's API has it."""
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def call(name: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    """A call as templates know it."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def replied(content: str, *calls: dict[str, Any]) -> Message:
    """A reply with calls."""
    return Message(role="assistant", content=content, tool_calls=list(calls))


def resulted(content: str) -> Message:
    """The result of a call."""
    return Message(role="tool", content=content)


_TOOLS = tuple(tool(f"qTool{i}q") for i in range(3))
_CALLS = tuple(call(name, arguments) for name, arguments in zip(_NAMES, _ARGUMENTS, strict=True))


def with_tools(render: Renderer, template: ChatTemplate) -> ChatTemplate:
    """``template`` with the pieces of tools; unchanged if ``render`` has none, or tells them in another way."""
    try:
        pieces = dict(zip(Piece, template.pieces, strict=True))
        _find_tools(render, template, pieces)
        _find_calls(render, pieces)
        step_flags = _find_step(render, pieces)
    except (Unsayable, TemplateRefused):
        return template
    found = replace(template, pieces=tuple(pieces[piece] for piece in Piece), step_flags=step_flags)
    return found if _agrees(render, found) else template


def _expect(holds: bool) -> None:
    if not holds:
        raise Unsayable(_NOT_OF_THE_KIND)


def _find_tools(render: Renderer, template: ChatTemplate, pieces: dict[Piece, str]) -> None:
    """The pieces around the list of tools."""
    texts = [tool_text(each) for each in _TOOLS]
    bos = render.bos if template.flags & Flag.BOS else ""
    bare, *between, end, ask = cut(render(conversation(None, _USER), tools=_TOOLS), *texts, _USER)
    alone = cut(render(conversation(None, _USER), tools=_TOOLS[:1]), texts[0], _USER)
    _expect(bare.startswith(bos) and len(set(between)) == 1 and ask == pieces[Piece.ASK] and alone == [bare, end, ask])
    pieces |= {Piece.TOOLS_BARE: bare.removeprefix(bos), Piece.TOOLS_NEXT: between[0], Piece.TOOLS_END: end}
    if not template.takes_system:
        return
    text = render(conversation(_SYSTEM, _USER), tools=_TOOLS[:2])
    system, listed, *rest = cut(text, _SYSTEM, *texts[:2], _USER)
    _expect(system.startswith(bos) and rest == [between[0], end, ask])
    pieces |= {Piece.TOOLS_SYSTEM: system.removeprefix(bos), Piece.TOOLS_LIST: listed}


def _find_calls(render: Renderer, pieces: dict[Piece, str]) -> None:
    """The pieces around calls and results."""
    arguments = [tool_text(each) for each in _ARGUMENTS]
    words = [_USER, _NAMES[0], arguments[0], _NAMES[1], arguments[1], *_RESULTS]
    results = [resulted(text) for text in _RESULTS]
    first, called, *rest = cut(render([*conversation(None, _USER), replied("", *_CALLS), *results]), *words)
    words.insert(1, _REPLY)
    text = render([*conversation(None, _USER), replied(_REPLY, *_CALLS), *results])
    same, told, said, *again = cut(text, *words)
    _expect(first == same == pieces[Piece.BARE_PRE] and told == pieces[Piece.TOLD] and rest == again)
    between, following, between_again, results_pre, results_next, results_end = rest
    before, ask = called.removeprefix(told), pieces[Piece.ASK]
    opened = _CALL_PRE.fullmatch(before)
    post = following.removesuffix(said)
    closed = _CALL_POST.fullmatch(post)
    _expect(called.startswith(told) and said.endswith(before) and not said.removesuffix(before).strip())
    _expect(bool(between == between_again == '", "arguments": ' and following.endswith(said) and opened and closed))
    _expect(results_pre.startswith(post) and results_end.endswith(ask))
    assert opened
    assert closed
    pieces |= {Piece.CALL_PRE: before, Piece.CALL_SAID: said, Piece.CALL_ARGUMENTS: between}
    pieces |= {Piece.CALL_NEXT: following, Piece.CALL_POST: post}
    pieces |= {Piece.CALL_OPEN: opened[1], Piece.CALL_CLOSE: closed[1]}
    pieces |= {Piece.RESULT_PRE: results_pre.removeprefix(post), Piece.RESULT_NEXT: results_next}
    pieces[Piece.RESULT_POST] = results_end.removesuffix(ask)


def _find_step(render: Renderer, pieces: dict[Piece, str]) -> int:
    """The rule for replies after the last message of the user, as flags; and its pieces."""
    kept, thought = _stepped(render, pieces, f"{START}{_THOUGHT}{END}{_REPLY}"), _THOUGHT
    pre, post = cut(kept, thought, _REPLY)[:2] if thought in kept else (cut(kept, _REPLY)[0], "")
    lone = cut(_stepped(render, pieces, START + _REPLY), _REPLY)[0].removesuffix(START)
    rendered = {reply: _stepped(render, pieces, reply) for reply in PROBES}
    rule = find_rule(rendered, Surroundings(pieces[Piece.TOLD], pre, post, lone))
    if rule is None:
        raise Unsayable("it changes the text before a call")
    pieces |= {Piece.STEP_KEPT_PRE: pre, Piece.STEP_KEPT_POST: post, Piece.STEP_LONE_PRE: lone}
    left, right = (trim_flag(Slot.REPLY, side) for side in (False, True))
    return rule.flags | (left if rule.trim_left else 0) | (right if rule.trim_right else 0)


def _stepped(render: Renderer, pieces: dict[Piece, str], reply: str) -> str:
    """The text between a message and the call at the end of ``reply``, which answers it."""
    text = render([*conversation(None, _USER), replied(reply, _CALLS[0]), resulted(_RESULTS[0])])
    head, call_text = pieces[Piece.BARE_PRE] + _USER, pieces[Piece.CALL_SAID] + _NAMES[0]
    _expect(text.startswith(head) and text.count(call_text) == 1)
    return text[len(head) : text.index(call_text)]


def _agrees(render: Renderer, template: ChatTemplate) -> bool:
    """Do the pieces give what the template gives, in conversations of many kinds?"""
    bos = render.bos if template.flags & Flag.BOS else ""
    for messages, tools in _conversations(template):
        if template.refused_word(messages):
            continue
        try:
            told: dict[str, Any] = {"tools": tools} if tools else {}
            if bos + template.render(messages, tools) != render(messages, **told):
                return False
        except TemplateRefused:
            return False
    return True


def _conversations(template: ChatTemplate) -> Iterator[tuple[list[Message], Sequence[dict[str, Any]]]]:
    """Conversations with the texts of SAID in every place."""
    odd = tool('a"b', "<é>\n\\ \u2028", x={"type": ["integer", "null"], "enum": [1, -2, 0.5, None, True]}, y={})
    for i, text in enumerate((*SAID, "")):
        one, two, three = (SAID[(i + step) % len(SAID)] for step in (0, 3, 5))
        calls = (call("f", {"x": text, "y": [1, {"z": None}]}), call("g", {}))
        user = Message(role="user", content=two)
        results = [resulted(text), resulted(three)]
        said = [user, replied(text, *calls), *results]
        later = [Message(role="assistant", content=one), Message(role="user", content=three)]
        tails: tuple[list[Message], ...] = (
            [user],
            said,
            [*said, *later],
            [*said, replied(three, calls[1]), resulted(one)],
            [*said, *later, replied("", calls[0]), resulted(two), replied(one, calls[1]), resulted("")],
            [user, *later, replied(text, calls[1]), results[0]],
        )
        systems = [None, one] if template.takes_system else [None]
        for system in systems:
            first = [] if system is None else [Message(role="system", content=system)]
            for tail in tails:
                for tools in ((), (odd,), (_TOOLS[0], odd, _TOOLS[1])):
                    yield [*first, *tail], tools
