"""A chat template in pieces, and how conversations are assembled from them: kernel_c/infer/chat/chat.c in Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, NotRequired, TypedDict

from kgpt_build.chat.thoughts import START, ReplyRule, Thoughts

FAMILY_BYTES = 16


class Message(TypedDict):
    """A message as templates know it: ``role`` is ``system``, ``user``, ``assistant`` or ``tool``."""

    role: str
    content: str
    tool_calls: NotRequired[list[Any]]
    """Of an assistant: ``{"type": "function", "function": {"name": …, "arguments": {…}}}``."""


def conversation(system: str | None, *said: str) -> list[Message]:
    """Messages of the user and replies in turn, after the system prompt if there is one."""
    first = [] if system is None else [Message(role="system", content=system)]
    return first + [Message(role="assistant" if i % 2 else "user", content=text) for i, text in enumerate(said)]


class Fragment(NamedTuple):
    """A part of the context; only the template's own text is searched for special tokens (struct kg_fragment)."""

    text: str
    special: bool


class Piece(IntEnum):
    """enum kg_chat_piece."""

    BARE_PRE = 0
    SYSTEM_PRE = 1
    SYSTEM_POST = 2
    ASK = 3
    ASK_PLAIN = 4
    TOLD = 5
    NEXT = 6
    END = 7
    DEFAULT_SYSTEM = 8
    KEPT_PRE = 9
    KEPT_POST = 10
    LONE_PRE = 11
    SYSTEM_WORDS = 12
    MESSAGE_WORDS = 13
    TOOLS_BARE = 14
    TOOLS_SYSTEM = 15
    TOOLS_LIST = 16
    TOOLS_NEXT = 17
    TOOLS_END = 18
    CALL_PRE = 19
    CALL_SAID = 20
    CALL_ARGUMENTS = 21
    CALL_NEXT = 22
    CALL_POST = 23
    CALL_OPEN = 24
    CALL_CLOSE = 25
    RESULT_PRE = 26
    RESULT_NEXT = 27
    RESULT_POST = 28
    STEP_KEPT_PRE = 29
    STEP_KEPT_POST = 30
    STEP_LONE_PRE = 31


_REPLY_PIECES = (Piece.KEPT_PRE, Piece.KEPT_POST, Piece.LONE_PRE)
_STEP_PIECES = (Piece.STEP_KEPT_PRE, Piece.STEP_KEPT_POST, Piece.STEP_LONE_PRE)


class Slot(IntEnum):
    """A place for a message or reply: enum kg_chat_slot."""

    SYSTEM = 0
    FIRST = 1
    FIRST_BARE = 2
    LATER = 3
    REPLY = 4


class Flag(IntFlag):
    """enum kg_chat_flag, without the bits of ``Thoughts`` and ``trim_flag``."""

    BOS = 1 << 0
    SYSTEM_REFUSED = 1 << 1
    SYSTEM_MOVES = 1 << 2
    NO_BLANK = 1 << 3
    REWRITES = 1 << 6
    ROWS = 1 << 28


_TRIM_SHIFT = 16
_KNOWN_FLAGS = sum(Flag) | sum(Thoughts) | (1 << 2 * len(Slot)) - 1 << _TRIM_SHIFT
_RULE_FLAGS = sum(Thoughts) | 3 << _TRIM_SHIFT + 2 * Slot.REPLY


def trim_flag(slot: Slot, right: bool) -> int:
    """The flag that the text in ``slot`` loses white space at its left or right end."""
    return 1 << _TRIM_SHIFT + 2 * slot + right


def known_flags(flags: int) -> bool:
    """Are all bits of ``flags`` known?"""
    return not flags & ~_KNOWN_FLAGS


def known_step_flags(flags: int) -> bool:
    """Are all bits of ``flags`` those of a rule for replies?"""
    return not flags & ~_RULE_FLAGS


