"""Disks that go away while they are read or written: what is in memory goes on, and what is kept is the old or the new.

A USB stick is unplugged. Of others QEMU's `drive_del` takes the medium from below the device: requests that run end,
and every later one fails.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import pace
import pytest
from boots import Boot

from kgpt_build.boot_modules import BootModule
from kgpt_build.events import Sample
from kgpt_build.file_hash import sha256_of
from kgpt_build.image.inspect import file_runs
from kgpt_build.image.make import LOG, MEMORY
from kgpt_build.kernel.build import build_cached
from kgpt_build.memory import empty_log, empty_store, log_text, read_store
from kgpt_build.models import load_lm
from kgpt_build.pytest_plugin import Guest

sys.path.append(str(Path(__file__).parents[1] / "hosted"))
import disks

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
PLAIN, CHAT = FOLDER / "plain.gguf", FOLDER / "chat.gguf"
DEVICES = {
    "virtio": ("-device", "virtio-blk-pci,drive=pulled"),
    "nvme": ("-device", "nvme,serial=pulled,drive=pulled"),
    "usb": ("-device", "qemu-xhci", "-device", "usb-storage,drive=pulled,id=stick"),
}


def slow_disk(path: Path, kind: str, limit: str) -> tuple[str, ...]:
    return ("-drive", f"if=none,id=pulled,format=raw,file={path},throttling.{limit}", *DEVICES[kind])


def counters(guest: Guest) -> dict[str, int]:
    """What the disk has done so far."""
    (stats,) = (s["stats"] for s in guest.machine.execute("query-blockstats") if s.get("device") == "pulled")
    return dict(stats)


def pull(guest: Guest, kind: str, counter: str, behind: int) -> None:
    """Once so many bytes of it were read or written."""
    end = time.monotonic() + pace.limit(60)
    while True:
        if counters(guest)[counter] > behind:
            break
        assert time.monotonic() < end
        time.sleep(0.02)
    if kind == "usb":
        guest.machine.execute("device_del", id="stick")
    else:
        words: dict[str, Any] = {"command-line": "drive_del pulled"}
        guest.machine.execute("human-monitor-command", **words)


@pytest.mark.parametrize("kind", DEVICES)
def test_pulled_while_a_model_is_loaded(boot: Boot, tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(disks.mbr([disks.fat(disk, {"big.gguf": PLAIN.read_bytes() + bytes(12 << 20)}, 16, 16_000)]))
    kernel = build_cached(load_lm(PLAIN))
    extra = slow_disk(disk, kind, "bps-read=4000000")
    guest = boot("mode=shell seed=1 max_tokens=4", kernel, machine="q35", memory=256, extra=extra)
    guest.expect("kgpt> $")
    guest.send_line("generate ab")
    guest.expect("kgpt> $")
    guest.send_line("load big.gguf")
    pull(guest, kind, "rd_bytes", 2 << 20)
    guest.expect("/big.gguf cannot be read at byte [1-9][0-9]* of [0-9]+: the disk cannot be read$")
    for line in ("use 2", "generate ab", "models", "halt"):
        guest.expect("kgpt> $")
        guest.send_line(line)
    assert guest.wait().ok
    assert 'there is no model "2"' in guest.console
    first, second = (event.text for event in guest.events if isinstance(event, Sample))
    assert first == second


KEEPING = ("ab", "/save a", "/regen")
KEPT = (BootModule(CHAT, (f"sha256={sha256_of(CHAT)}",)), BootModule(CHAT.with_suffix(".kgct")))


def keeping(boot: Boot, kernel: Path, extra: tuple[str, ...]) -> Guest:
    """A chat that has kept a conversation, and changed it since."""
    words = "mode=chat seed=1 max_tokens=8"
    guest = boot(words, kernel, modules=KEPT, machine="q35", memory=256, extra=extra)
    guest.expect_event("shell", prompt="> ")
    for line in KEEPING:
        guest.expect("^> $")
        guest.send_line(line)
    guest.expect("^> $")
    return guest


def only_record(memory: Path) -> bytes:
    (record,) = read_store(memory.read_bytes()).records
    assert record.whole
    return record.data


@pytest.mark.parametrize("kind", ["virtio", "usb"])
def test_pulled_while_a_conversation_is_kept(boot: Boot, kernel_without_model: Path, tmp_path: Path, kind: str) -> None:
    """The chat goes on, and the memory keeps the old or the new conversation: never something between."""
    other, memory = tmp_path / "whole.kgm", tmp_path / "memory.kgm"
    for path in (other, memory):
        path.write_bytes(empty_store(1 << 20))
    whole = keeping(boot, kernel_without_model, slow_disk(other, kind, "bps-write=1000000"))
    for line in ("/save a", "/quit"):
        whole.send_line(line)
        whole.expect("^> $" if line == "/save a" else "/quit")
    assert whole.wait().ok
    guest = keeping(boot, kernel_without_model, slow_disk(memory, kind, "bps-write=8000"))
    states = (only_record(memory), only_record(other))
    assert states[0] != states[1]
    written = counters(guest)["wr_bytes"]
    guest.send_line("/save a")
    pull(guest, kind, "wr_bytes", written)
    guest.expect("the memory cannot be written")
    for line in ("/regen", "/quit"):
        guest.expect("^> $")
        guest.send_line(line)
    assert guest.wait().ok
    assert len([event for event in guest.events if isinstance(event, Sample)]) == 3
    assert only_record(memory) in states


def logging_stick(path: Path) -> Path:
    """A FAT with a log and a memory, as kgpt image usb makes them."""
    files = {MEMORY.strip("/"): empty_store(1 << 20), LOG.strip("/"): empty_log(64 << 10)}
    path.write_bytes(disks.mbr([disks.fat(path, files, 16, 8 << 10)]))
    return path


def file_of(stick: Path, name: str) -> bytes:
    with stick.open("rb") as file:
        ((at, size),) = file_runs(file, name)
    return stick.read_bytes()[at : at + size]


def kept_words(stick: Path) -> set[str]:
    """The settings that it keeps."""
    (record,) = read_store(file_of(stick, MEMORY)).records
    assert record.whole
    return {word.decode() for word in record.data.split(b"\0")}


@pytest.mark.parametrize("line", ["ba", "/set temperature 0.75"], ids=["log", "settings"])
def test_pulled_while_a_log_or_settings_are_written(
    boot: Boot, kernel_without_model: Path, tmp_path: Path, line: str
) -> None:
    """The chat goes on with its settings, and says once what it cannot keep. The stick has the old or the new."""
    stick = logging_stick(tmp_path / "stick.img")
    words = "mode=chat seed=1 max_tokens=4 log=on settings=keep on_overflow=shift"
    extra = (*slow_disk(stick, "usb", "bps-write=8000"), "-rtc", "base=2001-01-01")  # no date in the log
    guest = boot(words, kernel_without_model, modules=KEPT, machine="q35", memory=256, extra=extra)
    guest.expect_event("shell", prompt="> ")
    for typed in ("ab", "/set temperature 0.5"):
        guest.expect("^> $")
        guest.send_line(typed)
    guest.expect("^> $")
    old, written = log_text(file_of(stick, LOG)), counters(guest)["wr_bytes"]
    assert "temperature=0.5" in kept_words(stick)
    guest.send_line(line)
    if line == "ba":  # one sector: QEMU holds its write back
        guest.expect_event("sample", index=1)
        guest.machine.execute("device_del", id="stick")
    else:
        pull(guest, "usb", "wr_bytes", written)
    for typed in ("ab", "/set temperature 0.25", "ab", "/show", "/quit"):
        guest.expect("^> $")
        guest.send_line(typed)
    assert guest.wait().ok
    replies = [event.text for event in guest.events if isinstance(event, Sample)]
    assert len(replies) == 3 + (line == "ba")
    assert re.search(r"^temperature +0\.25", guest.console, re.MULTILINE)
    assert guest.console.count("the transcript cannot be kept any more") == 1
    new = f"{old}\n> ba\n{replies[1]}".rstrip("\n") + "\n"
    assert log_text(file_of(stick, LOG)) in (old, new if line == "ba" else old)
    kept = kept_words(stick)
    assert ("temperature=0.5" in kept) != ("temperature=0.75" in kept and line != "ba")
