"""Derives the pieces of a chat template: renders conversations of unique words, and cuts the result at the words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from kgpt_build.chat.builtin import BUILTIN_TEMPLATES, family_of
from kgpt_build.chat.environment import TODAY, Renderer, TemplateRefused
from kgpt_build.chat.template import ChatTemplate, Flag, Piece, Slot, conversation, trim_flag
from kgpt_build.chat.thoughts import END, PROBES, START, Surroundings, Thoughts, find_rule
from kgpt_build.chat.tools import with_tools
from kgpt_build.chat.verify import Unsayable, cut, verify
from kgpt_build.chat.words import find_words
from kgpt_build.errors import KgptError

_BOS, _SYSTEM, _THOUGHT = "qBosq", "qSystemq", "qThoughtq"
_U = ("qMessage0q", "qMessage1q", "qMessage2q")
_A = ("qReply0q", "qReply1q")

_LEFT, _RIGHT = " \t\n", "\n\t "

# The usual forms of special tokens: <|im_end|>, </s>, <end_of_turn>, <｜end▁of▁sentence｜>, [/INST].
_SPECIAL = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]")


def chat_blob(template: str, bos: str, eos: str, *, family: str | None = None, today: date = TODAY) -> ChatTemplate:
    """The pieces of ``template``, or of the built-in template ``family``; ``bos`` and ``eos`` are tokens' texts.

    Raises KgptError for an invalid template, or one that pieces cannot express.
    """
    text = template if family is None else _builtin(family)
    names = ", ".join(BUILTIN_TEMPLATES)
    if not text:
        raise KgptError("the model has no chat template", f"--chat-template NAME brings one: {names}")
    failures = []
    for defined in (True, False):
        render, marked = (Renderer(text, first, eos, today, defined=defined) for first in (bos, _BOS))
        try:
            return _derived(render, marked)
        except (Unsayable, TemplateRefused) as error:
            failures.append(error)
    raise KgptError(
        f"the chat template cannot be taken to pieces: {failures[0]}",
        f"--chat-template NAME uses another one ({names}), or none for a kernel without a chat",
    ) from failures[0]


def _builtin(family: str) -> str:
    if family not in BUILTIN_TEMPLATES:
        raise KgptError(f"there is no chat template {family!r}", f"known are {', '.join(BUILTIN_TEMPLATES)}")
    return BUILTIN_TEMPLATES[family]


def _derived(render: Renderer, marked: Renderer) -> ChatTemplate:
    """``marked`` has a unique word as BOS, because the BOS of some models also begins each message."""
    pieces = dict.fromkeys(Piece, "")
    _find_turns(render, pieces)
    flags = _find_system(render, pieces)
    pieces[Piece.DEFAULT_SYSTEM] = _default_system(pieces)
    pieces[Piece.END] = _find_end(render, pieces[Piece.NEXT])
    pieces[Piece.ASK_PLAIN] = _find_plain(render, pieces)
    flags |= _find_trims(render, flags) | _find_reply_rule(render, pieces)
    rewrites = flags & (Thoughts.DROPPED | Thoughts.KEPT) or pieces[Piece.TOLD].rstrip() != pieces[Piece.ASK].rstrip()
    flags |= Flag.REWRITES if rewrites else 0
    if render.bos and marked(conversation(None, _U[0])).startswith(_BOS):
        flags |= _take_bos(render.bos, pieces, bool(flags & Flag.SYSTEM_REFUSED))
    found = ChatTemplate(family_of(pieces), tuple(pieces[piece] for piece in Piece), flags)
    return with_tools(render, verify(render, find_words(render, found)))


def _find_turns(render: Renderer, pieces: dict[Piece, str]) -> None:
    """The pieces of conversations without a system prompt."""
    pre, ask = cut(render(conversation(None, _U[0])), _U[0])
    said = (_U[0], _A[0], _U[1], _A[1], _U[2])
    first, told, after, *rest = cut(render(conversation(None, *said)), *said)
    if first != pre or rest != [told, after, ask]:
        raise Unsayable("it does not treat every turn of a conversation alike")
    pieces |= {Piece.BARE_PRE: pre, Piece.ASK: ask, Piece.TOLD: told, Piece.NEXT: after}


def _find_system(render: Renderer, pieces: dict[Piece, str]) -> int:
    """The pieces around a system prompt, and the flags about it."""
    try:
        text = render(conversation(_SYSTEM, _U[0]))
    except TemplateRefused:
        return Flag.SYSTEM_REFUSED
    if _SYSTEM not in text:
        return Flag.SYSTEM_REFUSED
    pre, post, ask = cut(text, _SYSTEM, _U[0])
    pieces |= {Piece.SYSTEM_PRE: pre, Piece.SYSTEM_POST: post}
    later = render(conversation(_SYSTEM, _U[0], _A[0], _U[1]))
    turns = [pieces[Piece.TOLD], pieces[Piece.NEXT], pieces[Piece.ASK]]
    if ask == pieces[Piece.ASK] and later.find(_U[0]) < later.find(_SYSTEM):
        cut(later, _U[0], _A[0], _SYSTEM, _U[1])
        return Flag.SYSTEM_MOVES
    if ask != pieces[Piece.ASK] or cut(later, _SYSTEM, _U[0], _A[0], _U[1]) != [pre, post, *turns]:
        raise Unsayable("with a system prompt its turns look different")
    return 0


def _default_system(pieces: dict[Piece, str]) -> str:
    """The template's own system prompt in BARE_PRE, if it has the form of a given system prompt."""
    bare, pre, post = (pieces[piece] for piece in (Piece.BARE_PRE, Piece.SYSTEM_PRE, Piece.SYSTEM_POST))
    inside = len(bare) - len(pre) - len(post)
    same = pre and post and inside > 0 and bare.startswith(pre) and bare.endswith(post)
    return bare[len(pre) : len(pre) + inside] if same else ""


