"""Bochs has what TCG has not: AVX-512, x2APIC, a processor (tigerlake) that names no hypervisor, a slow serial port.

Needs Debian's bochs and GRUB's tools.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pace
import pytest
from quantized import LLAMA_CPP, write_wide

from kgpt_build.boot_modules import BootModule
from kgpt_build.headers import BROUGHT
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import run_hosted
from kgpt_build.models import NO_MODEL, load_lm
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.quantize import plan, quantized

SECONDS = 300
IPS = 100_000_000
"""Instructions that it takes for a second's."""

CONFIGURATION = """
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=tigerlake, count={cpus}, ips={ips}, reset_on_triple_fault=0
memory: guest=256, host=256
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={disc}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
port_e9_hack: enabled=1
log: {log}
panic: action=fatal
error: action=report
info: action=ignore
"""
TEXT = "set gfxpayload=text\n"
"""After the kernel was read, which asks for pixels: of Bochs' modes GRUB takes one of 8 bits, and dies of that."""


def boot(
    folder: Path,
    cmdline: str,
    *,
    cpus: int = 1,
    corpus: str = "",
    before: str = "",
    model: Path | None = None,
    seconds: float = SECONDS,
) -> tuple[str, list[dict[str, Any]]]:
    """The serial port's text and the events of one boot, by GRUB's multiboot2.

    With ``corpus`` the image is one that trains, with ``model`` one of language models; ``before``: commands of GRUB's.
    """
    assert shutil.which("bochs"), "bochs is missing: apt-get install bochs"
    tree, disc, serial = folder / "tree", folder / "disc.iso", folder / "serial"
    (tree / "boot" / "grub").mkdir(parents=True)
    brought = NO_MODEL if model else None
    shutil.copy(build_cached(brought, corpus=BROUGHT if corpus else None), tree / "boot" / "kernel.elf")
    (tree / "boot" / "corpus").write_text(corpus)
    module = "module2 /boot/corpus corpus\n" if corpus else ""
    if model:
        shutil.copy(model, tree / "boot" / "model.gguf")
        module = "module2 /boot/model.gguf model.gguf\n"
    entry = f"set timeout=0\nmenuentry kgpt {{\n{before} multiboot2 /boot/kernel.elf {cmdline}\n{module}{TEXT}}}\n"
    (tree / "boot" / "grub" / "grub.cfg").write_text(entry)
    subprocess.run(["grub-mkrescue", "-o", str(disc), str(tree)], check=True, capture_output=True)
    (folder / "bochsrc").write_text(
        CONFIGURATION.format(disc=disc, serial=serial, log=folder / "log", cpus=cpus, ips=IPS)
    )
    (folder / "debugger").write_text("c\n")  # Debian's Bochs waits in its debugger: continue
    bochs = ["bochs", "-q", "-f", str(folder / "bochsrc"), "-rc", str(folder / "debugger")]
    environment = {**os.environ, "LC_ALL": "C"}  # Bochs 2.7 overflows a buffer where the locale's is UTF-8
    nothing = subprocess.DEVNULL
    done = subprocess.run(
        bochs, stdin=nothing, capture_output=True, env=environment, timeout=pace.limit(seconds), check=False
    )
    lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith('{"event"')]
    return serial.read_text(), [json.loads(line) for line in lines]


@pytest.mark.slow
def test_avx512_state_is_enabled_and_every_self_test_passes(tmp_path: Path) -> None:
    text, events = boot(tmp_path, "mode=selftest")
    cpu = next(event for event in events if event["event"] == "cpu")
    assert (cpu["xcr0"], cpu["isa"]) == (0xE7, "avx512")
    assert "hypervisor" not in cpu["features"]
    tests = [event for event in events if event["event"] == "test"]
    assert tests
    assert [test["name"] for test in tests if not test["ok"]] == []
    assert events[-1] == {"event": "exit", "code": 0, "reason": "selftest"}
    assert text.endswith(f"kgpt: {len(tests)} tests passed, 0 failed\n")


@pytest.mark.slow
def test_avx512_generates_the_same_texts(tmp_path: Path) -> None:
    def samples(name: str, words: str) -> list[str]:
        (tmp_path / name).mkdir()
        return [event["text"] for event in boot(tmp_path / name, words)[1] if event["event"] == "sample"]

    with_avx512 = samples("avx512", "exit samples=10 seed=3")
    assert len(with_avx512) == 10
    assert with_avx512 == samples("c", "exit samples=10 seed=3 cpumask=c")


KINDS = ("F32", "F16", "BF16", *LLAMA_CPP)
"""All types of weights."""
MODEL_WORDS = (
    "mode=generate prompt=abcabacbbcaabcabbcaab max_tokens=3 temperature=0 logit_bias=1-inf logit_bias=3-inf "
    "ctx=64 logits exit"
)
MODEL_SECONDS = 900.0


