"""The engine on aarch64, by qemu-user where the host is another one: its bits, its slots, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pace
import pytest
from hosted import Hosted
from refusals import refused
from rooms import ROOT
from tiny_lm import write_lm

from kgpt_build import models, paths
from kgpt_build.arch import DEFAULT, of_host, of_name
from kgpt_build.errors import ToolMissing
from kgpt_build.kernel import hosted as hosted_module
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.inspect import inspect
from kgpt_build.kernel.settings import BuildSettings
from kgpt_build.models import NO_MODEL
from kgpt_build.toolchain.zig import Zig

ARCH = of_name("aarch64")
PROCESSORS = {
    "cortex-a72": {"neon", "sha2", "crc32"},
    "cortex-a76": {"neon", "sha2", "crc32", "dotprod"},
    "max": {"neon", "sha2", "crc32", "dotprod", "i8mm", "rng"},
}
_BITS = [
    "tests/hosted/bits_driver.c",
    *(f"kernel_c/core/{name}.c" for name in ("format", "str", "utf8")),
    *(f"kernel_c/math/{name}.c" for name in ("dmath", "dmath_trig", "math", "random")),
    *("kernel_c/ops/quant/act.c", "kernel_c/ops/quant/types.c", "kernel_c/ops/attention/kv_ref.c"),
]
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fno-math-errno", "-fsigned-char")


def need_emulator() -> None:
    if of_host() is not ARCH and not shutil.which(ARCH.user_emulator.program):
        pytest.skip("the test needs qemu-user")


@pytest.fixture(scope="module")
def program() -> Hosted:
    """For language models."""
    need_emulator()
    return Hosted(build_cached(NO_MODEL, target="hosted", arch=ARCH))


@pytest.mark.parametrize("processor", PROCESSORS)
def test_processors_are_known_and_their_slots_compute_the_definition(
    program: Hosted, processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every self-test, on every processor: the slots that it has, on random data."""
    if of_host() is ARCH:
        pytest.skip("this machine has one processor")
    monkeypatch.setenv("QEMU_CPU", processor)
    run = program.run("mode=selftest exit")
    assert run.returncode == 0, run.console[-2000:]
    features = set(run.one("cpu")["features"])
    assert features - {"emulated"} == PROCESSORS[processor]
    assert "emulated" in features, "qemu-user was not noticed: the slots are not those for emulators"
    assert run.one("tests")["failed"] == 0
    missing = {"dotprod", "i8mm"} - features
    assert {test["not_run"] for test in run.of("test") if test.get("not_run")} <= missing | {""}


def compiled(folder: Path, target: str, *more: str) -> Path:
    output = folder / target
    words = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-static", *_FLAGS, "-Ikernel_c/include"]
    subprocess.run([*words, "-Ikernel_c", "-fno-sanitize=all", *_BITS, *more, "-o", str(output)], cwd=ROOT, check=True)
    return output


def test_random_bit_patterns_give_the_bits_of_x86_64(tmp_path: Path) -> None:
    """Exponentials, logarithms, roots, conversions to halves, integers, decimals and activations: NaN, infinities and
    denormal numbers among them.
    """
    need_emulator()
    own = compiled(tmp_path, "x86_64-linux-musl")
    other = compiled(tmp_path, "aarch64-linux-musl", "kernel_c/ops/aarch64/quant/act_neon.c")
    outputs = [
        subprocess.run(
            [*hosted_module.emulator_for(path), str(path)], stdout=subprocess.PIPE, check=True, timeout=pace.limit(60)
        ).stdout
        for path in (own, other)
    ]
    assert len(outputs[0]) > 1_000_000
    assert outputs[0] == outputs[1]