def _find_end(render: Renderer, after: str) -> str:
    """The end of a reply: the first special token behind it, or the first text there."""
    try:
        tail = cut(render(conversation(None, _U[0], _A[0]), ask=False), _A[0])[1]
    except TemplateRefused:
        tail = ""
    text = tail.strip() or after.strip()
    if render.eos and text.startswith(render.eos):
        return render.eos
    special = _SPECIAL.match(text)
    return special[0] if special else text.partition("\n")[0].rstrip()


def _find_plain(render: Renderer, pieces: dict[Piece, str]) -> str:
    """ASK_PLAIN: the text of ASK with ``enable_thinking=False``, if this changes nothing else."""
    try:
        plain = cut(render(conversation(None, _U[0]), enable_thinking=False), _U[0])
        said = (_U[0], _A[0], _U[1])
        later = cut(render(conversation(None, *said), enable_thinking=False), *said)
    except TemplateRefused:
        return ""
    bare, told, after = (pieces[piece] for piece in (Piece.BARE_PRE, Piece.TOLD, Piece.NEXT))
    alone = plain[0] == bare and later == [bare, told, after, plain[1]]
    return plain[1] if alone and plain[1] != pieces[Piece.ASK] else ""


def _slot_probes(flags: int) -> dict[Slot, tuple[str | None, Sequence[str], str]]:
    """For each slot: a system prompt, the messages, and the word in the slot."""
    probes: dict[Slot, tuple[str | None, Sequence[str], str]] = {
        Slot.FIRST_BARE: (None, (_U[0],), _U[0]),
        Slot.LATER: (None, (_U[0], _A[0], _U[1]), _U[1]),
    }
    if not flags & Flag.SYSTEM_REFUSED:
        probes |= {Slot.SYSTEM: (_SYSTEM, (_U[0],), _SYSTEM), Slot.FIRST: (_SYSTEM, (_U[0],), _U[0])}
    return probes


