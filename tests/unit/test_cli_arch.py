"""``--arch``: which architecture is meant, on any host, and files that are for another one."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from elves import Elf
from refusals import refused
from toy import toy_model

from kgpt_build.arch import DEFAULT, of_host, of_name, runs_here
from kgpt_build.cli import COMMANDS, cli, invoke
from kgpt_build.cli.shared import boot_file
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.flash import image as flash_image
from kgpt_build.media import arch_of_file
from kgpt_build.vm.settings import RunSettings

ARM = of_name("aarch64")
OTHER = {DEFAULT.name: ARM, ARM.name: DEFAULT}
TAKE_IT = (
    *("build", "run", "chat", "serve", "smoke", "screenshot", "inspect", "pack", "train", "verify", "explain", "test"),
    *("bench", "jitter", "perplexity"),
)


def of(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def elf(path: Path, machine: int) -> Path:
    return replace(Elf(toy_model()), machine=machine).write(path)


def program(path: Path, machine: int) -> Path:
    """The beginning of a UEFI program."""
    stub = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)
    path.write_bytes(stub.ljust(0x80, b"\0") + b"PE\0\0" + struct.pack("<H", machine))
    return path


def test_a_keyboard_that_no_machine_of_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "--arch", ARM.name, "--keyboard", "i8042", "--dry-run"]) == UsageError.exit_code
    said = capsys.readouterr().err
    assert "virt has no keyboard controller (i8042)" in said
    assert "give --keyboard usb" in said
    own = RunSettings(Path("k"), keyboard="i8042")
    assert not own.has_driven_keyboard
    for keyboard, card, usb in (
        ("auto", "ramfb", True),
        ("auto", "", False),
        ("usb", "", True),
        ("none", "ramfb", False),
    ):
        assert RunSettings(Path("k"), keyboard=keyboard, card=card, arch=ARM).has_driven_keyboard is usb


@pytest.mark.parametrize("name", TAKE_IT)
def test_one_option_for_all(name: str) -> None:
    """A second definition would differ in its help, its default or its names."""
    (option,) = (param for param in of(name).params if param.name == "arch")
    (first,) = (param for param in of("build").params if param.name == "arch")
    assert isinstance(option, click.Option)
    assert isinstance(first, click.Option)
    assert (option.help, option.default, option.type.to_info_dict()) == (
        first.help,
        first.default,
        first.type.to_info_dict(),
    )


def test_no_command_has_it_that_is_not_tested() -> None:
    assert {name for name in COMMANDS if any(param.name == "arch" for param in of(name).params)} == set(TAKE_IT)


HOSTS = [("x86_64", DEFAULT), ("AMD64", DEFAULT), ("aarch64", ARM), ("arm64", ARM), ("riscv64", DEFAULT), ("", DEFAULT)]


@pytest.mark.parametrize(("machine", "arch"), HOSTS)
def test_without_it_the_architecture_is_this_machines(
    machine: str, arch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert of_host() is arch
    assert runs_here(arch) == (machine in arch.hosts)
    assert not runs_here(OTHER[arch.name])
    assert boot_file.arch_meant(None, False, None) is arch
    assert boot_file.arch_meant(None, True, None) is arch
    for asked in (DEFAULT, ARM):
        assert boot_file.arch_meant(None, False, asked) is asked
    for own in (DEFAULT, ARM):
        kernel = elf(tmp_path / "k.elf", own.elf_machine)
        assert boot_file.arch_meant(kernel, False, None) is own
        with refused(UsageError, f"{own.title} {OTHER[own.name].title}"):
            boot_file.arch_meant(kernel, False, OTHER[own.name])
    other = tmp_path / "model.gguf"
    other.write_bytes(b"GGUF")
    assert boot_file.arch_meant(other, False, None) is arch


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("command", [["build"], ["run", "--target", "hosted"]], ids=lambda words: words[0])
def test_what_is_built_is_for_this_machine(
    machine: str, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Up to the compiler, which is asked for another architecture on another host."""
    from kgpt_build.kernel import build as module

    asked: list[Any] = []

    def inputs(settings: Any, progress: Any) -> Any:
        asked.append(settings.arch)
        raise KgptError("far enough")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(module, "_inputs", inputs)
    assert invoke([*command, "--default"]) == 1
    assert asked == [of_name(machine)]


