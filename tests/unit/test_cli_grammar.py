"""--grammar and --json-schema of kgpt run and kgpt chat: what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import lacks, refused

from kgpt_build.boot_modules import GRAMMAR, Text, read_grammar
from kgpt_build.cli import invoke
from kgpt_build.errors import KgptError, UsageError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_boot_module_is_made(tmp_path: Path) -> None:
    grammar = write(tmp_path / "a.gbnf", 'root ::= "a"\n')
    schema = write(tmp_path / "b.json", ' {"type": "object"}')
    assert read_grammar(None, None) == []
    assert read_grammar(grammar, None) == [Text(GRAMMAR, GRAMMAR, b'root ::= "a"\n', grammar)]
    assert read_grammar(None, schema) == [Text(GRAMMAR, GRAMMAR, b' {"type": "object"}', schema)]
    assert read_grammar(grammar, None)[0].words == ("kind=grammar",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("grammar", '{"type": "object"}', "no grammar {"),
        ("grammar", "", "empty"),
        ("grammar", "root ::= \0", "NUL"),
        ("schema", "root ::= x", "not JSON"),
        ("schema", "[]", "no JSON schema object"),
        ("schema", '{"type": "object",}', "not JSON"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = write(tmp_path / "file", text)
    with refused(UsageError, message):
        read_grammar(*(path, None) if name == "grammar" else (None, path))


def test_one_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "file", 'root ::= "a"')
    with refused(UsageError, "--grammar --json-schema both"):
        read_grammar(path, path)
    with refused(KgptError, "cannot read no-file"):
        read_grammar(tmp_path / "no-file", None)


@pytest.mark.parametrize("words", [("run", "--target", "hosted"), ("run", "--dry-run")])
def test_a_microgpt_has_none(tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.gbnf", 'root ::= "a"')
    assert invoke([*words, "--default", "--grammar", str(path), "--prompt", "a"]) == 2
    assert not lacks(capsys.readouterr().err, "grammar language models microgpt")
