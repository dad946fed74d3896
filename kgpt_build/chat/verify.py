"""Compares a template's pieces with the template, by rendering typical conversations in both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kgpt_build.chat.environment import Renderer, TemplateRefused
from kgpt_build.chat.template import ChatTemplate, Flag, Message, conversation

SAID = (
    "x",
    "  spaces around  ",
    "two\n\nlines\n",
    "\n\tbraces {{ x }} {% endif %} {# note #}",
    "\u00a0ünïcödé \U0001f642\u3000",
    "<|im_end|> </s> [INST] <end_of_turn>",
    "ends in thought</think>\n\n so",
    "<think>\nhm\n</think>\n\n  answer",
)
BLANK = ("", " \n ")
MAX_TURNS = 4


class Unsayable(Exception):
    """The template does something that pieces cannot express."""


def cut(text: str, *words: str) -> list[str]:
    """The texts before, between and after ``words``, each of which must occur once, in this order."""
    pieces = []
    for word in words:
        if text.count(word) != 1:
            raise Unsayable("it repeats, omits or moves a message")
        before, _, text = text.partition(word)
        pieces.append(before)
    return [*pieces, text]


def verify(render: Renderer, template: ChatTemplate) -> ChatTemplate:
    """``template``, with NO_BLANK and ROWS where they hold. Raises Unsayable if it differs from ``render``."""
    bos = render.bos if template.flags & Flag.BOS else ""
    for messages in _conversations(template, SAID):
        if template.refused_word(messages):
            continue
        if bos + template.render(messages) != _rendered(render, messages):
            raise Unsayable(f"the pieces differ from it for {_shown(messages)}")
    blank = _conversations(template, ("x", *BLANK))
    exact = all(bos + template.render(messages) == _rendered(render, messages) for messages in blank)
    rows = all(bos + template.render(messages) == _rendered(render, messages) for messages in _rows(template))
    return replace(template, flags=template.flags | (0 if exact else Flag.NO_BLANK) | (Flag.ROWS if rows else 0))


def _rendered(render: Renderer, messages: Sequence[Message]) -> str | None:
    try:
        return render(messages)
    except TemplateRefused:
        return None


def _conversations(template: ChatTemplate, said: Sequence[str]) -> Iterator[list[Message]]:
    """Up to MAX_TURNS turns, with each of ``said`` in each place, and as a system prompt or without one."""
    for n in range(1, 2 * MAX_TURNS, 2):
        several = n > 1 and bool(template.flags & Flag.SYSTEM_MOVES)
        systems = [None] if several or not template.takes_system else [None, *filter(None, said)]
        for system in systems:
            for start in range(len(said)):
                texts = [said[(start + 3 * i) % len(said)] for i in range(n)]
                yield conversation(system, *texts)


def _rows(template: ChatTemplate) -> Iterator[list[Message]]:
    """Conversations in which messages of the user follow each other."""
    for system in (None, "s") if template.takes_system else (None,):
        for roles in ("uu", "uuu", "uuau", "uauu", "uauuauu"):
            said = [
                Message(role="user" if role == "u" else "assistant", content=f" {i}\n") for i, role in enumerate(roles)
            ]
            yield [*conversation(system), *said]


def _shown(messages: Sequence[Message]) -> str:
    """A short form of the conversation, for an error."""
    text = ", ".join(f"{message['role']} {message['content']!r}" for message in messages)
    return text if len(text) < 200 else text[:200] + "…"
