"""The kernel for aarch64 in QEMU's virt: the texts of x86-64, several processors, panics, input, modules, devices."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from boots import Boot, need, texts
from tiny_lm import write_lm

from kgpt_build.arch import of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.events import Cpus, Exit, Model, Ready
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.linux_files import write_image

ARCH = of_name("aarch64")
SEED_7 = "seed=7 samples=3 exit"


@pytest.fixture(scope="session")
def arm_kernel() -> Path:
    """The default model's image."""
    need("qemu-system-aarch64")
    return build_cached(arch=ARCH)


@pytest.fixture(scope="session")
def arm_kernel_without_model() -> Path:
    """An image for language models that come as boot modules."""
    need("qemu-system-aarch64")
    return build_cached(NO_MODEL, arch=ARCH)


def machine(*options: str) -> tuple[str, ...]:
    """QEMU's words for options of virt; the last ``-machine`` counts for each."""
    return tuple(word for option in options for word in ("-machine", option))


@pytest.mark.parametrize(
    ("cpu", "cpus", "extra"),
    [
        ("cortex-a72", 1, ()),
        ("cortex-a76", 2, machine("gic-version=3")),
        ("max", 4, machine("gic-version=3", "virtualization=on")),
        ("cortex-a57", 3, machine("virtualization=on", "highmem=off")),
    ],
    ids=lambda value: "+".join(value[1::2]) or "plain" if isinstance(value, tuple) else str(value),
)
def test_texts_are_those_of_x86(
    boot: Boot, arm_kernel: Path, kernel: Path, cpu: str, cpus: int, extra: tuple[str, ...]
) -> None:
    """At EL1 and EL2, with both interrupt controllers; the machine ends as the kernel says."""
    guest = boot(f"{SEED_7} cpus={cpus}", image=arm_kernel, cpu=cpu, cpus=cpus, extra=extra)
    end = guest.wait()
    assert end.ok, end
    if not _x86_texts:
        other = boot(SEED_7, image=kernel)
        assert other.wait().ok
        _x86_texts.extend(texts(other))
    assert texts(guest) == _x86_texts
    found = next(event for event in guest.events if isinstance(event, Cpus))
    assert (found.found, found.started, found.note) == (cpus, cpus, "")
    assert found.by == ("psci" if cpus > 1 else "")


_x86_texts: list[str] = []


@pytest.mark.parametrize("place", [0x4A00000, 0x3201000])
def test_a_kernel_lies_anywhere(boot: Boot, arm_kernel: Path, tmp_path: Path, place: int) -> None:
    """QEMU loads an image as far behind the start of memory as its header says. The kernel is not linked for there, and
    needs no boundary of 2 MiB.
    """
    path = tmp_path / "image"
    write_image(arm_kernel, path)
    data = bytearray(path.read_bytes())
    data[8:16] = place.to_bytes(8, "little")
    path.write_bytes(data)
    end = boot("fault=null", image=path, arch=ARCH).wait()
    assert end.kind == "failed", end
    assert end.panic is not None
    assert end.panic.base == ARCH.memory_base + place
    assert 0 < end.panic.rip - end.panic.base < len(data)
    assert boot("mode=selftest exit", image=path, arch=ARCH).wait().ok


@pytest.mark.parametrize(
    ("fault", "name", "says"),
    [
        ("ud", "UNDEF", "undefined instruction"),
        ("null", "DABORT", "page fault: null pointer"),
        ("text", "DABORT", "page fault: wrote to read-only memory"),
        ("exec", "IABORT", "page fault: executed data"),
        ("stack", "DABORT", "page fault: stack overflow"),
    ],
)
def test_exceptions(boot: Boot, arm_kernel: Path, fault: str, name: str, says: str) -> None:
    """Each is a panic with the function where it happened, and the functions that called it."""
    end = boot(f"fault={fault}", image=arm_kernel).wait()
    assert end.kind == "failed", end
    headline, *frames = end.message.splitlines()
    assert headline.startswith(f"panic: {name} ({says}) error 0x")
    if fault == "exec":
        assert headline.endswith(" at not_code")
    else:
        assert "/fault.c:" in headline
    if fault != "stack":
        assert any("kg_main kernel_c/app/main.c:" in frame for frame in frames)


def test_a_reset_without_a_verdict_is_lost(boot: Boot, arm_kernel: Path) -> None:
    end = boot("fault=reset", image=arm_kernel).wait()
    assert (end.kind, "reset without a verdict" in end.message) == ("lost", True), end


