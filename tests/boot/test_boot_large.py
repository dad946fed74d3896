"""Models of Llama 2 7B's shape, with random weights, boot from a stick by kgpt.efi: 4 GB, and one above 4 GiB.

Each takes minutes to half an hour, 12 GB of memory and up to 22 GB of disk: firmware reads an emulated stick at
20 MB/s.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pace
import pytest
from boots import Boot, need, uefi

from benchmarks.inference.synthetic import path_of
from kgpt_build.boot_modules import BootModule
from kgpt_build.cli import invoke
from kgpt_build.events import Boot as Booted
from kgpt_build.events import Event, Logits, parse_event
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import run_hosted
from kgpt_build.models import NO_MODEL

WORDS = "max_tokens=1 temperature=0 ctx=64 logits exit"
_SECONDS = 3600.0
_MEMORY, _DISK = 13, 22  # GB


def _logits(events: Iterable[Event]) -> str:
    found = [event.f32 for event in events if isinstance(event, Logits)]
    assert found
    return hashlib.sha256("".join(found).encode()).hexdigest()


def _available() -> int:
    """Bytes of memory that Linux could give."""
    found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) << 10 if found else 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synthetic-7b-q4_k", "synthetic-7b-q8_0"])
def test_a_7b_model_boots_from_a_stick(boot: Boot, tmp_path: Path, name: str) -> None:
    """Its logits are those of the hosted program."""
    need("grub-mkimage", "mtools", "qemu-system-x86_64")
    if _available() < _MEMORY << 30 or shutil.disk_usage(tmp_path).free < _DISK << 30:
        pytest.skip(f"it takes {_MEMORY} GB of memory and {_DISK} GB of disk")
    model, image = path_of(name, tmp_path), tmp_path / "kgpt.img"
    # A file above 4 GiB lies in parts on the stick.
    words = ("--timeout", "0", "--default", f"{name.replace('_', '-')}-generate", "--cmdline", WORDS)
    assert invoke(["image", "usb", str(model), *words, "-o", str(image)]) == 0
    hosted = build_cached(NO_MODEL, target="hosted")
    line = f"mode=generate modules=1 {WORDS}"
    expected = _logits(
        map(parse_event, run_hosted(hosted, line, modules=(BootModule(model),), timeout=pace.limit(_SECONDS)))
    )
    model.unlink()
    guest = boot(image=image, medium="usb", machine="q35", memory=12288, firmware=uefi(), cpus=2, timeout=_SECONDS)
    end = guest.wait()
    image.unlink()
    assert end.ok, end
    (booted,) = [event for event in guest.events if isinstance(event, Booted)]
    assert booted.loader == "uefi"
    assert _logits(guest.events) == expected
