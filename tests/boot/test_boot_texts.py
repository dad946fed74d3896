"""Prompts of any length, files for /read, and more boot modules than there is room for: from the command to QEMU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT, Boot
from hosted import random_model
from refusals import lacks
from test_boot_lm import QUESTION

from kgpt_build.boot_modules import FILE, BootModule, Text, staged
from kgpt_build.events import Config, Error, Sample, parse_event
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import save_gguf

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
MODEL, CHAT = FOLDER / "chat.gguf", FOLDER / "chat.kgct"
SECONDS = 300.0
LONG = "ab ba\r\n" * 1000
"""7,000 bytes, with control characters: a command line takes neither."""


def piped(text: bytes, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """`kgpt run … --prompt -` with ``text`` on its standard input."""
    limit = pace.limit(SECONDS)
    argv = [sys.executable, "-m", "kgpt_build", "run", *words, "--accel", "tcg", "--prompt", "-", "--timeout", limit]
    done = subprocess.run(
        list(map(str, argv)),
        cwd=folder,
        env=ENVIRONMENT,
        input=text,
        capture_output=True,
        timeout=2 * limit,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microgpt whose context holds more than a command line does."""
    path = tmp_path_factory.mktemp("roomy") / "roomy.gguf"
    save_gguf(random_model("\n\rab ", n_ctx=8192, n_embd=4, n_layer=1, n_head=1, n_ff=4), path)
    return path


def test_a_microgpt_goes_on_from_standard_input(roomy: Path, tmp_path: Path) -> None:
    done = piped(LONG.encode(), tmp_path, roomy, "--samples", "1", "--max-tokens", "1", "--json")
    assert done.returncode == 0, done.stderr
    events = [parse_event(line) for line in done.stdout.encode().splitlines()]
    (config,) = [event for event in events if isinstance(event, Config)]
    assert config.prompt == LONG.removesuffix("\n")
    (sample,) = [event for event in events if isinstance(event, Sample)]
    assert sample.text.startswith(config.prompt)


def test_a_prompt_that_does_not_fit_is_refused_with_its_tokens(kernel: Path, tmp_path: Path) -> None:
    done = piped(b"a" * 5000, tmp_path, kernel)
    assert done.returncode == 1
    assert not lacks(done.stderr, "prompt 5000 tokens, 15 context 16")
    assert done.stdout == ""


def test_a_language_model_says_how_many_tokens_are_too_many(tmp_path: Path) -> None:
    done = piped(LONG.encode(), tmp_path, "--model", MODEL)
    assert done.returncode == 1
    assert not lacks(done.stderr, "text tokens, context 32 model trained 32")


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"a\0b", "is not text: byte 1 is a NUL"), (b"\xff\xfea\0", "standard input is not UTF-8")],
)
def test_standard_input_that_is_no_text(kernel: Path, tmp_path: Path, text: bytes, message: str) -> None:
    done = piped(text, tmp_path, kernel)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_a_file_is_read_in_the_chat(boot: Boot, kernel_without_model: Path) -> None:
    with staged([Text(FILE, "notes.txt", b"ab ba\n")]) as files:
        modules = (BootModule(MODEL), BootModule(CHAT), *files)
        guest = boot("max_tokens=2 logits", image=kernel_without_model, modules=modules)
        guest.expect_event("shell", prompt="> ")
        guest.send_line("/read")
        guest.expect(r"notes\.txt +6 bytes")
        guest.send_line("/read notes.txt a b")
        guest.expect_event("sample", index=0)
        guest.send_line("/history")
        guest.expect(r"ab ba\s+a b<\|im_end\|>")
        guest.send_line("/quit")
        assert guest.wait().ok


def test_more_boot_modules_than_there_is_room_for(boot: Boot, kernel_without_model: Path) -> None:
    for files, message in (
        ([str(CHAT)] * 65, "there are more than 64 boot modules"),
        ([f"{CHAT} {'x' * 9000}"], "the boot modules' words are longer than 8191 bytes"),
    ):
        guest = boot("exit", image=kernel_without_model, extra=("-initrd", ",".join(files)))
        assert guest.wait().exit_code == 1
        (error,) = [event for event in guest.events if isinstance(event, Error)]
        assert error.message == message


@pytest.mark.slow
def test_smollm2_answers_about_a_long_text(smollm2: Path, tmp_path: Path) -> None:
    """Some 800 tokens, and the question at their end."""
    text = "William Shakespeare wrote Romeo and Juliet, and many other plays too.\n" * 52 + QUESTION
    done = piped(text.encode(), tmp_path, build_cached(smollm2), "--temperature", "0", "--max-tokens", "12")
    assert done.returncode == 0, done.stderr
    assert "Shakespeare" in done.stdout