def test_a_processor_that_does_not_answer_is_left_out(boot: Boot, arm_kernel: Path) -> None:
    guest = boot(f"fault=deaf cpus=2 {SEED_7}", image=arm_kernel, cpus=2)
    assert guest.wait().ok
    assert [event.note for event in guest.events if isinstance(event, Cpus)] == ["some did not answer"]


def test_typing_while_it_sleeps(boot: Boot, arm_kernel: Path) -> None:
    """Lines of any length arrive whole, though the serial port keeps a few bytes."""
    guest = boot("samples=1 seed=7", image=arm_kernel)
    guest.expect_event("shell")
    guest.send_line("set prompt " + "ab" * 200)
    guest.send_line("set")
    guest.expect(r"prompt +(ab){200}")
    guest.send_line("halt")
    end = guest.wait()
    assert end.ok, end
    assert [event.reason for event in guest.events if isinstance(event, Exit)] == ["halt"]


def test_reboot(boot: Boot, arm_kernel: Path) -> None:
    guest = boot("samples=1", image=arm_kernel)
    guest.expect_event("shell")
    guest.send_line("reboot")
    assert guest.wait().ok


def test_a_refusal_keeps_its_words(boot: Boot, arm_kernel: Path) -> None:
    end = boot("seed=x", image=arm_kernel).wait()
    assert end.kind == "refused"
    assert "seed" in end.message


def said(guest: Guest) -> list[str]:
    end = guest.wait()
    assert end.ok, end
    return texts(guest)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("screenshot", "-o", "screen.png", "--firmware", "uefi", "--resolution", "800x600"),
            "the screen of a machine for aarch64 has one size",
        ),
        (("run", "--arch", "x86_64"), "is for aarch64, not for x86-64"),
    ],
)
def test_what_it_cannot_do_yet_is_said(arm_kernel: Path, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    command = [sys.executable, "-m", "kgpt_build", words[0], str(arm_kernel), *words[1:]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert not [*tmp_path.iterdir()]


def test_a_language_model_as_a_module(
    boot: Boot, arm_kernel_without_model: Path, kernel_without_model: Path, tmp_path: Path
) -> None:
    """Two modules in one archive, two processors: the words and the tokens of x86-64."""
    model = write_lm(tmp_path / "tiny.gguf")
    (tmp_path / "prompt").write_text("once upon")
    modules = (BootModule(model), BootModule(tmp_path / "prompt", ("kind=prompt",)))
    words = "mode=generate max_tokens=12 samples=2 seed=3 exit"
    arm = boot(f"{words} cpus=2", image=arm_kernel_without_model, modules=modules, cpus=2, memory=384)
    x86 = boot(words, image=kernel_without_model, modules=modules, machine="pc", memory=384)
    assert said(arm) == said(x86)
    places = [event.place for event in arm.events if isinstance(event, Model)]
    assert len(places) == 1
    assert places[0].endswith("tiny.gguf")


def test_devices_on_pci(boot: Boot, arm_kernel_without_model: Path, tmp_path: Path) -> None:
    """The drivers of PCs, though no firmware has given the devices addresses."""
    disk = tmp_path / "disk"
    disk.write_bytes(content := bytes(range(256)) * 8192)
    drive = f"if=none,format=raw,readonly=on,file={disk}"
    extra = (
        *("-drive", f"{drive},id=a", "-device", "virtio-blk-pci,drive=a"),
        *("-drive", f"{drive},id=b", "-device", "nvme,drive=b,serial=b"),
        *("-device", "qemu-xhci", "-device", "usb-kbd", "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n"),
        *("-device", "virtio-rng-device", "-global", "virtio-mmio.force-legacy=false"),
    )
    modules = (BootModule(write_lm(tmp_path / "tiny.gguf")),)
    guest = boot("mode=shell", image=arm_kernel_without_model, memory=384, extra=extra, modules=modules)
    guest.expect_event("shell")
    guest.send_line("devices")
    for pattern in (r"virtio-blk: works", r"nvme: works", r"xhci: works", r"virtio-net: works", r"virtio-rng: works"):
        guest.expect(pattern)
    for name in ("virtio0", "nvme0"):
        guest.send_line(f"disks {name} 2")
        guest.expect(f"CRC-32 {zlib.crc32(content):08x}")
    guest.send_line("halt")
    assert guest.wait().ok
    assert any(isinstance(event, Ready) for event in guest.events)
