"""`kgpt run` without a terminal: what is on standard output, what on standard error, and which image is booted."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT, Kgpt
from fakes import fake_program
from odd import ALL_ODD, ODD_NAMES

from kgpt_build import models
from kgpt_build.kernel.build import build_cached
from kgpt_build.training.corpus import read_corpus


def test_no_arguments_is_twenty_names(kgpt: Kgpt) -> None:
    done = kgpt("run")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^sample +(\d+): [a-z]+$", done.stdout, re.MULTILINE) == [str(i + 1) for i in range(20)]
    assert "kgpt> " not in done.stdout
    assert re.fullmatch(r"[ -~\n]*", done.stdout), "there are control characters in a plain log"
    assert "\x1b" not in done.stderr


def test_kvm_that_cannot_be_used_is_one_line(kgpt: Kgpt, tmp_path: Path) -> None:
    """Once; on a host whose KVM works there is none."""
    cache = {"KGPT_CACHE": str(_cache_but_for_accel(tmp_path))}
    done = kgpt("run", "--dry-run", env=cache)
    assert "KVM" not in kgpt("run", "--dry-run", env=cache).stderr
    words = shlex.split(done.stdout)
    accelerator = words[words.index("-accel") + 1]
    lines = [line for line in done.stderr.splitlines() if "KVM" in line]
    assert (accelerator, len(lines)) in [("kvm", 0), ("tcg", 1)], done.stderr


def _cache_but_for_accel(folder: Path) -> Path:
    """The images that are there, and an empty memory of accelerators."""
    from kgpt_build.paths import cache_dir

    cache = folder / "cache"
    cache.mkdir()
    for entry in cache_dir().iterdir():
        if entry.is_dir():
            (cache / entry.name).symlink_to(entry)
    return cache


def test_a_prompt_is_one_shot(kgpt: Kgpt, kernel: Path) -> None:
    done = kgpt("run", kernel, "--accel", "tcg", "--prompt", "ka", "--samples", 3, "--seed", 5)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch("ka[a-z]*", line) for line in lines)
    assert re.search(r"3 samples, \d+ tokens in .* seed 5$", done.stderr, re.MULTILINE)
    again = kgpt("run", kernel, "--accel", "tcg", "--prompt", "ka", "--samples", 3, "--seed", 5)
    assert again.stdout == done.stdout
    other = kgpt("run", kernel, "--accel", "tcg", "--prompt", "ka", "--samples", 3, "--seed", 6)
    assert other.stdout != done.stdout


def test_a_random_seed_is_printed_and_repeats_the_run(kgpt: Kgpt, kernel: Path) -> None:
    first = kgpt("run", kernel, "--accel", "tcg", "--prompt", "", "--samples", 4, "--seed", "random")
    found = re.search(r"seed (\d+)$", first.stderr, re.MULTILINE)
    assert found
    second = kgpt("run", kernel, "--accel", "tcg", "--prompt", "", "--samples", 4, "--seed", found[1])
    assert first.stdout == second.stdout
    assert first.stdout


def test_all_settings_reach_the_kernel(kgpt: Kgpt, kernel: Path) -> None:
    settings = {"samples": 2, "seed": 7, "temperature": 0.25, "top_k": 5, "top_p": 0.5, "min_p": 0.125, "max_tokens": 3}
    words = [word for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    done = kgpt("run", kernel, "--accel", "tcg", "--json", *words)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (config,) = [event for event in events if event["event"] == "config"]
    assert {key: config[key] for key in settings} == settings


def test_json_is_the_machine_channel_alone(kgpt: Kgpt, kernel: Path) -> None:
    done = kgpt("run", kernel, "--accel", "tcg", "--json", "--samples", 2)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]] == ["boot", {"event": "exit", "code": 0, "reason": "done"}]
    assert len([event for event in events if event["event"] == "sample"]) == 2


def test_without_a_serial_port_the_names_come_by_events(kgpt: Kgpt, kernel: Path) -> None:
    with_port = kgpt("run", kernel, "--accel", "tcg", "--samples", 3)
    without = kgpt("run", kernel, "--accel", "tcg", "--samples", 3, "--no-serial")
    samples = [line for line in with_port.stdout.splitlines() if line.startswith("sample")]
    assert without.stdout.splitlines() == samples
    assert len(samples) == 3


def test_selftests_by_run(kgpt: Kgpt, kernel: Path) -> None:
    done = kgpt("run", kernel, "--accel", "tcg", "--mode", "selftest")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^kgpt: \d+ tests passed, 0 failed$", done.stdout, re.MULTILINE)


def test_a_dry_run_is_a_line_that_works(kgpt: Kgpt, kernel: Path) -> None:
    done = kgpt("run", kernel, "--accel", "tcg", "--dry-run", "--samples", 2)
    assert done.returncode == 0
    shown = subprocess.run(done.stdout, shell=True, capture_output=True, text=True, timeout=pace.limit(60), check=False)
    assert shown.returncode == 65
    assert "sample  2: " in shown.stdout
    assert json.loads(shown.stderr.splitlines()[-1])["event"] == "exit"


@pytest.mark.parametrize(
    ("display", "message"),
    [("", "there is no display"), (":77", "can open no window|QEMU did not start the machine")],
)
def test_a_window_that_cannot_be_opened(kgpt: Kgpt, kernel: Path, display: str, message: str) -> None:
    """Where QEMU has windows, there is no display 77 for them."""
    env = {"DISPLAY": display, "WAYLAND_DISPLAY": ""}
    done = kgpt("run", kernel, "--accel", "tcg", "--display", "--timeout", 20, env=env)
    assert done.returncode in (1, 3)
    assert re.search(message, done.stderr)


def test_a_window_is_typed_to(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    """The kernel is not told to end: its shell goes on in the window, terminal or not."""
    fake_program(tmp_path / "bin", "qemu-system-x86_64", "printf 'Available:\\nnone\\nsdl\\n'")
    env = {"DISPLAY": ":0", "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    for words, ends in ((["--display"], False), (["--display", "--prompt", "ka"], True), ([], True)):
        done = kgpt("run", kernel, "--accel", "tcg", "--dry-run", *words, env=env)
        assert done.returncode == 0, done.stderr
        line = shlex.split(done.stdout)
        assert ("sdl" in line) == ("--display" in words)
        cmdline = line[line.index("-append") + 1] if "-append" in line else ""
        assert ("exit" in cmdline.split()) == ends


def test_gdb_waits_before_the_first_instruction(kgpt: Kgpt, kernel: Path) -> None:
    done = kgpt("run", kernel, "--accel", "tcg", "--gdb", "--timeout", 1.5)
    assert done.returncode == 124
    assert done.stdout == ""
    assert f"gdb {kernel} -ex 'target remote localhost:1234'" in done.stderr


def test_a_reader_that_stops_ends_the_run(kernel: Path, tmp_path: Path) -> None:
    import sys

    from boots import ENVIRONMENT

    line = shlex.join(
        [sys.executable, "-m", "kgpt_build", "run", str(kernel), "--accel", "tcg", "--samples", "1000000"]
    )
    done = subprocess.run(
        f"{line} | head -n 3", shell=True, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=pace.limit(60), check=False,
    )  # fmt: skip
    assert len(done.stdout.splitlines()) == 3
    assert "Traceback" not in done.stderr


# Which image.


@pytest.fixture
def toy_model(tmp_path: Path) -> Path:
    """A model that says only "b", as JSON."""
    import numpy as np

    from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes

    sizes = Hyperparameters(3, 4, 4, 1, 2, 2, 4)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(sizes).items()}
    tensors["wte"][:] = tensors["wpe"][:] = 1
    tensors["lm_head"][1] = 1
    path = tmp_path / "toy.gguf"
    models.save_gguf(Model("toy", "microgpt", sizes, CharTokenizer(("a", "b")), tensors), path)
    return path


def test_a_model_is_built_first(kgpt: Kgpt, toy_model: Path) -> None:
    done = kgpt("run", toy_model, "--accel", "tcg", "--samples", 1, "--temperature", 0)
    assert done.returncode == 0, done.stderr
    assert "sample  1: bbbb" in done.stdout


def test_the_build_folder_is_preferred_as_long_as_it_is_fresh(kgpt: Kgpt, toy_model: Path, tmp_path: Path) -> None:
    assert kgpt("build", toy_model, "--cmdline", "samples=2").returncode == 0
    first = kgpt("run", "--accel", "tcg", "--temperature", 0, "-v")
    assert first.stdout.count("bbbb") == 2
    assert "compiling" not in first.stderr
    # Another model in the same file: the image in ./build is not what one would get today.
    toy = models.load_microgpt(toy_model)
    tensors = {**toy.tensors, "lm_head": toy.tensors["lm_head"][[1, 0, 2]]}
    models.save_gguf(type(toy)("toy", toy.arch, toy.hparams, toy.tokenizer, tensors), toy_model)
    second = kgpt("run", "--accel", "tcg", "--temperature", 0)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("aaaa") == 2
    toy_model.unlink()
    gone = kgpt("run", "--accel", "tcg")
    assert gone.returncode == 1
    assert "toy.gguf" in gone.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"", "image"),
        (b"\x7fELF", "truncated"),
        (b"\x7fELF" + b"\xff" * 1000, "ELF"),
        (b"GGUF" + b"\0" * 8, "image"),
    ],
)
def test_bad_images(kgpt: Kgpt, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "image"
    if content is not None:
        path.write_bytes(content)
    done = kgpt("run", path)
    assert done.returncode == 1
    assert done.stderr.startswith("kgpt: error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_truncated_image(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.elf"
    path.write_bytes(kernel.read_bytes()[: kernel.stat().st_size // 2])
    for words in (["run", path], ["smoke", path]):
        done = kgpt(*words)
        assert done.returncode == 1
        assert "truncated" in done.stderr


def test_no_qemu(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    make = shutil.which("make")
    assert make
    (bin_folder / "make").symlink_to(make)
    for words in (["run"], ["run", kernel], ["smoke", kernel], ["run", kernel, "--dry-run"]):
        done = kgpt(*words, env={"PATH": str(bin_folder)})
        assert done.returncode == 3
        assert done.stderr.splitlines()[0].startswith("kgpt: error: qemu-system-x86_64 is not there")
        assert "apt-get install qemu-system-x86" in done.stderr


def test_kvm_asked_for_is_kvm_or_an_error(kgpt: Kgpt, kernel: Path) -> None:
    done = kgpt("run", kernel, "--accel", "kvm", "--samples", 1)
    if done.returncode == 0:
        assert "sample  1: " in done.stdout
    else:
        assert done.returncode == 3
        assert done.stdout == ""
        assert done.stderr.startswith("kgpt: error: KVM does not work: ")


@pytest.mark.parametrize(
    ("redirections", "code", "error"),
    [
        (">/dev/full", 1, "kgpt: error: cannot write to standard output: No space left on device"),
        ("<&- >&-", 1, "kgpt: error: cannot write to standard output: Bad file descriptor"),
        ("<&- 2>/dev/full", 0, ""),
        ("<&- >&- 2>&-", 1, ""),
    ],
)
@pytest.mark.parametrize("words", [("run", "--samples", "2"), ("run", "--json"), ("smoke",)], ids=" ".join)
def test_streams_that_are_closed_or_full(
    kernel: Path, words: tuple[str, ...], redirections: str, code: int, error: str
) -> None:
    """No machine takes the number of a closed stream, and the run ends with what cannot be said."""
    shell = ["sh", "-c", f'exec "$@" {redirections}']
    done = subprocess.run(
        [*shell, "sh", sys.executable, "-m", "kgpt_build", *words, str(kernel), "--accel", "tcg"],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=pace.limit(600),
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert error in done.stderr.splitlines() or not error
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (code == 0)


ODD_PATHS = [ODD_NAMES["space"], ODD_NAMES["equals"], ODD_NAMES["colon"], ODD_NAMES["comma"], ALL_ODD]


@pytest.mark.parametrize("machine", ["microvm", "pc"])
@pytest.mark.parametrize("name", ODD_PATHS)
def test_no_word_of_a_path_reaches_the_kernel(
    kgpt: Kgpt, kernel: Path, tmp_path: Path, name: str, machine: str
) -> None:
    """QEMU's loader puts the path before the words of the command line."""
    (tmp_path / name).mkdir()
    image = tmp_path / name / f"{name} exit mode=selftest"
    shutil.copyfile(kernel, image)
    words = ("--accel", "tcg", "--machine", machine, "--samples", 1, "--prompt", "ka")
    done = kgpt("run", image, *words)
    assert (done.returncode, done.stdout) == (0, kgpt("run", kernel, *words).stdout), done.stderr
    relative = kgpt("run", *words, "--", image.name, cwd=image.parent)
    assert (relative.returncode, relative.stdout) == (0, done.stdout), relative.stderr


