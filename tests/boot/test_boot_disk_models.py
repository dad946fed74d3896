"""Models on disks of a machine: found, loaded, used in turn, and unloaded, without a reboot."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from boots import Boot

from kgpt_build.events import Sample
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import load_lm
from kgpt_build.vm.disks import Disk, disk_words

sys.path.append(str(Path(__file__).parents[1] / "hosted"))
import disks

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"


@pytest.fixture(scope="module")
def plain_kernel() -> Path:
    return build_cached(load_lm(FOLDER / "plain.gguf"))


def test_models_of_two_disks(boot: Boot, plain_kernel: Path, tmp_path: Path) -> None:
    """exFAT in a GPT behind NVMe; FAT in an MBR behind virtio, with a model and its template."""
    files = {name: (FOLDER / name).read_bytes() for name in ("chat.gguf", "chat.kgct", "plain.gguf")}
    first, second = tmp_path / "first.img", tmp_path / "second.img"
    first.write_bytes(disks.gpt([("models", bytes(disks.exfat()))]))
    second.write_bytes(disks.mbr([disks.fat(second, files, 12, 1500)]))
    extra = tuple(disk_words([Disk(first, "nvme"), Disk(second, "virtio")]))
    guest = boot("mode=shell seed=1 max_tokens=4", plain_kernel, machine="q35", memory=256, extra=extra)
    for typed, answer in (
        ("models", r"/a chained file\.gguf, 3 KB, on nvme0 partition 1 \(exFAT\)$"),
        ("load a chained file.gguf", "GGUF"),
        ("load chat.gguf", '^kgpt: "use 2" takes it$'),
        ("use 2", "^kgpt: model tiny"),
        ("generate ab", "^ab"),
        ("unload 2", "the model 2 is in use"),
        ("use 1", "^kgpt: model tiny"),
        ("unload 2", "of memory are free again$"),
        ("load plain.gguf", '^kgpt: "use 2" takes it; it has no chat template'),
    ):
        guest.expect("kgpt> $")
        guest.send_line(typed)
        guest.expect(answer)
    guest.expect("kgpt> $")
    guest.send_line("halt")
    assert guest.wait().ok


@pytest.mark.slow
def test_switching_for_long(boot: Boot, plain_kernel: Path, tmp_path: Path) -> None:
    """Two models of two disks come and go a hundred times: no memory is lost, and the texts stay the same."""
    files = {name: (FOLDER / name).read_bytes() for name in ("chat.gguf", "chat.kgct", "plain.gguf")}
    first, second = tmp_path / "first.img", tmp_path / "second.img"
    first.write_bytes(disks.mbr([disks.fat(first, files, 12, 1500)]))
    second.write_bytes(disks.gpt([("models", disks.fat(second, files, 16, 8 << 10))]))
    extra = tuple(disk_words([Disk(first, "usb"), Disk(second, "nvme")]))
    guest = boot("mode=shell seed=1 max_tokens=4", plain_kernel, machine="q35", memory=256, extra=extra, timeout=1200)
    one = ("load 1", "load 3", "use 2", "generate ab", "use 3", "use 1", "unload 2", "load 4", "use 3", "unload 2")
    for line in ("mem", *(*one, "use 1", "unload 2") * 100, "mem", "halt"):
        guest.expect("kgpt> $")
        guest.send_line(line)
    assert guest.wait().ok
    before, after = re.findall(r"^arena .*$", guest.console, re.MULTILINE)
    assert before == after
    assert guest.console.count("of memory are free again") == 300
    texts = {event.text for event in guest.events if isinstance(event, Sample)}
    assert len(texts) == 1
