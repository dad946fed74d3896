"""Words in a system prompt or message that a template treats specially.

SmolLM3 searches a system prompt for ``/no_think``, removes it and changes its own text. Pieces cannot express this. So
the kernel refuses a text with such a word, instead of building another conversation than the template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kgpt_build.chat.environment import Renderer, TemplateRefused
from kgpt_build.chat.template import ChatTemplate, Flag, Message, Piece, conversation

_FORMS = ("{}", "a {} b")


def find_words(render: Renderer, template: ChatTemplate) -> ChatTemplate:
    """``template`` with SYSTEM_WORDS and MESSAGE_WORDS: its strings that the pieces do not pass on unchanged."""
    constants = sorted({text for text in render.constants() if text.strip() and "\0" not in text}, key=len)
    pieces = list(template.pieces)
    for piece in (Piece.SYSTEM_WORDS, Piece.MESSAGE_WORDS):
        found: list[str] = []
        for word in constants:
            covered = any(shorter in word for shorter in found)
            if not covered and not _passes(render, template, piece, word):
                found.append(word)
        pieces[piece] = "\0".join(found)
    return replace(template, pieces=tuple(pieces))


def _passes(render: Renderer, template: ChatTemplate, piece: Piece, word: str) -> bool:
    """Do pieces and template give the same text for conversations with ``word`` in that place?"""
    bos = render.bos if template.flags & Flag.BOS else ""
    for form in _FORMS:
        for messages in _conversations(template, piece, form.format(word)):
            try:
                if render(messages) != bos + template.render(messages):
                    return False
            except TemplateRefused:
                return False
    return True


def _conversations(template: ChatTemplate, piece: Piece, text: str) -> Sequence[list[Message]]:
    if piece == Piece.SYSTEM_WORDS:
        return [conversation(text, "x")] if template.takes_system else []
    return [conversation(None, *said) for said in ((text,), ("x", "y", text), (text, "y", "z"))]
