"""KVM or TCG, with programs in QEMU's place that behave as QEMU does where KVM is there in part."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fakes import fake_program
from refusals import refused

from kgpt_build.arch import ALL, DEFAULT, Arch, of_name
from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.vm.qemu import accel
from kgpt_build.vm.settings import RunSettings

WELL = """\
for word; do case $word in file,id=events,path=*) events=${word##*path=};; esac; done
echo '{"event":"exit","code":0,"reason":"done"}' > "$events"
exit 65
"""
ABORT = "echo 'qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69' >&2; kill -ABRT $$"
BUSY = "echo 'ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy' >&2; exit 1"
HANG = "exec sleep 60"
WRONG_CPU = "echo \"qemu-system-x86_64: unable to find CPU model 'x'\" >&2; exit 1"


ARM = of_name("aarch64")


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /dev/kvm, and an empty cache."""
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: DEFAULT.hosts[0])
    path = tmp_path / "kvm"
    path.touch()
    monkeypatch.setattr(accel, "KVM_DEVICE", path)
    return path


def resolve(tmp_path: Path, script: str, accelerator: str = "auto", arch: Arch = DEFAULT) -> tuple[str, list[str]]:
    qemu = fake_program(tmp_path, "qemu", script)
    warnings: list[str] = []
    settings = RunSettings(image=Path("x"), accel=accelerator, arch=arch)
    return accel.resolve(settings, str(qemu), warnings.append).accel, warnings


def test_kvm_that_boots_is_used(device: Path, tmp_path: Path) -> None:
    assert resolve(tmp_path, WELL) == ("kvm", [])
    assert resolve(tmp_path, WELL, "kvm") == ("kvm", [])


@pytest.mark.parametrize(("script", "reason"), [(ABORT, "failed to set MSR"), (BUSY, "busy"), (HANG, "2.5 seconds")])
def test_kvm_that_does_not_boot_is_one_warning(device: Path, tmp_path: Path, script: str, reason: str) -> None:
    chosen, warnings = resolve(tmp_path, script)
    assert chosen == "tcg"
    (line,) = warnings
    assert "\n" not in line
    assert line.startswith("KVM is not used: ")
    assert reason in line
    assert "to fix it: " in line
    with refused(ToolMissing, f"KVM {reason}") as caught:
        resolve(tmp_path, script, "kvm")
    assert "--accel tcg" in caught.value.hint


def test_a_warning_is_said_once_on_each_host(device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another reason is said again; and so is this one, where the cache cannot be written."""
    assert len(resolve(tmp_path, ABORT)[1]) == 1
    assert resolve(tmp_path, ABORT) == ("tcg", [])
    assert len(resolve(tmp_path, BUSY)[1]) == 1
    assert resolve(tmp_path, ABORT) == ("tcg", [])
    monkeypatch.setattr("platform.node", lambda: "another")
    assert len(resolve(tmp_path, ABORT)[1]) == 1
    (tmp_path / "cache" / "accel-told.json").write_text('{"a": ')
    assert len(resolve(tmp_path, ABORT)[1]) == 1
    (tmp_path / "file").touch()
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "file" / "cache"))
    assert [len(resolve(tmp_path, ABORT)[1]) for _ in range(2)] == [1, 1]


def test_what_was_found_is_remembered_for_this_qemu(device: Path, tmp_path: Path) -> None:
    assert resolve(tmp_path, ABORT)[0] == "tcg"
    (tmp_path / "cache" / "accel.json").write_text(
        (tmp_path / "cache" / "accel.json").read_text().replace("false", "true")
    )
    qemu = str(tmp_path / "qemu")
    assert accel.try_kvm(qemu).works, "the cache was not asked"
    time.sleep(0.01)
    assert resolve(tmp_path, ABORT)[0] == "tcg", "another QEMU under the same name was not tried"


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"works": true}}', "\0"])
def test_a_damaged_cache_is_no_cache(device: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "accel.json").write_text(content)
    assert resolve(tmp_path, WELL) == ("kvm", [])


def test_a_cache_that_cannot_be_written_changes_nothing(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "file" / "cache"))
    assert resolve(tmp_path, WELL) == ("kvm", [])


def test_no_device(device: Path, tmp_path: Path) -> None:
    device.unlink()
    chosen, (line,) = resolve(tmp_path, WELL)
    assert chosen == "tcg"
    assert "there is no" in line
    with pytest.raises(ToolMissing):
        resolve(tmp_path, WELL, "kvm")


def test_tcg_asks_nothing(tmp_path: Path) -> None:
    assert resolve(tmp_path, "exit 1", "tcg") == ("tcg", [])


def test_an_unknown_processor_is_not_kvms_fault(device: Path, tmp_path: Path) -> None:
    with refused(KgptError, "no processor") as caught:
        resolve(tmp_path, WRONG_CPU)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "cache" / "accel.json").exists()


OFF_WELL = WELL.replace("exit 65", "exit 0")
"""virt has no exit device: QEMU ends with 0, when the monitor has told that the guest switched the machine off."""


@pytest.mark.parametrize("host", ["aarch64", "arm64"])
def test_on_an_arm_host_kvm_is_tried_with_its_own_kernel(
    host: str, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe is one of that architecture, for QEMU's virt with the host's processor."""
    monkeypatch.setattr("platform.machine", lambda: host)
    kept = f'echo "$@" > {tmp_path}/words; cp "$(echo "$@" | sed \'s/.*-kernel \\([^ ]*\\).*/\\1/\')" {tmp_path}/kernel'
    chosen, warnings = resolve(tmp_path, f"{kept}\n{ABORT}", arch=ARM)
    assert (chosen, len(warnings)) == ("tcg", 1)
    words = (tmp_path / "words").read_text()
    assert all(part in words for part in ("-machine virt", "-accel kvm", "-cpu host"))
    assert (tmp_path / "kernel").read_bytes() == ARM.kvm_probe
    with refused(ToolMissing, "KVM failed to set MSR"):
        resolve(tmp_path, ABORT, "kvm", ARM)


def test_kvm_that_boots_on_an_arm_host_is_used(device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: ARM.hosts[0])
    monkeypatch.setattr(accel, "_boot", lambda qemu, cpu, arch: accel.Trial(arch is ARM))
    assert resolve(tmp_path, "exit 1", arch=ARM) == ("kvm", [])
    assert resolve(tmp_path, "exit 1", "kvm", ARM) == ("kvm", [])


def test_on_an_arm_host_without_the_device_the_fix_is_its_own(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: ARM.hosts[0])
    device.unlink()
    chosen, (line,) = resolve(tmp_path, WELL, arch=ARM)
    assert chosen == "tcg"
    assert ARM.kvm_start in line
    assert "modprobe" not in line


@pytest.mark.parametrize(
    ("host", "arch"),
    [(name, arch) for name in ("x86_64", "aarch64", "riscv64", "") for arch in ALL if name not in arch.hosts],
)
def test_kvm_never_runs_a_foreign_architecture(
    host: str, arch: Arch, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the device is there: QEMU is not even asked, and there is nothing to warn of."""
    monkeypatch.setattr("platform.machine", lambda: host)
    asked = f"touch {tmp_path}/asked; {WELL}"
    assert resolve(tmp_path, asked, arch=arch) == ("tcg", [])
    with refused(ToolMissing, f"KVM {host} {arch.title}") as caught:
        resolve(tmp_path, asked, "kvm", arch)
    assert "--accel tcg" in caught.value.hint
    assert not (tmp_path / "asked").exists()
