"""Boot modules with a SHA-256 among their words; and the words of a command line as GRUB hands them on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hosted import Hosted, Run, random_model
from model_files import model_file
from refusals import lacks

from kgpt_build.image.grub_text import handed_on
from kgpt_build.kernel.build import build_cached
from kgpt_build.settings import quoted

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
MODEL, CHAT = FOLDER / "chat.gguf", FOLDER / "chat.kgct"


@pytest.fixture(scope="module")
def talkative() -> Hosted:
    """A microgpt that knows all of ASCII."""
    chars = "\n\t" + "".join(map(chr, range(32, 127)))
    return Hosted(build_cached(random_model(chars, n_ctx=32, n_embd=4, n_layer=1, n_head=2, n_ff=8), target="hosted"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(program: Hosted, model: str, chat: str = "", words: str = "") -> Run:
    """A run with the words behind the names of both modules."""
    line = f"prompt=ab max_tokens=2 exit {words}"
    return program.run(line, options=("--module", f"{MODEL} {model}".strip(), "--module", f"{CHAT} {chat}".strip()))


@pytest.mark.parametrize("words", ["", "cpumask=c"])
def test_a_module_that_is_what_it_should_be(without_model: Hosted, words: str) -> None:
    done = run(without_model, f"sha256={digest(MODEL)}", f"sha256={digest(CHAT)}", words)
    assert done.returncode == 0, done.console
    assert done.one("model")["sha256"] == digest(MODEL)
    assert done.console.count("SHA-256 as expected") == 2


def test_nothing_is_said_of_modules_without_a_hash(without_model: Hosted) -> None:
    done = run(without_model, "")
    assert done.returncode == 0, done.console
    assert done.one("model")["sha256"] == ""
    assert "SHA-256" not in done.console


@pytest.mark.parametrize("of", ["model", "chat"])
def test_a_damaged_module_is_named(without_model: Hosted, of: str) -> None:
    model, chat = (digest(path) for path in (MODEL, CHAT))
    if of == "model":
        model = f"0123{model[4:]}"
    else:
        chat = f"{chat[:-1]}{'1' if chat[-1] == '0' else '0'}"
    done = run(without_model, f"sha256={model}", f"sha256={chat}")
    assert done.returncode == 1
    name = MODEL if of == "model" else CHAT
    message = done.one("error")["message"]
    assert f'"{str(name)[:80]}' in message
    assert not lacks(message, "boot module damaged: SHA-256")
    assert not done.of("sample")


@pytest.mark.parametrize("text", ["", "12", "x" * 64, "AB" * 32, "0" * 65])
def test_a_hash_that_is_none(without_model: Hosted, text: str) -> None:
    done = run(without_model, f"sha256={text}")
    assert done.returncode == 1
    assert not lacks(done.one("error")["message"], "whole SHA-256")


def test_a_corpus_is_checked_too(training: Hosted, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.write_text("anna\nbob\n" * 20)
    line = "mode=train steps=1 batch=1 samples=1 exit"
    bad = training.run(line, options=("--module", f"{corpus} sha256={'0' * 64}"))
    assert bad.returncode == 1
    assert not lacks(bad.one("error")["message"], "boot module damaged: SHA-256")


TEXTS = [
    "a b",
    '"',
    "'",
    "\\",
    "\\\\",
    "\\n",
    "\n",
    "\t",
    "\\x41",
    '\\"',
    "\\'",
    '" "',
    "a=b",
    '=" ',
    "x\\",
    "\"y\" 'z' \\",
]


@pytest.mark.parametrize("text", TEXTS)
def test_grub_hands_on_any_text(talkative: Hosted, text: str) -> None:
    """The words that an image has, and what GRUB makes of them; also where it lets \\xHH be, as later versions do."""
    words = [f"prompt={quoted(text)}", "samples=1", "max_tokens=1", "exit"]
    for line in {handed_on(words), handed_on(words).replace("\\\\x41", "\\x41")}:
        done = talkative.run(line)
        assert done.returncode == 0, done.console
        assert done.one("config")["prompt"] == text


@pytest.mark.parametrize(("line", "text"), [('"prompt=a b" exit', "a b"), (r"prompt=it\'s exit", "it's")])
def test_words_that_a_person_wrote_for_grub(talkative: Hosted, line: str, text: str) -> None:
    done = talkative.run(f"max_tokens=1 {line}")
    assert done.one("config")["prompt"] == text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"split.count": 3, "split.no": 1}, "file shard 2 3 model"),
        ({"rope.scaling.type": "dynamic"}, 'field "llama.rope.scaling.type" "dynamic", none, linear,'),
        ({"rope.scaling.type": "yarn"}, 'field "llama.rope.scaling.factor" missing'),
    ],
)
def test_a_model_that_no_host_would_bring(
    without_model: Hosted, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    """GRUB brings any file: what the host refuses, the program refuses in its turn."""
    path = tmp_path / "m.gguf"
    path.write_bytes(model_file("llama").with_fields(**fields).bytes())
    done = without_model.run("exit", options=("--module", str(path)))
    assert done.returncode == 1
    assert not lacks(done.one("error")["message"], message)
