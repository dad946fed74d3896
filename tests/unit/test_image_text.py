"""Text for grub.cfg, and what GRUB makes of words."""

from __future__ import annotations

import gettext
import io
import re
import shlex

import pytest
from refusals import refused

from kgpt_build.errors import UsageError
from kgpt_build.image import grub_words
from kgpt_build.image.grub_text import handed_on, literal, split_words, word

NASTY = ["", "a b", "it's", '"', "$x ${y}", "\\", "a\\'b", "{;}", "#", "é €", "a\\x41", "`id`", "--", "a=b c=d"]


@pytest.mark.parametrize("text", NASTY)
def test_single_quotes_hold_anything(text: str) -> None:
    """Where GRUB's rules are the shell's: nothing but a single quote ends such a word."""
    assert shlex.split(literal(text)) == [text]
    assert shlex.split(word(text)) == [text]


def test_plain_words_stay_plain() -> None:
    assert word("mode=chat") == "mode=chat"
    assert word("/models/a-b_c.gguf") == "/models/a-b_c.gguf"
    assert word("a>b") == "'a>b'"


@pytest.mark.parametrize(
    ("cmdline", "words"),
    [
        ("", []),
        ("  exit   samples=3 ", ["exit", "samples=3"]),
        ('prompt="a b" exit', ['prompt="a b"', "exit"]),
        (r'prompt="say \"a b\" \\" seed=7', [r'prompt="say \"a b\" \\"', "seed=7"]),
        (r"prompt=it's\ ok", ["prompt=it's\\", "ok"]),
        ('prompt=a"b', ['prompt=a"b']),
    ],
)
def test_words_of_a_command_line(cmdline: str, words: list[str]) -> None:
    assert split_words(cmdline) == words


@pytest.mark.parametrize("cmdline", ['prompt="a b', 'prompt="a"b exit', 'x="', 'prompt="a\\" b'])
def test_a_quote_that_is_not_closed(cmdline: str) -> None:
    with refused(UsageError, "quoted"):
        split_words(cmdline)


def test_control_characters_are_refused() -> None:
    with refused(UsageError, "control character"):
        split_words("prompt=a\nb")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["mode=chat", "exit"], "mode=chat exit"),
        (["prompt=a b"], '"prompt=a b"'),
        (['prompt="a b"'], r'"prompt=\"a b\""'),
        (["prompt=it's"], r"prompt=it\'s"),
        ([r'prompt="a\nb"'], r"prompt=\"a\\nb\""),
        ([r"prompt=a\x41"], r"prompt=a\\x41"),
    ],
)
def test_what_grub_hands_on(words: list[str], line: str) -> None:
    assert handed_on(words) == line


def test_the_words_of_the_menu_are_a_catalog_that_gettext_reads() -> None:
    catalog = gettext.GNUTranslations(io.BytesIO(grub_words.catalog()))
    assert {message: catalog.gettext(message) for message in grub_words.WORDS} == grub_words.WORDS
    for message, ours in grub_words.WORDS.items():  # GRUB formats them; fewer directives are fine, other ones are not
        assert re.findall("%.", message)[: len(re.findall("%.", ours))] == re.findall("%.", ours)
        assert "kgpt: " not in ours  # with it, a kernel's output begins: kgpt_build/vm/loader_output.py
