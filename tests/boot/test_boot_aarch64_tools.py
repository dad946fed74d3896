"""Commands with kernels for aarch64: the probe for KVM, memory, processors, pack, explain, the pytest plugin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from boots import Boot, Kgpt, need, texts
from files import FILES
from test_boot_plugin import run

from kgpt_build.arch import of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.cli import invoke
from kgpt_build.events import Logits
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL, load_lm

ARCH = of_name("aarch64")
COMPARE_WITH_24 = bytes.fromhex("1f600071")
"""cmp w0, #24, in the probe."""


@pytest.fixture(scope="session")
def arm_kernel() -> Path:
    """The default model's image."""
    need("qemu-system-aarch64")
    return build_cached(arch=ARCH)


@pytest.mark.parametrize("cpu", ["max", "cortex-a53"])
def test_the_probe_runs_where_neon_works(kgpt_machine: Boot, tmp_path: Path, cpu: str) -> None:
    need("qemu-system-aarch64")
    image = tmp_path / "probe.bin"
    image.write_bytes(ARCH.kvm_probe)
    assert kgpt_machine(image, accel="tcg", serial=False, arch=ARCH, cpu=cpu).wait().ok


def test_the_probe_gives_no_verdict_where_it_does_not(kgpt_machine: Boot, tmp_path: Path) -> None:
    need("qemu-system-aarch64")
    assert ARCH.kvm_probe.count(COMPARE_WITH_24) == 1
    image = tmp_path / "probe.bin"
    image.write_bytes(ARCH.kvm_probe.replace(COMPARE_WITH_24, bytes.fromhex("1f640071")))
    assert kgpt_machine(image, accel="tcg", serial=False, arch=ARCH, timeout=3).wait().kind == "timeout"


