"""The default kernel on the machines it must run on."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pace
import pytest
from boots import Boot, texts
from refusals import refused

from kgpt_build.cli.shared.machines import memory_for
from kgpt_build.errors import KgptError
from kgpt_build.events import Boot as BootEvent
from kgpt_build.events import Cpu, Memory, Ready, Sample, Stats
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes

MB = 1 << 20
WANTED = "samples=3 seed=7 exit"


@pytest.fixture(scope="module")
def expected(kernel: Path) -> list[str]:
    """What any machine must say: what one machine said."""
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.settings import RunSettings

    settings = RunSettings(image=kernel, cmdline=WANTED, accel="tcg", timeout=pace.limit(60))
    with Machine(settings, qemu="qemu-system-x86_64") as machine:
        assert machine.wait().ok
        return [event.text for event in machine.events if isinstance(event, Sample)]


@pytest.mark.parametrize(
    "settings",
    [
        {"machine": "pc"},
        {"machine": "q35"},
        {"machine": "microvm"},
        {"machine": "pc", "cpus": 2},
        {"machine": "q35", "cpus": 2, "memory": 4096},
        {"machine": "microvm", "cpus": 2, "memory": 64},
        {"machine": "microvm", "memory": 4096, "cpu": "Haswell"},
        {"memory": 64},
        {"memory": 4096},
        {"cpu": "qemu64"},
        {"cpu": "Haswell"},
        {"cpu": "qemu64", "serial": False, "machine": "q35"},
        {"serial": False},
        {"serial": False, "machine": "microvm"},
        {"extra": ("-vga", "none")},
    ],
    ids=lambda settings: ",".join(f"{key}={value}" for key, value in settings.items()),
)
def test_the_same_words_on_every_machine(boot: Boot, expected: list[str], settings: dict[str, object]) -> None:
    guest = boot(WANTED, **settings)
    end = guest.wait()
    assert end.ok, end
    assert texts(guest) == expected
    assert len(expected) == 3
    start = guest.expect_event("boot")
    assert isinstance(start, BootEvent)
    assert start.serial == settings.get("serial", True)
    memory = int(str(settings.get("memory", 128))) * MB
    assert 0.9 * memory <= start.memory <= memory


def test_what_a_run_says(boot: Boot) -> None:
    guest = boot("exit")
    guest.expect(r"^kgpt \d+\.\d+\.\d+: booted by multiboot1, \d+ MB of memory, .+, isa avx2$")
    guest.expect(r"^kgpt: model default: microgpt, 4,192 parameters, 27 tokens, context 16$")
    guest.expect(r"^kgpt: memory: weights \d+ KB \+ kv 2 KB \+ scratch \d+ KB = \d+ KB of \d+ MB$")
    for number in range(1, 21):
        guest.expect(rf"^sample {number:2d}: [a-z]+$")
    guest.expect(r"^kgpt: 20 samples, \d+ tokens in \d+\.\d ms \([\d,]+ tokens/s\), seed 42$")
    assert guest.wait().ok
    names = [type(event) for event in guest.events]
    assert names[0] is BootEvent
    assert names.index(Cpu) < names.index(Memory) < names.index(Ready) < names.index(Sample) < names.index(Stats)
    stats = guest.expect_event("stats")
    assert isinstance(stats, Stats)
    assert stats.samples == 20
    # Nothing but text and line ends: the console is plain without a shell.
    assert re.fullmatch(r"[ -~\n]*", guest.console)


@pytest.mark.parametrize(("cpu", "isa"), [("qemu64", "c"), ("Haswell", "avx2"), ("max", "avx2")])
def test_the_processor_decides_the_instruction_set(boot: Boot, cpu: str, isa: str) -> None:
    guest = boot(WANTED, cpu=cpu)
    assert guest.wait().ok
    guest.expect_event("cpu", isa=isa)


def test_cpumask_holds_it_back(boot: Boot, expected: list[str]) -> None:
    guest = boot(f"{WANTED} cpumask=c")
    assert guest.wait().ok
    guest.expect_event("cpu", isa="c")
    assert texts(guest) == expected


def test_the_pvh_entry(boot: Boot, kernel: Path, expected: list[str], tmp_path: Path) -> None:
    """QEMU prefers multiboot 1; a copy without that header's magic is started through its PVH note."""
    data = bytearray(kernel.read_bytes())
    magic = struct.pack("<II", 0x1BADB002, 0x00010003)
    assert data.count(magic) == 1
    start = data.index(magic)
    data[start : start + 4] = bytes(4)
    image = tmp_path / "pvh.elf"
    image.write_bytes(data)
    for machine in ("pc", "q35", "microvm"):
        guest = boot(WANTED, image=image, machine=machine, memory=256)
        end = guest.wait()
        assert end.ok, end
        guest.expect_event("boot", loader="pvh", cmdline=WANTED)
        assert texts(guest) == expected


def test_the_screen_shows_the_run(boot: Boot, tmp_path: Path) -> None:
    guest = boot("samples=1", machine="pc")
    guest.expect("kgpt> ")
    dark, lit = (tmp_path / f"{name}.ppm" for name in ("dark", "lit"))
    guest.machine.screendump(lit)
    pixels = lit.read_bytes()
    assert pixels.startswith(b"P6\n720 400\n")
    assert len(set(pixels[15:])) > 1, "the screen is empty"
    guest.send_line("help")
    guest.expect("halt")
    guest.expect("kgpt> ")
    guest.machine.screendump(dark)
    assert dark.read_bytes() != pixels


@pytest.mark.parametrize(
    ("cmdline", "message", "hint"),
    [
        ("sampels=3", "sampels", "samples"),
        ("samples=0", "samples", ""),
        ("mode=dream", "dream", ""),
        ("temperature=hot", "temperature", ""),
        ("prompt=4711", "'4'", ""),
        ("prompt=" + "a" * 40, "40", ""),
        ("fault=nonsense", "nonsense", ""),
    ],
)
def test_refusals(boot: Boot, cmdline: str, message: str, hint: str) -> None:
    guest = boot(f"{cmdline} exit")
    end = guest.wait()
    assert (end.kind, end.exit_code) == ("refused", 1)
    assert message in end.message
    assert hint in end.hint
    guest.expect("^kgpt: ")


def test_too_little_memory_is_refused_by_the_kernel(boot: Boot) -> None:
    """A context so long that its keys and values do not fit 64 MB; `kgpt run` refuses this one beforehand."""
    sizes = Hyperparameters(2, 65536, 8, 40, 1, 1, 8)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(sizes).items()}
    image = build_cached(Model("long", "microgpt", sizes, CharTokenizer(("a",)), tensors))
    end = boot("exit", image=image, memory=64).wait()
    assert (end.kind, end.exit_code) == ("refused", 1)
    assert "memory" in end.message
    with refused(KgptError, "64 MB memory"):
        memory_for(image, 64)
    memory_for(image, 512)