def tool_text(value: object) -> str:
    """JSON as templates write a tool, and the arguments of a call."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class ChatTemplate:
    """The pieces of a template: ``pieces`` in the order of ``Piece``, ``flags`` of ``Flag`` and ``trim_flag``.

    ``step_flags``: the rule for replies between the last message of the user and the reply that is asked for.
    """

    family: str
    pieces: tuple[str, ...]
    flags: int
    step_flags: int = 0

    def __getitem__(self, piece: Piece) -> str:
        return self.pieces[piece]

    @property
    def end(self) -> str:
        """The end of a reply: a special token or a stop string; empty if the template has none."""
        return self[Piece.END]

    @property
    def default_system(self) -> str:
        """The template's default system prompt, or ""."""
        return self[Piece.DEFAULT_SYSTEM]

    @property
    def takes_system(self) -> bool:
        return not self.flags & Flag.SYSTEM_REFUSED

    @property
    def can_think(self) -> bool:
        """Has the template a switch for thinking?"""
        return bool(self[Piece.ASK_PLAIN])

    @property
    def takes_tools(self) -> bool:
        return bool(self[Piece.CALL_OPEN])

    def described(self) -> list[str]:
        """Notes about the template, one line each."""
        lines = [f"{self.family}; a reply ends with {self.end!r}" if self.end else self.family]
        if not self.takes_system:
            lines.append("takes no system prompt")
        elif self.default_system:
            lines.append(f"system prompt unless another is given: {self.default_system!r}")
        notes = {
            Flag.SYSTEM_MOVES: "the system prompt stays before the first message (its model moves it to the last one)",
            Thoughts.DROPPED: "earlier replies lose what comes before </think>",
        }
        lines += [text for flag, text in notes.items() if self.flags & flag]
        for place, piece in (("a system prompt", Piece.SYSTEM_WORDS), ("a message", Piece.MESSAGE_WORDS)):
            if self[piece]:
                words = ", ".join(repr(word) for word in self.words(piece))
                lines.append(f"{place} that holds {words} is refused: the template gives it another meaning")
        if self.takes_tools:
            lines.append(f"takes tools, and calls them between {self[Piece.CALL_OPEN]} and {self[Piece.CALL_CLOSE]}")
        return lines

    def words(self, piece: Piece) -> list[str]:
        """The words of SYSTEM_WORDS or MESSAGE_WORDS."""
        return [word for word in self[piece].split("\0") if word]

    def refused_word(self, messages: Sequence[Message]) -> str:
        """kg_chat_refused: the first word in ``messages`` that the template treats specially, or ""."""
        for message in messages:
            pieces = {"system": Piece.SYSTEM_WORDS, "user": Piece.MESSAGE_WORDS}
            words = self.words(pieces[message["role"]]) if message["role"] in pieces else []
            if found := [word for word in words if word in message["content"]]:
                return found[0]
        return ""

    def blob(self) -> bytes:
        """The bytes of include/kgpt/chat.h."""
        from kgpt_build.chat.blob import pack

        return pack(self)

    def turn(
        self, first: bool, system: str, message: str, *, thinking: bool = True, tools: Sequence[object] = ()
    ) -> list[Fragment]:
        """kg_chat_turn: the text between the end of the last reply and the next one."""
        if first and tools:
            fragments = self._tools(system, message, tools)
        elif not first:
            fragments = [Fragment(self[Piece.NEXT], True), self._said(Slot.LATER, message)]
        elif system and self.takes_system:
            before = [Fragment(self[Piece.SYSTEM_PRE], True), self._said(Slot.SYSTEM, system)]
            fragments = [*before, Fragment(self[Piece.SYSTEM_POST], True), self._said(Slot.FIRST, message)]
        else:
            fragments = [Fragment(self[Piece.BARE_PRE], True), self._said(Slot.FIRST_BARE, message)]
        plain = not thinking and self.can_think
        return [*fragments, Fragment(self[Piece.ASK_PLAIN if plain else Piece.ASK], True)]

    def _tools(self, system: str, message: str, tools: Sequence[object]) -> list[Fragment]:
        """The first turn of a conversation with ``tools``, without the request for a reply."""
        if system and self.takes_system:
            fragments = [Fragment(self[Piece.TOOLS_SYSTEM], True), self._said(Slot.SYSTEM, system)]
            between = Piece.TOOLS_LIST
        else:
            fragments, between = [], Piece.TOOLS_BARE
        for tool in tools:
            fragments += [Fragment(self[between], True), Fragment(tool_text(tool), False)]
            between = Piece.TOOLS_NEXT
        slot = Slot.FIRST if system and self.takes_system else Slot.FIRST_BARE
        return [*fragments, Fragment(self[Piece.TOOLS_END], True), self._said(slot, message)]

    def reply(self, text: str, *, generated: bool = False, thinking: bool = True, step: bool = False) -> list[Fragment]:
        """The text of an earlier reply, from the end of the message before it; kg_chat_reply if it was ``generated``.

        The text before a generated reply may contain ``<think>`` already, so that the reply lacks it. ``step``: the
        reply comes after the last message of the user.
        """
        asked = self[Piece.ASK if thinking or not self.can_think else Piece.ASK_PLAIN].rstrip("\n")
        parts = self._rule(step).parts(text, opened=generated and asked.endswith(START))
        pre, post, lone = _STEP_PIECES if step else _REPLY_PIECES
        if parts.lone:
            return [Fragment(self[lone], True), Fragment(parts.answer, False)]
        if parts.thought is not None:
            kept = [Fragment(self[pre], True), Fragment(parts.thought, False)]
            return [*kept, Fragment(self[post], True), Fragment(parts.answer, False)]
        return [Fragment(self[Piece.TOLD], True), Fragment(parts.answer, False)]

    def _rule(self, step: bool) -> ReplyRule:
        """The rule for earlier replies, or for those of a step."""
        flags = self.step_flags if step else self.flags
        left, right = (bool(flags & trim_flag(Slot.REPLY, side)) for side in (False, True))
        return ReplyRule(flags & sum(Thoughts), left, right)

    def calls(self, said: bool, calls: Sequence[Mapping[str, Any]]) -> list[Fragment]:
        """kg_chat_calls: calls at the end of a reply, behind its text (``said``) or alone."""
        fragments: list[Fragment] = []
        before = Piece.CALL_SAID if said else Piece.CALL_PRE
        for call in calls:
            function = call["function"]
            fragments += [Fragment(self[before], True), Fragment(function["name"], False)]
            fragments += [
                Fragment(self[Piece.CALL_ARGUMENTS], True),
                Fragment(tool_text(function["arguments"]), False),
            ]
            before = Piece.CALL_NEXT
        return [*fragments, Fragment(self[Piece.CALL_POST], True)]

    def fragments(self, messages: Sequence[Message], tools: Sequence[object] = ()) -> list[Fragment]:
        """A whole conversation, up to the beginning of the reply to its last message: of the user, or of a tool."""
        system = messages[0]["content"] if messages[0]["role"] == "system" else ""
        said = [message for message in messages if message["role"] != "system"]
        roles = [message["role"] for message in said]
        last = len(roles) - 1 - roles[::-1].index("user")
        fragments: list[Fragment] = []
        for i, message in enumerate(said):
            if message["role"] == "user":
                if roles[i - 1 : i] == ["user"]:  # a row: the first one asks for no reply
                    fragments.pop()
                fragments += self.turn(not i, system, message["content"], tools=tools)
            elif message["role"] == "tool":
                before = Piece.RESULT_NEXT if roles[i - 1] == "tool" else Piece.RESULT_PRE
                fragments += [Fragment(self[before], True), Fragment(message["content"], False)]
                if roles[i + 1 : i + 2] != ["tool"]:
                    fragments += [Fragment(self[Piece.RESULT_POST], True), Fragment(self[Piece.ASK], True)]
            else:
                reply = self.reply(message["content"], step=i > last)
                calls = message.get("tool_calls") or []
                fragments = fragments[:-1] + reply
                fragments += self.calls(bool(reply[-1].text), calls) if calls else []
        return fragments

    def render(self, messages: Sequence[Message], tools: Sequence[object] = ()) -> str:
        """The text of ``fragments``, which is the template's own without the BOS at its start."""
        return "".join(text for text, _ in self.fragments(messages, tools))

    def _said(self, slot: Slot, text: str) -> Fragment:
        if self.flags & trim_flag(slot, right=False):
            text = text.lstrip()
        if self.flags & trim_flag(slot, right=True):
            text = text.rstrip()
        return Fragment(text, False)
