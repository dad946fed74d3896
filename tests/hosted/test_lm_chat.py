"""Chat templates in C, against their mirror in Python."""

from __future__ import annotations

import ctypes

import lm_text
import native
import pytest
from test_chat_thoughts import LIKE, SWITCH, random_replies

from kgpt_build.chat import BUILTIN_TEMPLATES, chat_blob
from kgpt_build.chat.verify import BLANK, SAID


@pytest.fixture(scope="module", params=["zig", "gcc"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return lm_text.build(tmp_path_factory.mktemp("lm_text"), request.param)


def test_selftests_pass(library: ctypes.CDLL) -> None:
    results = native.selftests(library)
    assert len(results) >= 4
    assert not {name: message for name, message in results.items() if message}


@pytest.mark.parametrize("name", BUILTIN_TEMPLATES)
def test_c_and_python_make_the_same_fragments(library: ctypes.CDLL, name: str) -> None:
    template = chat_blob("", "<s>", "</s>", family=name)
    lm_text.mirrors(lm_text.NativeChat(library, template.blob()), template, SAID + BLANK)


@pytest.mark.parametrize("name", LIKE)
def test_c_and_python_treat_earlier_replies_alike(library: ctypes.CDLL, name: str) -> None:
    template = chat_blob(LIKE[name], "", "")
    mirror = lm_text.NativeChat(library, template.blob())
    for reply in random_replies(400):
        for thinking in (True, False):
            mirror.turn(True, "", "x", thinking=thinking)
            assert mirror.reply(reply) == template.reply(reply, generated=True, thinking=thinking)


def test_c_refuses_the_words_that_switch_something(library: ctypes.CDLL) -> None:
    mirror = lm_text.NativeChat(library, chat_blob(SWITCH, "", "").blob())
    assert mirror.refused("be /quiet", "hi") == "/quiet"
    assert mirror.refused("be quiet", "/quiet") == ""


def test_a_damaged_blob_is_refused_with_what_to_do(library: ctypes.CDLL) -> None:
    blob = chat_blob("", "", "", family="chatml").blob()
    with pytest.raises(lm_text.Refused) as refused:
        lm_text.NativeChat(library, blob[:-1] + b"?")
    assert refused.value.args == ("the chat template is damaged: its CRC does not match", "build the kernel again")


@pytest.mark.parametrize(("family", "token"), [("chatml", 7), ("phi2", None), ("mistral", None)])
def test_the_end_is_a_token_only_if_it_is_a_special_one(library: ctypes.CDLL, family: str, token: int | None) -> None:
    native = lm_text.NativeChat(library, chat_blob("", "<s>", "</s>", family=family).blob())
    assert native.end_token() == token