def test_drafts_change_no_text(program: Hosted, tmp_path: Path) -> None:
    """Two turns of a chat, greedy and sampled: tokens and logits of plain decoding, there and on this machine."""
    model = write_lm(tmp_path / "m.gguf", fields={"llama.context_length": 256}, kind="Q8_0")
    chat = tmp_path / "m.kgct"
    chat.write_bytes(models.load_lm(model).chat_blob())
    modules = ("--module", str(model), "--module", str(chat))
    ways = (("speculate=ngram speculate_tokens=5", ()), ("speculate=draft", ("--module", f"{model} kind=draft")))
    host = Hosted(build_cached(NO_MODEL, target="hosted"))
    for sampling in ("temperature=0", "temperature=1.5 seed=3"):
        words = f"mode=chat max_tokens=30 logits logit_bias=0-inf logit_bias=3-inf {sampling}"
        runs = [one.run(words, b"abcabcab\nab\n", modules) for one in (program, host)]
        runs += [program.run(f"{words} {how}", b"abcabcab\nab\n", (*modules, *more)) for how, more in ways]
        said = [[event for event in run.events if event["event"] in ("logits", "token", "sample")] for run in runs]
        assert said[0]
        assert all(other == said[0] for other in said[1:])
        assert [sum(speed["drafted"] for speed in run.of("speed")) > 0 for run in runs] == [False, False, True, True]


def test_a_program_tells_its_architecture(program: Hosted) -> None:
    found = inspect(program.path)
    assert found.arch is ARCH
    assert found.wx_problems == ()
    assert "quant.every_slot_gives_the_bits_of_plain_c" in found.tests


def test_a_program_names_no_folder_of_this_machine(program: Hosted) -> None:
    """zig builds its C library with debug information that would name its cache, and the folder it lies in."""
    data = program.path.read_bytes()
    assert b".debug_line" in data
    for folder in (paths.cache_dir(), Zig().find().parent, Path.home(), ROOT):
        assert f"{folder}/".encode() not in data
    assert b"site-packages" not in data


def test_without_an_emulator_the_error_names_it(program: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    if of_host() is ARCH:
        pytest.skip("this machine runs it")
    monkeypatch.setenv("PATH", "/nonexistent")
    with refused(ToolMissing, "qemu-aarch64"):
        hosted_module.hosted_argv(program.path, "")


def test_a_program_for_another_processor_than_asked_is_refused(program: Hosted) -> None:
    words = [sys.executable, "-m", "kgpt_build", "run", str(program.path), "--arch", DEFAULT.name]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2
    assert "is for aarch64, not for x86-64" in done.stderr


@pytest.mark.parametrize("fault", ["ud", "null", "text", "exec"])
def test_faults_are_panics(program: Hosted, fault: str) -> None:
    run = program.run(f"fault={fault} mode=selftest exit")
    assert run.returncode != 0
    panic = run.one("panic")
    assert panic["name"] == {"ud": "UNDEF"}.get(fault, "ABORT")
    assert run.one("exit")["reason"] == "panic"


def test_a_division_by_zero_is_no_fault(program: Hosted) -> None:
    """The processor gives 0."""
    run = program.run("fault=div mode=selftest exit")
    assert "fault=div is not possible on this platform" in run.one("error")["message"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["hosted", "bare"])
def test_two_builds_give_the_same_bytes(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache, a home and an environment of their own, so that everything is compiled twice, from another folder.

    The second one asks the compiler for other flags, in other words of its environment, which must not reach it.
    """
    from kgpt_build.kernel.build import build

    outputs = []
    for name, jobs in (("one", 1), ("another", 3)):
        folder = tmp_path / name
        monkeypatch.setenv("KGPT_CACHE", str(folder / "cache"))
        monkeypatch.setenv("HOME", str(folder))
        if name == "another":
            for word, value in {"TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8", "SOURCE_DATE_EPOCH": "7"}.items():
                monkeypatch.setenv(word, value)
            for word in ("CFLAGS", "CPATH", "C_INCLUDE_PATH", "LDFLAGS"):
                monkeypatch.setenv(word, str(folder) if "PATH" in word else "-O0")
        settings = BuildSettings(NO_MODEL, folder / "out", target=target, arch=ARCH, efi=target == "bare", jobs=jobs)
        made = build(settings)
        outputs.append((made.output.read_bytes(), made.efi.read_bytes() if made.efi else b""))
    assert outputs[0] == outputs[1]
    assert all(str(tmp_path).encode() not in data for data in outputs[0])
    assert bool(outputs[0][1]) == (target == "bare")