def test_the_printed_command_line_of_an_odd_path_can_be_pasted(kgpt: Kgpt, kernel: Path, tmp_path: Path) -> None:
    image = tmp_path / f"seed=7 {ALL_ODD}"
    shutil.copyfile(kernel, image)
    line = kgpt("run", image, "--accel", "tcg", "--samples", 1, "--prompt", "ka", "--dry-run").stdout
    done = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    expected = kgpt("run", kernel, "--accel", "tcg", "--samples", 1, "--prompt", "ka").stdout
    assert expected.strip() in done.stdout


# Discs and sticks: what a boot loader draws is not for plain text.


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose menu waits for a key."""
    from kgpt_build import cli

    path = tmp_path_factory.mktemp("disc") / "kgpt.iso"
    assert cli.invoke(["image", "iso", "default", "--timeout", "-1", "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def quick_disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose menu waits for a second."""
    from kgpt_build import cli

    path = tmp_path_factory.mktemp("disc") / "kgpt.iso"
    assert cli.invoke(["image", "iso", "default", "--timeout", "1", "-o", str(path)]) == 0
    return path


def test_a_disc_prints_what_its_kernel_prints(kgpt: Kgpt, quick_disc: Path) -> None:
    for command in ("run", "smoke"):
        done = kgpt(command, quick_disc, "--accel", "tcg")
        assert done.returncode == 0, done.stderr
        assert re.match(r"kgpt \S+: booted by multiboot2, ", done.stdout)
        assert "GRUB" not in done.stdout
        assert len(re.findall(r"^sample", done.stdout, re.MULTILINE)) == 20