def _find_trims(render: Renderer, flags: int) -> int:
    """The flags of slots that lose white space at one side, except for replies: see ``_find_reply_rule``."""
    found = 0
    for slot, (system, said, word) in _slot_probes(flags).items():
        plain = cut(render(conversation(system, *said)), word)
        spaced = _LEFT + word + _RIGHT
        wide = [spaced if text == word else text for text in (system, *said) if text is not None]
        there = cut(render(conversation(None if system is None else wide.pop(0), *wide)), word)
        for right, (short, long) in enumerate(
            [(plain[0], plain[0] + _LEFT), (plain[1], _RIGHT + plain[1])],
        ):
            if there[right] not in (short, long):
                raise Unsayable("it changes white space within a message")
            found |= trim_flag(slot, bool(right)) if there[right] == short else 0
    return found


def _find_reply_rule(render: Renderer, pieces: dict[Piece, str]) -> int:
    """The flags for earlier replies and their thoughts, and the pieces that these flags need."""
    rendered = {reply: _replied(render, pieces, reply) for reply in PROBES}
    _refuse_a_last_reply_of_its_own(render, pieces, rendered)
    kept_pre, _, kept_post = _around(render, f"{START}{_THOUGHT}{END}{_A[0]}", _THOUGHT)
    lone_pre = _around(render, START + _A[0], "")[0].removesuffix(START)
    rule = find_rule(rendered, Surroundings(pieces[Piece.TOLD], kept_pre, kept_post, lone_pre))
    if rule is None:
        plain = _replied(render, pieces, PROBES[0])
        changed = next(reply for reply, text in rendered.items() if text != plain.replace(PROBES[0], reply))
        raise Unsayable(f"it turns the reply {changed!r} into {rendered[changed]!r}")
    if rule.flags & Thoughts.KEPT:
        pieces |= {Piece.KEPT_PRE: kept_pre, Piece.KEPT_POST: kept_post}
    if rule.flags & Thoughts.LONE_TAG:
        pieces[Piece.LONE_PRE] = lone_pre
    left, right = (trim_flag(Slot.REPLY, side) for side in (False, True))
    return rule.flags | (left if rule.trim_left else 0) | (right if rule.trim_right else 0)


def _replied(render: Renderer, pieces: dict[Piece, str], *replies: str) -> str:
    """The text between a message and the message that follows the last of ``replies``."""
    said = [text for pair in zip(_U, replies, strict=False) for text in pair]
    text = render(conversation(None, *said, _U[len(replies)]))
    head = pieces[Piece.BARE_PRE] + _U[0]
    tail = pieces[Piece.NEXT] + _U[len(replies)] + pieces[Piece.ASK]
    if not (text.startswith(head) and text.endswith(tail) and len(text) >= len(head) + len(tail)):
        raise Unsayable("what surrounds a reply depends on the reply")
    return text[len(head) : len(text) - len(tail)]


def _refuse_a_last_reply_of_its_own(render: Renderer, pieces: dict[Piece, str], rendered: dict[str, str]) -> None:
    """Raise Unsayable if the template treats the last of several replies differently from the others."""
    for reply in PROBES:
        both = _replied(render, pieces, reply, reply)
        if both != rendered[reply] + pieces[Piece.NEXT] + _U[1] + rendered[reply]:
            raise Unsayable("it keeps the thoughts of the last reply but not those of earlier ones")


def _around(render: Renderer, reply: str, thought: str) -> tuple[str, str, str]:
    """The texts before ``thought`` in an earlier ``reply``, and between the thought and the answer."""
    text = render(conversation(None, _U[0], reply, _U[1]))
    if thought and thought in text:
        _, pre, post, _, _ = cut(text, _U[0], thought, _A[0], _U[1])
        return pre, thought, post
    return cut(text, _U[0], _A[0], _U[1])[1], "", ""


def _take_bos(bos: str, pieces: dict[Piece, str], bare_only: bool) -> int:
    """Turn the BOS at the start of both beginnings into a flag."""
    for piece in [Piece.BARE_PRE] if bare_only else [Piece.BARE_PRE, Piece.SYSTEM_PRE]:
        if not pieces[piece].startswith(bos):
            raise Unsayable("whether it begins with a BOS depends on the system prompt")
        pieces[piece] = pieces[piece].removeprefix(bos)
    return Flag.BOS
