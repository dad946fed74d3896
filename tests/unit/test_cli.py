"""The command line as a whole: help, errors and exit codes; the commands that need no tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pace
import pytest
from click.shell_completion import BashComplete
from fakes import fake_program

import kgpt_build
from kgpt_build import cli, errors
from kgpt_build.cli.check import doctor
from kgpt_build.cli.talk import chat
from kgpt_build.vm.qemu import accel


@pytest.mark.parametrize("words", [("info",), ("inspect",), ("run",), ("import",), ("pack",)])
def test_a_pipe_or_a_device_is_no_file(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Reading it may never end."""
    assert cli.invoke([*words, "/dev/zero"]) == 1
    assert "/dev/zero is a pipe or a device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["chat", "--memory-file"], 1, " is no memory of conversations"),
        (["jitter", "default", "--target", "hosted", "--peer"], 3, " is no program that can be run"),
    ],
)
def test_another_file_is_refused_before_anything_runs(
    words: list[str], code: int, fact: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    assert cli.invoke([*words, str(path)]) == code
    assert f"{path}{fact}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "code", "fact"),
    [
        ("2G", 1, "cannot read no.elf"),
        ("0.5M", 2, "'0.5M' is no whole number of MiB"),
        ("2000000G", 2, "2048000000 MB of memory"),
        ("-1", 2, "-1 MB of memory"),
        ("4X", 2, "'4X' is no size of memory"),
    ],
)
def test_the_memory_of_a_machine(size: str, code: int, fact: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["smoke", "no.elf", "--memory", size]) == code
    assert fact in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: kgpt {name}")
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} has no help"


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["--help"]) == 0
    text = capsys.readouterr().out
    assert [name for name in cli.COMMANDS if f"\n  {name} " not in text] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"kgpt {kgpt_build.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words", "hint"),
    [
        (["biuld"], "there is no command 'biuld'; did you mean build?", "see kgpt --help"),
        (["build", "--bogus"], "--bogus", "see kgpt build --help"),
        (["build", "--toolchain", "tcc"], "'tcc' is not one of", "see kgpt build --help"),
        (["inspect"], "Missing argument 'KERNEL|IMAGE'", "see kgpt inspect --help"),
        (["completion", "csh"], "'csh' is not one of", "see kgpt completion --help"),
        (["completion"], "Choose from: bash, zsh, fish", "see kgpt completion --help"),
        (["pull", "--from", "x.gguf"], "--from is given without MODEL", "kgpt pull MODEL"),
        (["build", "--sanitize", "address"], "a bare kernel has no runtime for sanitizers", "add --target hosted"),
        (["build", "--target", "hosted", "--sanitize", "address"], "zig comes without", "--toolchain clang"),
        (["build", "--cmdline", "a\nb"], "control character", "\\n"),
    ],
)
def test_wrong_usage_is_two_lines_and_code_2(
    arguments: list[str], words: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke(arguments) == 2
    captured = capsys.readouterr()
    first, second = captured.err.splitlines()
    assert first.startswith("kgpt: error: ")
    assert words in first
    assert hint in second
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.KgptError("what", "how"), 1),
        (errors.UsageError("what", "how"), 2),
        (errors.ToolMissing("what", "how"), 3),
        (errors.GuestFailed("what", "how"), 4),
        (errors.MachineLost("what", "how"), 5),
        (errors.RunTimeout("what", "how"), 124),
    ],
)
def test_each_kind_of_failure_has_its_code(
    error: errors.KgptError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(doctor, "examine", fail)
    assert cli.invoke(["doctor"]) == code
    assert capsys.readouterr().err == "kgpt: error: what\n  how\n"


def test_a_full_disk_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fill() -> None:
        Path("/dev/full").write_bytes(b"x")

    monkeypatch.setattr(doctor, "examine", fill)
    assert cli.invoke(["doctor"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "kgpt: error: cannot write a file: No space left on device"
    assert "TMPDIR" in second


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", interrupt)
    assert cli.invoke(["doctor"]) == 130


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_program(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_KGPT_COMPLETE={shell}_complete" in script
    assert "kgpt" in script


def test_completion_completes_commands_and_options() -> None:
    complete = BashComplete(cli.cli, {}, "kgpt", "_KGPT_COMPLETE")
    assert [item.value for item in complete.get_completions([], "ins")] == ["inspect"]
    assert [item.value for item in complete.get_completions(["build"], "--too")] == ["--toolchain"]
    assert [item.value for item in complete.get_completions(["build", "--toolchain"], "g")] == ["gcc"]


def test_doctor_passes_only_with_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    fake_program(tmp_path, "make", "echo 'GNU Make 4.3'")
    assert cli.invoke(["doctor"]) == 3
    text = capsys.readouterr().out
    assert "FAIL qemu-system-x86_64" in text
    assert "fix: apt-get install qemu-system-x86" in text
    assert "no   clang" in text
    assert "1 of 7 needed checks failed" in text
    needed, _, optional = text.partition("optional:\n")
    assert "qemu-system-x86_64" in needed
    assert "clang" in optional
    assert "FAIL" not in optional
    assert all(name in optional for name in ("qemu-system-aarch64", "qemu-aarch64", "AAVMF", "OVMF"))
    assert "fix: apt-get install qemu-system-arm" in optional

    fake_program(tmp_path, "qemu-system-x86_64", "echo 'QEMU emulator version 7.2.22'")
    assert cli.invoke(["doctor"]) == 0
    assert "everything that kgpt needs is here" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()


def test_doctor_needs_the_qemu_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    assert cli.invoke(["doctor"]) == 3
    needed, _, optional = capsys.readouterr().out.partition("optional:\n")
    assert "FAIL qemu-system-aarch64" in needed
    assert "no   qemu-system-x86_64" in optional
    assert "no   qemu-x86_64" in optional


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo 'qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69' >&2; kill -ABRT $$", "failed to set MSR"),
        ("echo 'Device or resource busy' >&2; exit 1", "the device is busy"),
    ],
)
def test_doctor_tries_kvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str, line: str
) -> None:
    """A device that can be opened may run no kernel."""
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(accel, "KVM_DEVICE", tmp_path / "kvm")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    version = "case $1 in --version) echo 'QEMU emulator version 7.2.22'; exit;; esac\n"
    fake_program(tmp_path, "qemu-system-x86_64", version + script)
    cli.invoke(["doctor"])
    (found,) = [text for text in capsys.readouterr().out.splitlines() if str(tmp_path / "kvm") in text]
    assert found.startswith("  no ")
    assert line in found
    assert not (tmp_path / "cache").exists()
    well = "for word; do case $word in file,id=events,path=*) events=${word##*path=};; esac; done\n"
    well += """echo '{"event":"exit","code":0,"reason":"done"}' > "$events"; exit 65"""
    fake_program(tmp_path, "qemu-system-x86_64", version + well)
    cli.invoke(["doctor"])
    assert f"  ok   {tmp_path / 'kvm'}" in capsys.readouterr().out


def test_doctor_has_one_fix_for_each_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "file"))
    assert cli.invoke(["doctor"]) == 3
    lines = capsys.readouterr().out.splitlines()
    failed = [index for index, line in enumerate(lines) if line.startswith("  FAIL")]
    assert len(failed) == 3
    assert all(lines[index + 1].strip().startswith("fix: ") for index in failed)


def test_make_run_tells_how_to_chat_and_make_chat_does() -> None:
    root = Path(__file__).parents[2]

    def lines(target: str) -> str:
        words = ["make", "-n", "-o", "need-run", target]
        return subprocess.run(
            words, cwd=root, capture_output=True, text=True, check=True, timeout=pace.limit(60)
        ).stdout

    assert "make chat" in lines("run")
    assert re.search(r"^\S+/kgpt run smollm2-135m", lines("chat"), re.MULTILINE)
    assert chat.MODEL == "smollm2-135m"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_default_in_a_help_text_is_one_value_in_words(name: str) -> None:
    """ "[default: 0, off; 40]" says neither what 0 means nor whose 40 is."""
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    commands = [*command.commands.values()] if isinstance(command, click.Group) else [command]
    texts = [option.help or "" for each in commands for option in each.params if isinstance(option, click.Option)]
    for text in texts:
        assert not re.search(r"\[default: [^\]]*(; [\d.]+\]|, off)", text), text
        assert not re.search(r"\[[\d.]+\]", text), text