def test_a_menu_that_starts_nothing_is_told_at_the_end(kgpt: Kgpt, disc: Path) -> None:
    done = kgpt("run", disc, "--accel", "tcg", "--timeout", 15)
    assert (done.returncode, done.stdout) == (124, "")
    assert "the console's last lines:" in done.stderr
    assert "+---" not in done.stderr
    if "GRUB" in done.stderr:  # a busy machine may not have come as far
        assert "default: shell" in done.stderr


def test_a_key_shows_the_menu(disc: Path, tmp_path: Path) -> None:
    import sys

    from boots import ENVIRONMENT
    from terminal import Terminal

    words = [sys.executable, "-m", "kgpt_build", "run", str(disc), "--accel", "tcg"]
    with Terminal(words, {**ENVIRONMENT, "TERM": "xterm"}, tmp_path) as terminal:
        terminal.expect("any key shows the boot menu")
        terminal.type("\x0b")  # Ctrl-K, which GRUB has no use for
        terminal.expect("kgpt - choose what to start")
        terminal.expect("default: shell")
        terminal.type("\r")
        terminal.expect("booted by multiboot2")
        terminal.expect("sample 20: ")
        terminal.expect("kgpt> $")
        terminal.type("\x1d")
        assert terminal.wait() == 0


def test_a_stick_with_a_language_model_gets_all_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quick_disc: Path
) -> None:
    """At most 8, and as many as --cpus says; a disc of the default model gets one."""
    from tiny_lm import write_lm

    from kgpt_build import cli

    stick = tmp_path / "kgpt.img"
    assert cli.invoke(["image", "usb", str(write_lm(tmp_path / "tiny.gguf")), "-o", str(stick)]) == 0
    monkeypatch.setattr(os, "cpu_count", lambda: 6)

    def processors(*words: str) -> str:
        capsys.readouterr()
        assert cli.invoke(["run", *words, "--accel", "tcg", "--dry-run"]) == 0
        line = shlex.split(capsys.readouterr().out)
        return line[line.index("-smp") + 1]

    assert processors(str(stick)) == "6"
    assert processors(str(stick), "--cpus", "2") == "2"
    assert processors(str(quick_disc)) == "1"


