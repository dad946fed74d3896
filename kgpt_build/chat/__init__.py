"""Chat templates: a model's Jinja template → pieces of text between which the kernel puts what is said.

``environment`` renders a template as transformers does; ``derive`` finds its pieces by rendering conversations of
recognisable words; ``thoughts`` and ``words`` know what templates do to earlier replies and to some words;
``verify`` compares the pieces with the template; ``blob`` is the layout of include/kgpt/chat.h. ``sandbox`` and
``worker`` set limits to a template that a file brings.
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
