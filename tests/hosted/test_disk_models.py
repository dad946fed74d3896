"""Models on disks: listed, loaded, used, and their memory given back, while the program runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import disks
import pytest
from hosted import Hosted, Run
from test_disks import needs

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
CHAT, TEMPLATE, PLAIN = ((FOLDER / name).read_bytes() for name in ("chat.gguf", "chat.kgct", "plain.gguf"))
MODULE = ("--module", str(FOLDER / "plain.gguf"))
LINE = "mode=shell seed=1 max_tokens=4"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("mformat")
    files = {
        "models/talks.gguf": CHAT,
        "models/talks.kgct": TEMPLATE,
        "plain.gguf": PLAIN,
        "short.gguf": CHAT[:-100],
        "other.gguf": b"no model",
    }
    return image(tmp_path_factory.mktemp("models") / "disk.img", files)


def image(path: Path, files: Mapping[str, bytes], kib: int = 1500) -> Path:
    path.write_bytes(disks.mbr([disks.fat(path, files, 12, kib), bytes(disks.exfat())]))
    return path


def shell(program: Hosted, *lines: str, disk: Path | str, line: str = LINE, more: tuple[str, ...] = ()) -> Run:
    typed = "\n".join([*lines, "halt", ""]).encode()
    return program.run(line, typed, (*MODULE, "--disk", str(disk), *more))


def test_what_disks_have(without_model_sanitized: Hosted, models: Path) -> None:
    done = shell(without_model_sanitized, "models", disk=models)
    assert done.returncode == 0, done.console
    text = done.console[done.console.index("on disks") :]
    assert re.findall(r"^  (\d+)  (\S.*?), .* on (\S+ partition \d) \((\w+)\)$", text, re.MULTILINE) == [
        ("1", "/models/talks.gguf", "file0 partition 1", "FAT12"),
        ("2", "/plain.gguf", "file0 partition 1", "FAT12"),
        ("3", "/short.gguf", "file0 partition 1", "FAT12"),
        ("4", "/other.gguf", "file0 partition 1", "FAT12"),
        ("5", "/a chained file.gguf", "file0 partition 5", "exFAT"),
    ]


def test_a_model_from_a_disk_gives_the_text_of_a_module(without_model_sanitized: Hosted, models: Path) -> None:
    module = without_model_sanitized.run(LINE, b"use 2\ngenerate ab\nhalt\n", (*MODULE, *MODULE))
    done = shell(without_model_sanitized, "load plain.gguf", "use 2", "generate ab", disk=models)
    assert done.returncode == 0, done.console
    assert done.samples()
    assert done.samples() == module.samples()


def test_a_chat_template_beside_the_file(without_model_sanitized: Hosted, models: Path) -> None:
    done = shell(without_model_sanitized, "load 1", "use 2", "chat", "ab", "/quit", disk=models)
    assert done.returncode == 0, done.console
    assert "its chat template" in done.console
    assert "has no chat template" not in done.console.split("its chat template")[1]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("short.gguf", "short.gguf|ends|bytes"),
        ("other.gguf", "GGUF"),
        ("nothing.gguf", 'no disk has the model "nothing.gguf"'),
        ("9", 'no disk has the model "9"'),
        ("", "load takes the number or the name"),
    ],
)
def test_what_cannot_be_loaded_changes_nothing(
    without_model_sanitized: Hosted, models: Path, asked: str, said: str
) -> None:
    lines = ("mem", "generate ab", f"load {asked}", "mem", "generate ab")
    done = shell(without_model_sanitized, *lines, disk=models)
    assert done.returncode == 0, done.console
    assert re.search(said, done.console)
    assert len(done.samples()) == 2
    assert len(set(done.samples())) == 1
    assert len(set(free(done))) == 1


def test_a_disk_that_fails_while_it_is_read(without_model_sanitized: Hosted, models: Path) -> None:
    whole = models.read_bytes()
    at = whole.index(CHAT[:512]) + len(CHAT) // 2
    lines = ("generate ab", "mem", "load talks.gguf", "mem", "generate ab", "use 2", "unload 1")
    done = shell(without_model_sanitized, *lines, disk=f"{models} fail={at}")
    assert done.returncode == 0, done.console
    assert re.search(r"talks.gguf cannot be read at byte 0 of \d+: the disk cannot be read", done.console)
    assert len(done.samples()) == 2
    assert len(set(done.samples())) == 1
    assert len(set(free(done))) == 1


def test_a_model_larger_than_the_memory(without_model_sanitized: Hosted, tmp_path: Path) -> None:
    needs("mformat")
    disk = image(tmp_path / "big.img", {"big.gguf": CHAT + bytes(20 << 20)}, kib=32_000)
    done = shell(without_model_sanitized, "models", "load 1", "generate ab", disk=disk, more=("--arena-mb", "8"))
    assert done.returncode == 0, done.console
    assert "more than the free memory" in done.console
    assert re.search(r"/big.gguf needs \d+ MB of memory, and [\d,.]+ (MB|KB) are free", done.console)
    assert len(done.samples()) == 1


def test_what_cannot_be_unloaded(without_model_sanitized: Hosted, models: Path) -> None:
    done = shell(
        without_model_sanitized, "load 2", "unload 1", "use 2", "unload 2", "unload 1", "unload 3", disk=models
    )
    for said in ("the model 1 is in use", "the model 2 is in use", "the model 1 came with", 'there is no model "3"'):
        assert said in done.console


def free(done: Run) -> list[str]:
    """What `mem` says, each time."""
    return re.findall(r"^arena .*$", done.console, re.MULTILINE)


def soak(program: Hosted, disk: Path, rounds: int) -> None:
    """Each round loads two models, uses them in turn, and unloads them in two orders."""
    one = (
        "load 1",
        "load 2",
        "use 2",
        "generate ab",
        "use 3",
        "use 1",
        "unload 2",
        "load 1",
        "use 3",
        "unload 2",
        "use 1",
        "unload 2",
    )
    done = shell(program, "mem", *one * rounds, "mem", "generate ab", "models", disk=disk)
    assert done.returncode == 0, done.console
    before, after = free(done)
    assert before == after
    assert done.console.count("of memory are free again") == 3 * rounds
    assert len(set(done.samples()[:-1])) == 1


def test_memory_comes_back(without_model_sanitized: Hosted, models: Path) -> None:
    soak(without_model_sanitized, models, 10)


def test_a_thousand_switches(without_model: Hosted, models: Path) -> None:
    """Five uses a round."""
    soak(without_model, models, 200)