@pytest.mark.parametrize("own", [DEFAULT, ARM], ids=lambda arch: arch.name)
def test_the_architecture_of_files(own: Any, tmp_path: Path) -> None:
    files = elf(tmp_path / "k.elf", own.elf_machine), program(tmp_path / "k.efi", own.uefi.pe_machine)
    assert [arch_of_file(path) for path in files] == [own, own]


@pytest.mark.parametrize(
    "data", [b"", b"MZ", b"MZ" + bytes(58), b"MZ" + b"\xff" * 62, b"\x7fELF", b"GGUF", bytes(100), b"MZ" + bytes(100)]
)
def test_files_of_no_architecture(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    assert arch_of_file(tmp_path / "file") is None
    program(tmp_path / "file", 0x5064)  # riscv64
    assert arch_of_file(tmp_path / "file") is None


@pytest.mark.parametrize("own", [DEFAULT, ARM], ids=lambda arch: arch.name)
@pytest.mark.parametrize(
    "command",
    [["run"], ["smoke"], ["screenshot", "--text"], ["inspect"], ["pack", "MODEL"], ["test", "--soak", "1"]],
    ids=lambda words: words[0],
)
def test_a_kernel_for_another_architecture(
    own: Any, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = elf(tmp_path / "k.elf", own.elf_machine)
    name, *words = command
    other = OTHER[own.name]
    assert invoke([name, str(path), *words, "--arch", other.name]) == UsageError.exit_code
    error = capsys.readouterr().err
    assert f"{path} is for {own.title}, not for {other.title}\n  leave out --arch" in error
    assert error.count("\n") == 2


def test_a_program_for_another_architecture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = program(tmp_path / "k.efi", ARM.uefi.pe_machine)
    assert invoke(["inspect", str(path), "--arch", DEFAULT.name]) == UsageError.exit_code
    assert f"is for {ARM.title}, not for {DEFAULT.title}" in capsys.readouterr().err


def test_a_kernel_for_an_unknown_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = elf(tmp_path / "k.elf", 243)
    for name in ("inspect", "smoke"):
        assert invoke([name, str(path)]) == 1
        error = capsys.readouterr().err
        assert all(word in error for word in (str(path), "243", DEFAULT.title, ARM.title))


@pytest.mark.parametrize("words", [["verify"], ["image", "usb", "-o", "i.img"], ["build"], ["explain"]])
def test_a_kernel_in_the_place_of_a_model(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = elf(tmp_path / "k.elf", ARM.elf_machine)
    assert invoke([*words, str(path)]) == 1
    error = capsys.readouterr().err
    assert "k.elf" in error
    assert "a kernel or a program, not a model" in error
    assert [*tmp_path.iterdir()] == [path]


def test_a_kernel_is_neither_flashed_nor_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = elf(tmp_path / "k.elf", ARM.elf_machine)
    with refused(KgptError, f"{path} kernel"):
        flash_image.check(path)
    with refused(KgptError, "k.efi UEFI"):
        flash_image.check(program(tmp_path / "k.efi", ARM.uefi.pe_machine))
    before = path.read_bytes()
    for key in ("k.key", "k.crt"):
        (tmp_path / key).write_text("-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n")
    assert invoke(["keys", "sign", str(path), "--sign", str(tmp_path / "k.key"), str(tmp_path / "k.crt")]) != 0
    assert path.read_bytes() == before
    capsys.readouterr()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu": "cortex-a15"}, "cortex-a15 64-bit aarch64"),
        ({"cpu": "cortex-a7,pmu=off"}, "cortex-a7 64-bit"),
        ({"cpus": 9}, "9 processors 1 8"),
        ({"machine": "pc"}, "machine pc aarch64"),
        ({"machine": "microvm"}, "machine microvm aarch64"),
    ],
)
def test_machines_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with refused(UsageError, words):
        RunSettings(Path("k"), arch=ARM, **changes)


def test_machines_that_can_be() -> None:
    for cpu in ("", "cortex-a53", "cortex-a72", "max,pauth=off"):
        RunSettings(Path("k"), arch=ARM, cpu=cpu, cpus=8)
    RunSettings(Path("k"), cpu="cortex-a15", cpus=255)  # QEMU refuses it


def test_qemu_for_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = elf(tmp_path / "k.elf", ARM.elf_machine)
    for name in ("run", "smoke"):
        assert invoke([name, str(path)]) == ToolMissing.exit_code
        error = capsys.readouterr().err
        assert ARM.qemu.program in error
        assert f"  install it: {ARM.qemu.install}" in error
