"""Disks that go away while they are read or written: what is in memory goes on, and what is kept is the old or the new.

QEMU's `drive_del` takes the medium from below the device: requests that run end, and every later one fails.
"""

from __future__ import annotations

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
from kgpt_build.kernel.build import build_cached
from kgpt_build.memory import empty_store, read_store
from kgpt_build.models import load_lm
from kgpt_build.pytest_plugin import Guest

sys.path.append(str(Path(__file__).parents[1] / "hosted"))
import disks

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
PLAIN, CHAT = FOLDER / "plain.gguf", FOLDER / "chat.gguf"
DEVICES = {"virtio": "virtio-blk-pci,drive=pulled", "nvme": "nvme,serial=pulled,drive=pulled"}


def slow_disk(path: Path, kind: str, limit: str) -> tuple[str, ...]:
    return ("-drive", f"if=none,id=pulled,format=raw,file={path},throttling.{limit}", "-device", DEVICES[kind])


def pull(guest: Guest, counter: str, behind: int) -> None:
    """Once so many bytes of it were read or written."""
    end = time.monotonic() + pace.limit(60)
    while True:
        (stats,) = (s["stats"] for s in guest.machine.execute("query-blockstats") if s.get("device") == "pulled")
        if stats[counter] > behind:
            break
        assert time.monotonic() < end, stats
        time.sleep(0.02)
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
    pull(guest, "rd_bytes", 2 << 20)
    guest.expect("/big.gguf cannot be read at byte [1-9][0-9]* of [0-9]+: the disk cannot be read$")
    for line in ("use 2", "generate ab", "models", "halt"):
        guest.expect("kgpt> $")
        guest.send_line(line)
    assert guest.wait().ok
    assert 'there is no model "2"' in guest.console
    first, second = (event.text for event in guest.events if isinstance(event, Sample))
    assert first == second


def test_pulled_while_a_conversation_is_kept(boot: Boot, kernel_without_model: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory.kgm"
    memory.write_bytes(empty_store(1 << 20))
    modules = (BootModule(CHAT, (f"sha256={sha256_of(CHAT)}",)), BootModule(CHAT.with_suffix(".kgct")))
    words = "mode=chat seed=1 max_tokens=8"
    machine = {"modules": modules, "machine": "q35", "memory": 256}
    guest = boot(words, kernel_without_model, extra=slow_disk(memory, "virtio", "bps-write=8000"), **machine)
    guest.expect_event("shell", prompt="> ")
    for line in ("ab", "/save a", "/regen"):
        guest.expect("^> $")
        guest.send_line(line)
    guest.expect("^> $")
    kept = memory.read_bytes()
    (old,) = read_store(kept).records
    guest.send_line("/save a")
    (stats,) = (s["stats"] for s in guest.machine.execute("query-blockstats") if s.get("device") == "pulled")
    pull(guest, "wr_bytes", stats["wr_bytes"])
    guest.expect("the memory cannot be written")
    for line in ("/regen", "/quit"):
        guest.expect("^> $")
        guest.send_line(line)
    assert guest.wait().ok
    assert len([event for event in guest.events if isinstance(event, Sample)]) == 3
    (now,) = read_store(memory.read_bytes()).records
    assert now == old
    assert now.whole