def test_the_least_memory_is_enough_and_less_is_refused(
    kgpt: Kgpt, arm_kernel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(arm_kernel), "--samples", "1", "--accel", "tcg", "--memory"]
    assert invoke([*words, "1"]) == 1
    least = int(capsys.readouterr().err.rpartition("give --memory ")[2])
    assert invoke([*words, str(least - 1)]) == 1
    assert f"{least - 1} MB of memory are too little" in capsys.readouterr().err
    done = kgpt(*words, str(least))
    assert done.returncode == 0, done.stderr
    assert f"booted by linux, {least} MB of memory" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--cpu", "Haswell"), 1, "QEMU has no processor Haswell\n  qemu-system-aarch64 -cpu help lists them\n"),
        (("--cpu", "cortex-a15"), 2, "the processor cortex-a15 has no 64-bit mode"),
        (("--cpus", "9"), 2, "9 processors: there can be 1 to 8"),
        (("--machine", "q35"), 2, "there is no machine q35 for aarch64"),
    ],
)
def test_machines_that_cannot_be(
    arm_kernel: Path, words: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["run", str(arm_kernel), "--accel", "tcg", "--prompt", "a", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err


@pytest.mark.parametrize("size", [0, 10, 64, 5000, -1])
def test_a_truncated_kernel(arm_kernel: Path, tmp_path: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.elf"
    cut.write_bytes(arm_kernel.read_bytes()[:size])
    for name, *words in (("run",), ("smoke",), ("inspect",), ("pack", "default")):
        assert invoke([name, str(cut), *words]) in (1, 2)
        error = capsys.readouterr().err
        assert "cut.elf" in error.splitlines()[0]
        assert len(error.splitlines()) == 2
    assert [*tmp_path.iterdir()] == [cut]


def test_pack_and_inspect(boot: Boot, arm_kernel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "packed.elf"
    assert invoke(["pack", str(arm_kernel), "default", "-o", str(packed), "--arch", "aarch64"]) == 0
    capsys.readouterr()
    assert invoke(["inspect", str(packed), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["arch"], found["loaders"]) == ("aarch64", ["linux"])
    assert invoke(["inspect", str(packed)]) == 0
    assert "for       aarch64\n" in capsys.readouterr().out
    one, other = (boot("seed=7 samples=2 exit", image=path) for path in (arm_kernel, packed))
    assert one.wait().ok
    assert other.wait().ok
    assert texts(one) == texts(other)


def test_explain_compares_two_architectures(kgpt: Kgpt, tmp_path: Path) -> None:
    """Every number of the kernel in QEMU's virt is that of the process of this machine."""
    need("qemu-system-aarch64")
    words = ("explain", "--default", "--prompt", "ma", "--tokens", "8", "--arch", "aarch64", "-o", "page.json")
    done = kgpt(*words)
    assert done.returncode == 0, done.stderr
    assert "from the kernel in QEMU; the hosted program gave the same bits" in done.stdout
    assert json.loads((tmp_path / "page.json").read_text())["source"]["isa"] == "neon"


SUITE = """
def test_talks(kgpt_machine):
    guest = kgpt_machine(cmdline="samples=1 seed=7 exit")
    assert guest.wait().ok
    assert guest.expect_event("boot").loader == "linux"

def test_fails(kgpt_machine, kgpt_image):
    from kgpt_build.arch import DEFAULT
    kgpt_machine(kgpt_image, arch=DEFAULT)
"""


def test_the_plugin_has_the_option(arm_kernel: Path, tmp_path: Path) -> None:
    report = run(tmp_path, SUITE, None, "--kgpt-arch", "aarch64")
    assert "1 failed, 1 passed" in report
    assert "is for aarch64, not for x86-64" in report
    wrong = run(tmp_path, "def test_one(kgpt_machine):\n    kgpt_machine()\n", arm_kernel, "--kgpt-arch", "x86_64")
    assert "is for aarch64, not for x86-64" in wrong


def need_compiler(toolchain: str) -> None:
    if not shutil.which({"gcc": "aarch64-linux-gnu-gcc"}.get(toolchain, toolchain)):
        pytest.skip(f"the test needs {toolchain} for aarch64")


@pytest.mark.slow
@pytest.mark.parametrize("toolchain", ["gcc", "clang"])
def test_kernels_of_other_compilers(boot: Boot, arm_kernel: Path, toolchain: str) -> None:
    need_compiler(toolchain)
    kernel = build_cached(toolchain=toolchain, arch=ARCH)
    one, other = (boot("seed=7 samples=3 exit", image=path) for path in (arm_kernel, kernel))
    assert one.wait().ok
    assert other.wait().ok
    assert texts(one) == texts(other)
    assert boot("fault=null", image=kernel).wait().message.startswith("panic: DABORT")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama-Q2_K", "llama-Q4_K", "llama-Q8_0", "gemma3"])
@pytest.mark.parametrize("toolchain", ["gcc", "clang"])
def test_language_models_by_other_compilers(boot: Boot, toolchain: str, name: str, tmp_path: Path) -> None:
    """The logits are those of zig's kernel: by SMMLA on `max`, from a boot module and from a model inside."""
    need("qemu-system-aarch64")
    need_compiler(toolchain)
    model = tmp_path / "tiny.gguf"
    FILES[name](model)
    words = "mode=generate prompt=a max_tokens=6 samples=2 seed=3 logits cpus=2 cpumask=i8mm exit"
    found = []
    for compiler in ("zig", toolchain):
        inside = build_cached(load_lm(model), toolchain=compiler, arch=ARCH)
        guest = boot(words, image=inside, cpu="max", cpus=2, memory=256)
        assert guest.wait().ok
        found.append([event.f32 for event in guest.events if isinstance(event, Logits)])
    kernel = build_cached(NO_MODEL, toolchain=toolchain, arch=ARCH)
    guest = boot(words, image=kernel, modules=(BootModule(model),), cpu="max", cpus=2, memory=256)
    assert guest.wait().ok
    found.append([event.f32 for event in guest.events if isinstance(event, Logits)])
    assert len(found[0]) > 2
    assert found[0] == found[1] == found[2]
