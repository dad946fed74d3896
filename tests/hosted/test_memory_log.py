"""Transcripts and settings that outlive a run."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import disks
import pytest
from chats import Talker, write_talker
from hosted import Hosted, Run
from refusals import lacks
from test_disks import needs

from kgpt_build.cli import invoke
from kgpt_build.file_hash import sha256_of
from kgpt_build.image.make import LOG, MEMORY
from kgpt_build.memory import empty_log, empty_store, log_text

SECTOR = 512


@pytest.fixture(scope="module")
def talker(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Talker:
    return Talker(without_model, write_talker(tmp_path_factory.mktemp("talker")))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.txt"
    path.write_bytes(empty_log(32 << 10))
    return path


def says(talker: Talker, typed: str, *files: Path, words: str = "log=on") -> Run:
    modules = ("--module", f"{talker.model} sha256={sha256_of(talker.model)}", *talker.modules[2:])
    memories = [word for file in files for word in ("--memory", str(file))]
    return talker.program.run(f"cpus=1 ctx=512 max_tokens=3 seed=1 {words}", typed.encode(), (*modules, *memories))


def clean(text: str) -> str:
    """As the log has it."""
    text = "".join(c if c >= " " or c in "\n\t" else " " * (c != "\r") for c in text)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def entry(message: str, reply: str) -> str:
    return clean(f"\n\n> {message}\n{reply}".rstrip("\n"))


def test_messages_and_replies(talker: Talker, log: Path) -> None:
    """Of two runs, as a text that any editor shows."""
    first = says(talker, "hello\nhow are you\n/regen\n", log)
    second = says(talker, "again\n", log)
    a, b, c = first.samples()
    text = log_text(log.read_bytes())
    titles = re.findall(r"^== .*, seed 1, (\d{4}-\d\d-\d\d \d\d:\d\d) UTC ==$", text, re.MULTILINE)
    assert len(titles) == 2
    for title in titles:
        moment = datetime.strptime(title, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        assert timedelta(0) <= datetime.now(UTC) - moment < timedelta(hours=1)
    wanted = f"== seed 1 ==\n{entry('hello', a)[1:]}{entry('how are you', b)}\n\n(another reply)\n{c}".rstrip("\n")
    wanted += f"\n\n== seed 1 ==\n{entry('again', second.samples()[0])[1:]}\n"
    assert re.sub("^== .* ==$", "== seed 1 ==", text, flags=re.MULTILINE) == clean(wanted)
    assert len(log.read_bytes()) == 32 << 10
    assert log.read_bytes().rstrip(b"\n").isascii() or b"\0" not in log.read_bytes()


def test_a_reply_that_the_context_cuts_short(talker: Talker, log: Path) -> None:
    done = says(talker, "hello\n", log, words="log=on ctx=32 max_tokens=1000 on_overflow=error temperature=0")
    assert "the context is full" in done.one("error")["message"]
    (reply,) = done.samples()
    assert reply
    assert entry("hello", reply) in log_text(log.read_bytes())


def test_off_by_default_and_without_a_log(talker: Talker, log: Path, tmp_path: Path) -> None:
    before = log.read_bytes()
    assert says(talker, "hello\n", log, words="").returncode == 0
    assert log.read_bytes() == before
    done = says(talker, "hello\nmore\n")
    assert not lacks(done.one("error")["message"], "transcript cannot be kept no disk holds one")
    assert len(done.samples()) == 2
    log.write_bytes(before[:-4096])
    assert not lacks(says(talker, "hello\nmore\n", log).one("error")["message"], "its file was changed")
    assert log.read_bytes() == before[:-4096]


def test_full(talker: Talker, tmp_path: Path) -> None:
    """What does not fit is not begun, and the chat goes on."""
    path = tmp_path / "log"
    path.write_bytes(empty_log(4096))
    long = "long " * 300
    done = says(talker, f"{long}\n{long}\n{long}\nshort\n", path, words="log=on ctx=16384")
    assert not lacks(done.one("error")["message"], "transcript cannot be kept it is full")
    assert len(done.samples()) == 4
    assert log_text(path.read_bytes()).count("> long") == 2
    assert len(path.read_bytes()) == 4096


@pytest.mark.parametrize("length", [*range(440, 452), 900, 1500])
def test_entries_of_all_lengths(talker: Talker, log: Path, length: int) -> None:
    """Around the end of a sector too: nothing is lost, and nothing stands between."""
    for message in ("x" * length, "y"):
        says(talker, f"{message}\n", log, words="log=on ctx=16384")
    text = log_text(log.read_bytes())
    assert "\n\n> " + "x" * length + "\n" in text
    assert "\n\n> y\n" in text
    assert log.read_bytes().rstrip(b"\n").count(b"\n\n\n") == 0


def test_killed_within_a_write(talker: Talker, log: Path) -> None:
    """The sector with the old end is the last one that is written: before it the text is the old one."""
    says(talker, "hello\n", log)
    before = log.read_bytes()
    says(talker, "z" * 2000 + "\n", log, words="log=on ctx=16384")
    after = log.read_bytes()
    changed = [at for at in range(0, len(after), SECTOR) if before[at : at + SECTOR] != after[at : at + SECTOR]]
    assert len(changed) >= 5
    for written in (changed[1:], changed[2:], changed[1:3], changed[-1:]):
        torn = bytearray(before)
        for at in written:
            torn[at : at + SECTOR] = after[at : at + SECTOR]
        log.write_bytes(torn)
        assert log_text(bytes(torn)) == log_text(before)
        done = says(talker, "next\n", log)
        text = log_text(log.read_bytes())
        assert text.startswith(log_text(before)[:-1])
        assert "zz" not in log.read_bytes().decode(errors="replace")
        assert clean(done.samples()[0]).strip("\n") in text


def test_on_a_stick_and_by_the_host(talker: Talker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs("mformat")
    stick = tmp_path / "stick.img"
    files = {MEMORY.strip("/"): empty_store(1 << 20), LOG.strip("/"): empty_log(64 << 10)}
    stick.write_bytes(disks.mbr([disks.fat(stick, files, 16, 8 << 10)]))
    done = says(talker, "hello\n/save a\n", stick)
    assert not lacks(done.console, "a is kept:")
    assert invoke(["memory", "log", str(stick)]) == 0
    assert not lacks(capsys.readouterr().out, "== seed 1 > hello")
    copied = subprocess.run(["mtype", "-i", f"{stick}@@32768", f"::{LOG}"], capture_output=True, check=True).stdout
    assert b"\n> hello\n" in copied
    assert invoke(["memory", "log", str(stick), "--clear"]) == 0
    assert invoke(["memory", "log", str(stick)]) == 0
    assert capsys.readouterr().out == ""
    raw = tmp_path / "raw"
    assert invoke(["memory", "export", str(stick), "a", "-o", str(raw)]) == 0
    assert {"seed=1", "max_tokens=3"} <= set(json.loads(raw.read_text())["settings"])
    assert invoke(["memory", "log", str(raw)]) == 1


def test_kept_settings(talker: Talker, tmp_path: Path) -> None:
    """What set and /system change, with floats to the last bit; not the seed."""
    memory = tmp_path / "memory"
    memory.write_bytes(empty_store(1 << 20))
    changes = "/set temperature 0.1234567\n/set stop a b\n/set logit_bias 7-2.5\n/system Be kind.\n/set seed 9\n"
    first = says(talker, f"hello\n{changes}", memory, words="settings=keep")
    assert not first.of("error")
    second = says(talker, "hello\n/show\n", memory, words="settings=keep")
    assert "the kept settings are in use" in second.console
    shown = dict(line.split(maxsplit=1) for line in second.console.splitlines() if " " in line.strip())
    assert (shown["stop"], shown["logit_bias"], shown["seed"]) == ('"a b"', "7-2.500", "1")
    config = second.of("config")[-1]
    assert struct.pack("f", config["temperature"]) == struct.pack("f", 0.1234567)
    assert config["system"] == "Be kind."
    size = memory.read_bytes()
    assert says(talker, "hello\n", memory, words="").of("config")[-1]["system"] == ""
    assert memory.read_bytes() == size
    assert not lacks(says(talker, "/load\n", memory, words="settings=keep").console, "0 kept")


def test_settings_without_a_memory(talker: Talker) -> None:
    done = says(talker, "/set temperature 1\n/set temperature 2\nhello\n", words="settings=keep")
    assert len(done.samples()) == 1
    assert [not lacks(e["message"], "no memory") for e in done.of("error")] == [True] * 3
