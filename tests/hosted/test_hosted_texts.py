"""Texts that come as boot modules: long prompts, system prompts, files for /read; and how many modules there can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosted import Hosted, Run, random_model
from refusals import lacks

from kgpt_build.boot_modules import MAX_MODULES
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import Model

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
MODEL, CHAT = FOLDER / "chat.gguf", FOLDER / "chat.kgct"
LONG = "ab ba\n" * 1000
"""6,000 bytes: more than a command line holds."""


def roomy_model() -> Model:
    return random_model("\nab ", n_ctx=8192, n_embd=4, n_layer=1, n_head=1, n_ff=4)


@pytest.fixture(scope="module")
def roomy() -> Hosted:
    """A microgpt whose context holds more than a command line does."""
    return Hosted(
        build_cached(random_model("\nab ", n_ctx=8192, n_embd=4, n_layer=1, n_head=1, n_ff=4), target="hosted")
    )


def text_module(folder: Path, kind: str, data: bytes | str, name: str = "text") -> tuple[str, ...]:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return ("--module", f"{path} kind={kind}")


def chat(program: Hosted, words: str, *texts: str, stdin: bytes = b"") -> Run:
    return program.run(f"max_tokens=2 {words}", stdin, ("--module", str(MODEL), "--module", str(CHAT), *texts))


def test_a_microgpt_goes_on_from_a_long_prompt(roomy: Hosted, tmp_path: Path) -> None:
    done = roomy.run("samples=1 max_tokens=1 exit", options=text_module(tmp_path, "prompt", LONG))
    assert done.returncode == 0, done.console
    assert done.one("config")["prompt"] == LONG
    assert done.samples()[0].startswith(LONG)


def test_a_module_that_nobody_reads(hosted: Hosted, training: Hosted, tmp_path: Path) -> None:
    """A model for an image that takes none, and a second text to train on."""
    done = hosted.run("exit", options=("--module", str(MODEL)))
    assert done.returncode == 1
    message = done.one("error")["message"]
    assert not lacks(message, "kernel microgpt, boot module")
    assert f'"{str(MODEL)[:80]}"' in message
    for name in ("one", "two"):
        (tmp_path / name).write_text("anna\nbob\n" * 20)
    texts = ("--module", str(tmp_path / "one"), "--module", str(tmp_path / "two"))
    line = "mode=train steps=1 batch=1 samples=1 exit"
    done = training.run(line, options=texts)
    assert done.returncode == 1
    assert not lacks(done.one("error")["message"], "loader 2 texts 0 trainings")


def test_a_prompt_longer_than_a_microgpts_context(roomy: Hosted, hosted: Hosted, tmp_path: Path) -> None:
    for program, text, has in ((roomy, LONG * 2, "12000 tokens, 8191"), (hosted, "a" * 20, "20 tokens")):
        done = program.run("exit", options=text_module(tmp_path, "prompt", text))
        assert done.returncode == 1
        assert not lacks(done.one("error")["message"], f"prompt {has}")
        assert not done.of("sample")


def test_a_module_is_stronger_than_the_command_line_and_weaker_than_set(hosted: Hosted, tmp_path: Path) -> None:
    module = text_module(tmp_path, "prompt", "mar")
    done = hosted.run("prompt=ka samples=1", b"set prompt jo\ngenerate\n", module)
    first, second = done.samples()
    assert first.startswith("mar")
    assert second.startswith("jo")


def test_a_language_models_prompt_is_refused_whole(without_model: Hosted, tmp_path: Path) -> None:
    done = chat(without_model, "exit", *text_module(tmp_path, "prompt", LONG))
    assert done.returncode == 1
    error = done.one("error")
    assert not lacks(error["message"], "text tokens, context 32")
    assert not lacks(error["hint"], "model trained 32")
    assert not done.of("token")


def test_a_language_models_prompt_and_system_prompt(without_model: Hosted, tmp_path: Path) -> None:
    by_module = chat(
        without_model,
        "exit logits",
        *text_module(tmp_path, "prompt", "ab", "p"),
        *text_module(tmp_path, "system", "ba", "s"),
    )
    by_words = chat(without_model, "exit logits prompt=ab system=ba")
    assert by_module.returncode == by_words.returncode == 0, by_module.console
    assert by_module.logits() == by_words.logits()
    assert by_module.logits() != chat(without_model, "exit logits prompt=ab").logits()


@pytest.mark.parametrize("kind", ["prompt", "system"])
def test_a_text_with_a_nul(without_model: Hosted, tmp_path: Path, kind: str) -> None:
    done = chat(without_model, "prompt=ab exit", *text_module(tmp_path, kind, b"a\0b"))
    assert done.returncode == 1
    assert not lacks(done.one("error")["message"], f"{kind} text: NUL")


def test_read(without_model: Hosted, tmp_path: Path) -> None:
    """A file is a message, and what stands behind its name is asked about it."""
    files = (*text_module(tmp_path, "file", "ab\n\n", "a.txt"), *text_module(tmp_path, "file", "ba", "b"))
    done = chat(without_model, "logits", *files, stdin=b"/read a.txt b a\n")
    typed = chat(without_model, "logits", stdin=b'"""ab\n\nb a"""\n')
    assert done.logits() == typed.logits() != []
    done = chat(without_model, "logits", *files, stdin=b"/read b\n")
    assert done.logits() == chat(without_model, "logits", stdin=b"ba\n").logits()


def test_what_read_has_to_say(without_model: Hosted, tmp_path: Path) -> None:
    files = text_module(tmp_path, "file", LONG, "long.txt")
    done = chat(without_model, "", *files, stdin=b"/read\n/read lnog.txt\n/read long.txt what?\n/read\n")
    assert done.returncode == 0
    assert done.console.count("long.txt                 6 KB") == 2
    missing, too_long = done.of("error")
    assert not lacks(missing["message"], 'file "lnog.txt"')
    assert not lacks(too_long["message"], "text tokens, context 32")
    without = chat(without_model, "", stdin=b"/read\n")
    assert not lacks(without.console, "no files came machine")


def test_missing_modules_are_counted(without_model: Hosted) -> None:
    """GRUB goes on without a file that it could not read."""
    done = without_model.run("modules=2 prompt=ab exit", options=("--module", str(CHAT)))
    assert done.returncode == 1
    error = done.one("error")
    assert not lacks(error["message"], f'1 of 2 boot modules missing: loader "{CHAT}"')
    none = without_model.run("modules=2 prompt=ab exit")
    assert not lacks(none.one("error")["message"], "2 of 2 boot modules missing: loader none")


def test_a_chat_template_without_its_model(without_model: Hosted) -> None:
    done = without_model.run("prompt=ab exit", options=("--module", str(CHAT)))
    assert not lacks(done.one("error")["message"], f'chat template "{CHAT}" without model')


def test_sixteen_models_with_templates(without_model: Hosted) -> None:
    """Each is one that can be used; one more is refused."""
    pair = ("--module", str(MODEL), "--module", str(CHAT))
    done = without_model.run("mode=shell", b"models\nuse 16\n", 16 * pair)
    assert done.returncode == 0, done.console
    assert "* 1  " in done.console
    assert done.console.count("with a chat template") == 16
    assert done.of("model")[-1]["chat"] == "chatml"
    more = without_model.run("mode=shell", b"", 17 * pair)
    assert not lacks(more.one("error")["message"], "more 16 models")


def test_more_modules_than_there_can_be(without_model: Hosted) -> None:
    done = without_model.run("exit", options=(MAX_MODULES + 1) * ("--module", str(MODEL)))
    assert done.returncode == 2
    assert "too many modules" in done.console
