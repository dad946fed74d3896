"""How a template changes an earlier reply: which parts of its thought it keeps, and which white space it trims.

kernel_c/infer/chat/chat_reply.c does the same in C. A reply may contain a thought: ``<think>`` … ``</think>``, where
the opening tag is often in the template's own text. ``find_rule`` tries the rules of public templates on replies whose
rendering is known. It takes the first rule, which is the simplest, that explains all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntFlag
from itertools import product

START, END = "<think>", "</think>"

PROBES = (
    "plain",
    "\n\n newlines and spaces \n ",
    "thought</think>answer",
    "\n\n thought</think>\n\n  answer \n ",
    "<think>\n thought \n</think>\n\n  answer\n",
    "<think>one</think>two</think>\n\n three",
    "before<think>thought</think> answer",
    "<think>one<think>two</think>three",
    "<think></think>answer",
    "<think>\n\n</think>answer",
    "<think> </think>answer",
    "<think>not ended",
    " answer <think>late \n",
)
"""Replies that distinguish the rules; none has a blank answer."""


class Thoughts(IntFlag):
    """Changes of an earlier reply: enum kg_chat_thoughts, bits of the blob's flags."""

    DROPPED = 1 << 4
    """The thought is removed."""
    NEWLINES_DROPPED = 1 << 5
    """The answer behind a thought loses its leading newlines."""
    KEPT = 1 << 7
    """A non-empty thought is kept between KEPT_PRE and KEPT_POST."""
    NEEDS_START = 1 << 8
    """Only ``<think>`` and ``</think>`` together make a thought."""
    FIRST_END = 1 << 9
    """The answer begins behind the first ``</think>``, not the last."""
    ONE_PART = 1 << 10
    """… and ends before the second one."""
    ANSWER_LEFT = 1 << 11
    """The answer behind a thought loses the white space at its left."""
    ANSWER_RIGHT = 1 << 12
    """… and at its right."""
    REPLY_NEWLINES = 1 << 13
    """A reply without a thought loses its leading newlines."""
    THOUGHT_SPACE = 1 << 14
    """A thought that is kept loses white space at both ends, not newlines alone."""
    LONE_TAG = 1 << 15
    """A reply with only one of the two tags follows LONE_PRE, without white space at its ends."""
    ANSWER_END_NEWLINES = 1 << 26
    """The answer behind a thought loses its trailing newlines."""
    NEWLINES_KEPT = 1 << 27
    """A thought of newlines alone is not empty; it is kept, trimmed."""


@dataclass(frozen=True)
class ReplyRule:
    """The rule for earlier replies: ``flags``, and the sides where a reply without a thought is trimmed."""

    flags: int
    trim_left: bool = False
    trim_right: bool = False

    def parts(self, reply: str, *, opened: bool = False) -> Parts:
        """The parts of ``reply`` in the context. ``opened``: the text before the reply contains ``<think>``."""
        started = opened or START in reply
        whole = END in reply and (started or not self.flags & Thoughts.NEEDS_START)
        if self.flags & Thoughts.LONE_TAG and (END in reply) != started:
            return Parts(reply.strip(), lone=True)
        if whole and self.flags & (Thoughts.DROPPED | Thoughts.KEPT):
            thought = self._thought(reply) if self.flags & Thoughts.KEPT else None
            return Parts(self._answer(reply), thought)
        return Parts(self._trimmed(reply))

    def _trimmed(self, reply: str) -> str:
        reply = reply.lstrip("\n") if self.flags & Thoughts.REPLY_NEWLINES else reply
        reply = reply.lstrip() if self.trim_left else reply
        return reply.rstrip() if self.trim_right else reply

    def _thought(self, reply: str) -> str | None:
        thought = reply.partition(END)[0].rpartition(START)[2]
        if not (thought if self.flags & Thoughts.NEWLINES_KEPT else thought.strip("\n")):
            return None
        return thought.strip() if self.flags & Thoughts.THOUGHT_SPACE else thought.strip("\n")

    def _answer(self, reply: str) -> str:
        answer = reply.partition(END)[2] if self.flags & Thoughts.FIRST_END else reply.rpartition(END)[2]
        answer = answer.partition(END)[0] if self.flags & Thoughts.ONE_PART else answer
        answer = answer.lstrip("\n") if self.flags & Thoughts.NEWLINES_DROPPED else answer
        answer = answer.lstrip() if self.flags & Thoughts.ANSWER_LEFT else answer
        answer = answer.rstrip("\n") if self.flags & Thoughts.ANSWER_END_NEWLINES else answer
        return answer.rstrip() if self.flags & Thoughts.ANSWER_RIGHT else answer


@dataclass(frozen=True)
class Parts:
    """A reply in the context: its answer, its kept thought or None, and whether it has only one of the tags."""

    answer: str
    thought: str | None = None
    lone: bool = False


@dataclass(frozen=True)
class Surroundings:
    """The template's texts before a reply: without a thought, before and after a kept thought, before a lone tag."""

    told: str
    kept_pre: str
    kept_post: str
    lone_pre: str

    def around(self, parts: Parts) -> str:
        """The text of ``parts``."""
        if parts.lone:
            return self.lone_pre + parts.answer
        if parts.thought is not None:
            return self.kept_pre + parts.thought + self.kept_post + parts.answer
        return self.told + parts.answer


def find_rule(rendered: Mapping[str, str], surroundings: Surroundings) -> ReplyRule | None:
    """The rule that turns each of PROBES into its text in ``rendered``, or None."""
    for rule in _rules():
        if all(surroundings.around(rule.parts(reply)) == text for reply, text in rendered.items()):
            return rule
    return None


def _rules() -> Iterator[ReplyRule]:
    """All rules, simple ones first."""
    lefts = (0, Thoughts.NEWLINES_DROPPED, Thoughts.ANSWER_LEFT)
    ends = (0, Thoughts.FIRST_END, Thoughts.FIRST_END | Thoughts.ONE_PART)
    kept, spaced = Thoughts.KEPT, Thoughts.KEPT | Thoughts.THOUGHT_SPACE
    fates = (0, Thoughts.DROPPED, kept, spaced, kept | Thoughts.NEWLINES_KEPT, spaced | Thoughts.NEWLINES_KEPT)
    replies = ((0, False), (Thoughts.REPLY_NEWLINES, False), (0, True))
    rights = (0, Thoughts.ANSWER_RIGHT, Thoughts.ANSWER_END_NEWLINES)
    tags = (0, Thoughts.NEEDS_START, Thoughts.NEEDS_START | Thoughts.LONE_TAG)
    for fate in fates:
        for (flags, left), right in product(replies, (False, True)):
            if not fate:
                yield ReplyRule(flags, left, right)
                continue
            for tag, end, side, last in product(tags, ends, lefts, rights):
                yield ReplyRule(flags | fate | tag | end | side | last, left, right)
