"""Chat templates: turns a model's Jinja template into pieces of text, between which the kernel puts the messages.

``environment`` renders a template like transformers. ``derive`` finds the pieces by rendering conversations of
recognizable words. ``thoughts`` and ``words`` describe how templates change earlier replies and certain words.
``tools`` finds the pieces of tools and their calls. ``verify`` compares the pieces with the template. ``blob`` is the
layout of include/kgpt/chat.h. ``sandbox`` and ``worker`` limit the computation of a template.
"""

from kgpt_build.chat.blob import read_chat_blob
from kgpt_build.chat.builtin import BUILTIN_TEMPLATES
from kgpt_build.chat.derive import chat_blob
from kgpt_build.chat.template import ChatTemplate, Flag, Fragment, Message, Piece
from kgpt_build.chat.worker import guarded_chat_blob

__all__ = [
    "BUILTIN_TEMPLATES",
    "ChatTemplate",
    "Flag",
    "Fragment",
    "Message",
    "Piece",
    "chat_blob",
    "guarded_chat_blob",
    "read_chat_blob",
]