def test_a_hint_of_the_guest_is_said_once(kgpt: Kgpt, kernel: Path) -> None:
    done = kgpt("run", kernel, "--accel", "tcg", "--cmdline", "xyz=1")
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count("known keys: ") == 1
    assert done.stderr.splitlines()[-1] == 'kgpt: error: unknown key "xyz" on the command line'
    alone = kgpt("run", kernel, "--accel", "tcg", "--prompt", "a", "--cmdline", "xyz=1")
    assert (alone.stdout + alone.stderr).count("known keys: ") == 1, "nothing of the console is shown here"


def test_modes_that_few_images_have(kgpt: Kgpt, kernel: Path) -> None:
    trains = build_cached(corpus=read_corpus(None).embedded())
    trained = kgpt("run", trains, "--accel", "tcg", "--mode", "train", "--cmdline", "steps=2", "--samples", 1)
    assert trained.returncode == 0, trained.stderr
    assert "step    2 /    2 | loss " in trained.stdout
    refused = kgpt("run", kernel, "--accel", "tcg", "--mode", "train")
    assert refused.returncode == 1
    assert "this kernel was built without training" in refused.stderr
    bench = kgpt("run", kernel, "--accel", "tcg", "--mode", "bench")
    assert bench.returncode == 2
    assert "--mode bench is for language models" in bench.stderr
