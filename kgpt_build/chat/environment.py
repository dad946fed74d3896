"""Renders a chat template like transformers: with the same Jinja environment, functions and variables.

Source: transformers/utils/chat_template_utils.py. One difference: ``strftime_now`` returns a fixed day, so that the
same model always gives the same kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from jinja2 import Template, TemplateSyntaxError
from jinja2.exceptions import TemplateError

from kgpt_build.chat.sandbox import Sandbox, constants
from kgpt_build.chat.template import Message
from kgpt_build.errors import KgptError

TODAY = date(2024, 7, 26)
"""The default date of Llama 3's templates."""

MAX_TEMPLATE = 1 << 20  # characters; real ones have at most 20,000
MAX_TEXT = 1 << 20  # characters of a conversation: the probes are short


class TemplateRefused(Exception):
    """The template refuses a conversation, or fails."""


class Renderer:
    """A template with its special tokens. Raises KgptError for an invalid Jinja template.

    ``defined``: define ``tools`` and ``documents`` also without values, like transformers; llama.cpp does not.
    """

    def __init__(self, template: str, bos: str, eos: str, today: date = TODAY, *, defined: bool = True) -> None:
        if len(template) > MAX_TEMPLATE:
            raise KgptError(f"the chat template has {len(template)} characters", "the file is damaged: get it again")
        self.bos, self.eos = bos, eos
        self._known = {"bos_token": bos, "eos_token": eos} | ({"tools": None, "documents": None} if defined else {})
        self._source = template
        self._sandbox = _environment(today)
        self._template = _compile(self._sandbox, template)

    def constants(self) -> set[str]:
        """The string constants in the template's expressions."""
        return constants(self._sandbox, self._source)

    def __call__(self, messages: Sequence[Message], *, ask: bool = True, **variables: Any) -> str:
        """Render ``messages``; ``ask``: with the beginning of a reply. Raises TemplateRefused."""
        copies = [dict(message) for message in messages]
        self._sandbox.begin()
        try:
            known = {**self._known, **variables}
            parts = self._template.generate(messages=copies, add_generation_prompt=ask, **known)
            return "".join(_bounded(parts))
        except Exception as error:  # a template is a foreign program, which may raise any exception
            raise TemplateRefused(str(error) or type(error).__name__) from error


def _bounded(parts: Iterator[str]) -> Iterator[str]:
    """``parts``, up to a maximal length in total. Raises TemplateRefused beyond it."""
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_TEXT:
            raise TemplateRefused(f"it makes more than {MAX_TEXT} characters of one conversation")
        yield part


def _environment(today: date) -> Sandbox:
    environment = Sandbox()
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = today.strftime
    return environment


def _compile(environment: Sandbox, template: str) -> Template:
    try:
        return environment.from_string(environment.counted(template))
    except TemplateSyntaxError as error:
        raise KgptError(
            f"the chat template is no Jinja template: line {error.lineno}: {error.message}",
            "--chat-template NAME uses another",
        ) from error


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without Jinja's escapes for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
