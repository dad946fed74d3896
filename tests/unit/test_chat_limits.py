"""Templates that compute without bound: counted in the sandbox, and stopped with the process where no count sees it."""

from __future__ import annotations

import pytest
from refusals import refused

from kgpt_build.chat import BUILTIN_TEMPLATES, chat_blob, guarded_chat_blob
from kgpt_build.chat import worker as chat_worker
from kgpt_build.errors import KgptError

_STEPS = "it takes more than 50,000 steps for one conversation"
_SIZE = "it makes a value of more than 1,048,576 characters or elements"

COUNTED = {
    "nested loops": ("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", _STEPS),
    "a loop's condition": ("{% for i in range(90000) if i < 0 %}{% endfor %}", _STEPS),
    "recursion": ("{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}", "recursion"),
    "a tree of macros": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
        _STEPS,
    ),
    "a recursive loop": (
        "{% for m in [1] recursive %}{{ loop([1]) if loop.depth < 60 }}{{ loop([1]) if loop.depth < 60 }}{% endfor %}",
        _STEPS,
    ),
    "repeated text": ("{{ ('x' * 100000000) | length }}", _SIZE),
    "repeated list": ("{{ ([0] * 100000000) | length }}", _SIZE),
    "a number's text": ("{{ '%0100000000d' % 1 }}", _SIZE),
    "a power": ("{{ 10 ** (10 ** 9) }}", _SIZE),
    "a call's width": ("{{ 'x'.ljust(100000000) | length }}", _SIZE),
    "doubled text": (
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        _SIZE,
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_what_a_template_computes_is_bounded(name: str) -> None:
    template, why = COUNTED[name]
    with refused(KgptError, f"chat template pieces {why}"):
        chat_blob(template + "{% for m in messages %}{{ m.content }}{% endfor %}", "", "")


NOT_COUNTED = {
    "memory": "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "time": "{% for i in range(40000) if range(90000) | list | length == 0 %}{% endfor %}",
}


@pytest.mark.parametrize("name", NOT_COUNTED)
def test_what_is_not_counted_ends_with_the_process(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_worker, "CPU_SECONDS", 2)
    with refused(KgptError, "chat template") as caught:
        guarded_chat_blob(NOT_COUNTED[name] + "{% for m in messages %}{{ m.content }}{% endfor %}", "", "")
    assert "--chat-template NAME" in caught.value.hint


def test_a_template_gives_the_same_pieces_in_a_process_of_its_own() -> None:
    for text in BUILTIN_TEMPLATES.values():
        assert guarded_chat_blob(text, "<s>", "</s>") == chat_blob(text, "<s>", "</s>")


def test_a_refusal_comes_out_of_the_process_as_it_went_in() -> None:
    for call in (chat_blob, guarded_chat_blob):
        with refused(KgptError, "Jinja line 2:") as caught:
            call("x\n{% for %}", "", "")
        assert caught.value.hint == "--chat-template NAME uses another"
