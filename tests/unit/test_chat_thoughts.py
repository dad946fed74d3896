"""Earlier replies with thoughts, and words that switch something: what public templates do, in templates of our own."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from refusals import refused

from kgpt_build.chat import Piece, chat_blob, read_chat_blob
from kgpt_build.chat.environment import Renderer
from kgpt_build.chat.template import conversation
from kgpt_build.chat.thoughts import END, START, Thoughts
from kgpt_build.errors import KgptError


def chat(reply: str, *, ask: str = "<|ai|>", before: str = "") -> str:
    """A template in which an earlier reply ``c`` stands as the statements ``reply`` have it."""
    return (
        before + "{%- for m in messages -%}{%- set c = m.content -%}"
        "{%- if m.role == 'assistant' -%}" + reply + "{{- '<|end|>' -}}"
        "{%- else -%}{{- '<|' + m.role + '|>' + c + '<|end|>' -}}{%- endif -%}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '" + ask + "' -}}{%- endif -%}"
    )


_SPLIT = (
    "{%- set t = '' -%}{%- if '</think>' in c -%}"
    "{%- set t = c.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') -%}"
    "{%- set c = c.split('</think>')[-1].lstrip('\n') -%}{%- endif -%}"
)

LIKE = {
    "qwq": chat("{%- set c = c.split('</think>')[-1].lstrip('\n') -%}{{- '<|ai|>' + c -}}", ask="<|ai|><think>\n"),
    "lfm2.5": chat(
        "{%- if '</think>' in c -%}{%- set c = c.split('</think>')[-1] | trim -%}{%- endif -%}{{- '<|ai|>' + c -}}"
    ),
    "qwen3.5": chat("{%- set c = c | trim -%}" + _SPLIT + "{{- '<|ai|>' + c -}}", ask="<|ai|><think>\n"),
    "minimax-m2": chat(
        "{%- if '</think>' in c -%}{%- set c = c.split('</think>')[-1].strip('\n') -%}{%- endif -%}{{- '<|ai|>' + c -}}"
    ),
    "bielik": chat(
        "{%- set t = '' -%}{%- if '<think>' in c and '</think>' in c -%}{%- set parts = c.split('</think>') -%}"
        "{%- set t = parts[0].split('<think>')[-1] -%}{%- set c = parts[1:] | join('</think>') -%}{%- endif -%}"
        "{{- '<|ai|>' -}}{%- if t -%}{{- '<think>\n' + t.strip() + '\n</think>\n' -}}{%- endif -%}{{- c.lstrip() -}}"
    ),
    "nemotron-2": chat(
        "{%- if '</think>' in c -%}{%- set c = c.split('</think>')[1] -%}{%- endif -%}{{- '<|ai|>' + c.strip() -}}",
        ask="<|ai|><think>\n",
    ),
    "nemotron-3": chat(
        "{%- if '<think>' not in c and '</think>' not in c -%}{%- set c = '<think></think>' ~ c -%}{%- endif -%}"
        "{%- if '<think>' in c and '</think>' in c -%}{%- set c = '<think></think>' ~ c.split('</think>')[-1] -%}"
        "{%- endif -%}{{- '<|ai|>' + c | trim -}}",
        ask="<|ai|><think>\n",
    ),
    "ling": chat(
        _SPLIT + "{%- if t -%}{{- '<|ai|><think>' + t.strip('\n') + '</think>' + c -}}"
        "{%- else -%}{{- '<|ai|><think></think>' + c -}}{%- endif -%}",
        ask="<|ai|><think>",
    ),
    "laguna": chat(
        _SPLIT + "{{- '<|ai|>' -}}{%- if t -%}{{- '<think>\n' + t.strip() + '\n</think>\n' -}}"
        "{%- else -%}{{- '</think>\n' -}}{%- endif -%}{{- c.strip() -}}",
        ask="<|ai|></think>",
    ),
}

_WORDS = (START, END, "a", "b", " ", "\n", "\n\n", "\u00a0")


def random_replies(n: int) -> list[str]:
    """Random replies, with tags in any order and number; their answers are not blank."""
    choose = random.Random(11)
    made = ["".join(choose.choices(_WORDS, k=choose.randint(1, 9))) for _ in range(n)]
    return [text for text in made if all(part.strip() for part in text.split(END)[1:] or [text])]


@pytest.mark.parametrize("name", LIKE)
def test_an_earlier_reply_stands_as_the_template_has_it(name: str) -> None:
    template = chat_blob(LIKE[name], "", "")
    render = Renderer(LIKE[name], "", "")
    replies = random_replies(400)
    assert len(replies) > 100
    for reply in replies:
        said = conversation(None, "one", reply, "two", reply, "three")
        assert template.render(said) == render(said), reply
    assert read_chat_blob(template.blob()) == template


def test_a_generated_reply_was_begun_by_the_text_that_asked_for_it() -> None:
    """Nemotron 3 drops a thought only with its opening tag, which stands in what asks for the reply."""
    template = chat_blob(LIKE["nemotron-3"], "", "")
    put_back = template.reply("hm\n</think>\n so", generated=True)
    assert "".join(text for text, _ in put_back) == "<|end|><|ai|><think></think>\n so"
    assert template.reply("<think>hm\n</think>\n so") == put_back
    assert template.reply("hm\n</think>\n so")[0].text == template[Piece.LONE_PRE]


def test_a_thought_that_is_kept_holds_no_special_tokens() -> None:
    template = chat_blob(LIKE["ling"], "", "")
    said = [text for text, special in template.reply("<think>a<|end|></think>b") if not special]
    assert said == ["a<|end|>", "b"]


def test_a_template_that_treats_the_last_reply_otherwise_is_refused_by_what_it_does() -> None:
    text = (
        "{%- set ns = namespace(last=-1) -%}{%- for m in messages -%}{%- if m.role == 'assistant' -%}"
        "{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}"
        "{%- for m in messages -%}{%- set c = m.content -%}{%- if m.role == 'assistant' and loop.index0 != ns.last -%}"
        "{%- set c = c.split('</think>')[-1] -%}{%- endif -%}{{- '<|' + m.role + '|>' + c + '<|end|>' -}}{%- endfor -%}"
        "{{- '<|assistant|>' if add_generation_prompt -}}"
    )
    with refused(KgptError, "chat template keeps thoughts last earlier"):
        chat_blob(text, "", "")


SWITCH = chat(
    "{{- '<|ai|>' + c -}}",
    before="{%- if messages[0].role == 'system' -%}{%- if '/quiet' in messages[0].content -%}{{- '(quiet)' -}}"
    "{%- endif -%}{%- endif -%}",
)
REPLACES = chat("{{- '<|ai|>' + c -}}").replace("'|>' + c + '<|end|>'", "'|>' + c.replace('/loud', '') + '<|end|>'")


def test_words_that_switch_something_are_known_and_refused() -> None:
    template = chat_blob(SWITCH, "", "")
    assert (template.words(Piece.SYSTEM_WORDS), template.words(Piece.MESSAGE_WORDS)) == (["/quiet"], [])
    assert template.refused_word(conversation("be /quiet", "hi")) == "/quiet"
    assert not template.refused_word(conversation("be quiet", "/quiet", "/quiet", "x"))
    assert "'/quiet'" in template.described()[-1]
    both = chat_blob(REPLACES, "", "")
    assert (both.words(Piece.SYSTEM_WORDS), both.words(Piece.MESSAGE_WORDS)) == (["/loud"], ["/loud"])


def test_a_template_without_such_words_has_none() -> None:
    template = chat_blob(LIKE["qwq"], "", "")
    assert template[Piece.SYSTEM_WORDS] == template[Piece.MESSAGE_WORDS] == ""


def test_unknown_thoughts_in_a_blob_are_refused() -> None:
    known = chat_blob(LIKE["ling"], "", "")
    assert known.flags & Thoughts.KEPT
    with refused(KgptError, f"flags {known.flags | 1 << 29:#x} version"):
        read_chat_blob(replace(known, flags=known.flags | 1 << 29).blob())