def write_every_kind(folder: Path) -> Path:
    """A language model with a matrix of each type of weights, all with whole blocks of 256."""
    planned = plan(load_lm(write_wide(folder / "wide.gguf", n_layer=3)), "Q4_K_M")
    names = iter(KINDS * 2)
    tensors = tuple(
        replace(item, choice=replace(item.choice, kind=next(names))) if item.is_matrix else item
        for item in planned.tensors
    )
    path = folder / "every.gguf"
    write_gguf(quantized(replace(planned, tensors=tensors)), path)
    return path


@pytest.mark.slow
def test_every_product_of_avx512_vnni_has_the_bits_of_plain_c(tmp_path: Path) -> None:
    """The prompt is a batch, which other functions compute than a token alone."""
    model = write_every_kind(tmp_path)
    assert set(load_lm(model).types) == set(KINDS)
    plain = run_hosted(
        build_cached(NO_MODEL, target="hosted"),
        f"{MODEL_WORDS} cpumask=c ubatch=1 cpus=1",
        timeout=pace.limit(MODEL_SECONDS),
        modules=(BootModule(model),),
    )
    expected = [event["f32"] for event in map(json.loads, plain) if event["event"] == "logits"]
    assert len(expected) == 3
    (tmp_path / "vnni").mkdir()
    _, events = boot(tmp_path / "vnni", MODEL_WORDS, model=model, seconds=MODEL_SECONDS)
    (cpu,) = (event for event in events if event["event"] == "cpu")
    assert {"avx512f", "avx512vnni"} <= set(cpu["features"]), cpu
    assert cpu["isa"] == "avx512"
    assert [event["f32"] for event in events if event["event"] == "logits"] == expected
    assert events[-1]["code"] == 0


@pytest.mark.slow
def test_self_tests_of_language_models_pass_with_avx512_vnni(tmp_path: Path) -> None:
    (tmp_path / "lm").mkdir()
    model = write_every_kind(tmp_path)
    _, events = boot(tmp_path / "lm", "mode=selftest", model=model, seconds=MODEL_SECONDS)
    tests = [event for event in events if event["event"] == "test"]
    assert [test["name"] for test in tests if not test["ok"]] == []
    assert any("slot" in test["name"] or "quant" in test["name"] for test in tests), tests
    assert events[-1] == {"event": "exit", "code": 0, "reason": "selftest"}


X2APIC_ON = "insmod wrmsr\nwrmsr 0x1b 0xfee00d00\n"
"""As some firmware leaves it: enabled, extended, on the processor that boots."""
CORPUS = "".join(
    f"{first}{second}\n" for first in ("anna", "bob", "carl", "dora") for second in ("a", "mi", "na", "tus")
)


@pytest.mark.slow
def test_processors_by_xapic_and_by_x2apic_train_the_same_weights(tmp_path: Path) -> None:
    def train(name: str, cpus: int, before: str = "") -> tuple[str, int, list[str]]:
        """How the others were reached; the weights' CRC-32; the losses."""
        (tmp_path / name).mkdir()
        words = "mode=train exit steps=3 batch=8 chunks=3 n_embd=8 n_head=2 block_size=8 samples=1"
        events = boot(tmp_path / name, words, cpus=cpus, corpus=CORPUS, before=before)[1]
        of = {event["event"]: event for event in reversed(events)}
        assert (of["cpus"]["found"], of["cpus"]["started"], of["cpus"]["note"]) == (cpus, cpus, "")
        losses = [event["loss_bits"] for event in events if event["event"] == "step"]
        return of["cpus"]["by"], of["blob"]["crc32"], losses

    alone = train("alone", 1)
    assert len(alone[2]) == 3
    assert train("xapic", 3) == ("xapic", *alone[1:])
    assert train("x2apic", 3, X2APIC_ON) == ("x2apic", *alone[1:])


@pytest.mark.slow
def test_a_processor_that_states_another_frequency_than_its_timers_show_is_not_believed(tmp_path: Path) -> None:
    """Its CPUID is that of a real machine; its TSC counts the instructions of a simulated second."""

    def stats(name: str, words: str) -> dict[str, Any]:
        (tmp_path / name).mkdir()
        events = boot(tmp_path / name, f"samples=1 exit {words}")[1]
        return next(event for event in events if event["event"] == "stats")

    stated = stats("cpuid", "clock=cpuid")
    assert (stated["clock"], stated["ticks_hz"]) == ("cpuid", 2_419_200_000)
    for name in ("pmtimer", "pit"):
        assert stats(name, f"clock={name}")["ticks_hz"] == pytest.approx(IPS, rel=0.01)
    believed = stats("all", "")
    assert believed["clock"] == "hpet"
    assert believed["ticks_hz"] == pytest.approx(IPS, rel=0.01)
