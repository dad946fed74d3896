"""kgpt image add: another model on a stick that is mounted, here a folder that looks like one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import refused
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.image.add import add
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.menu import STOPPED
from kgpt_build.kernel.settings import Silent
from kgpt_build.training.corpus import read_corpus

SMALL_LM = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"


def wanted() -> Wanted:
    return Wanted(load_models([SMALL_LM]), read_corpus(None).embedded(), "zig", "chatml")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """With a kernel for language models, a model called "other", and a command line."""
    (tmp_path / "kgpt").mkdir()
    (tmp_path / "kgpt" / "lm.elf").write_bytes(b"kernel")
    files = [{"path": "/kgpt/lm.elf"}, {"path": "/models/other.gguf"}]
    described = {"format": 1, "kind": "usb", "cmdline": 'temperature=0 prompt="a b"', "files": files}
    (tmp_path / "kgpt" / "manifest.json").write_text(json.dumps(described))
    return tmp_path


def test_a_model_and_its_entries_are_added(stick: Path) -> None:
    added = add(wanted(), stick, Silent())
    assert added.entries == ("chat-chat", "chat-generate", "chat-shell", "chat-serve")
    models = stick / "models"
    assert {path.name for path in models.iterdir()} == {"chat.gguf", "chat.kgct", "chat.cfg", "chat.menu"}
    assert (models / "chat.menu").read_text().startswith("\nentry chat-chat ")
    assert (models / "chat.gguf").read_bytes() == SMALL_LM.read_bytes()
    assert (stick / "kgpt" / "lm.elf").read_bytes() == b"kernel"
    menu = (models / "chat.cfg").read_text()
    assert menu.count("menuentry ") == 4
    assert "multiboot2 /kgpt/lm.elf mode=chat modules=2 temperature=0 'prompt=\"a b\"'\n" in menu
    digest = hashlib.sha256(SMALL_LM.read_bytes()).hexdigest()
    assert f"module2 /models/chat.gguf chat.gguf sha256={digest}; then\n" in menu
    assert menu.startswith(STOPPED)


def test_a_second_one_gets_a_name_of_its_own(stick: Path) -> None:
    add(wanted(), stick, Silent())
    assert add(wanted(), stick, Silent()).entries[0] == "chat-2-chat"


def test_models_share_the_draft_model_that_they_brought(stick: Path, tmp_path: Path) -> None:
    draft = models.load_lm(write_lm(tmp_path / "tiny.gguf", kind="F16"))
    target = load_models([write_lm(tmp_path / "target.gguf")])
    digest = hashlib.sha256(draft.path.read_bytes()).hexdigest()
    name = f"draft-{digest[:12]}.gguf"
    drafted = replace(wanted(), models=target, draft=draft)
    first = add(drafted, stick, Silent())
    second = add(drafted, stick, Silent())
    assert second.entries[0] == "target-2-chat"
    assert first.size - second.size == draft.size
    assert (stick / "models" / name).read_bytes() == draft.path.read_bytes()
    for menu in ("target.menu", "target-2.menu"):
        text = (stick / "models" / menu).read_text()
        assert text.count(f"module /models/{name} {name} kind=draft sha256={digest}\n") == 3  # not of the server
        assert "modules=3" in text
    (stick / "models" / name).write_bytes(b"damaged")
    assert add(drafted, stick, Silent()).size == first.size
    assert (stick / "models" / name).read_bytes() == draft.path.read_bytes()


def test_a_draft_model_with_another_vocabulary_is_refused(stick: Path, tmp_path: Path) -> None:
    draft = models.load_lm(write_lm(tmp_path / "tiny.gguf"))
    with refused(KgptError, "draft model tokens"):
        add(replace(wanted(), draft=draft), stick, Silent())
    assert not (stick / "models").exists()


def test_what_is_no_stick(tmp_path: Path, stick: Path) -> None:
    with refused(KgptError, "stick manifest.json"):
        add(wanted(), tmp_path / "kgpt", Silent())
    path = stick / "kgpt" / "manifest.json"
    path.write_text(path.read_text().replace('"usb"', '"iso"'))
    with refused(UsageError, "disc"):
        add(wanted(), stick, Silent())


def test_too_little_room(stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1000))
    with refused(KgptError, "0.0 MB free model") as caught:
        add(wanted(), stick, Silent())
    assert "--room" in caught.value.hint
    assert not (stick / "models").exists()
