"""The Machine, with kernels of a few instructions that end in every way a kernel can."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pace
import pytest
from boots import Boot
from processes import runs
from refusals import refused

from kgpt_build.arch.x86_64_probe import HALT, multiboot_image, out, probe_image, verdict
from kgpt_build.errors import KgptError, MachineLost, ToolMissing
from kgpt_build.events import Exit
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings

COM1 = 0x3F8
HELLO = out(COM1, b"hello\r\n")
TRIPLE_FAULT = bytes.fromhex("0f0b")  # ud2, and no interrupt table
EXIT_EVENT = b'{"event":"exit","code":0,"reason":"done"}\n'
MACHINES = ["pc", "q35", "microvm"]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_good_end(boot_code: Boot, machine: str) -> None:
    guest = boot_code(HELLO + verdict(0), machine=machine)
    guest.expect("^hello$")
    assert guest.wait().ok
    assert guest.events == [Exit(0, "done")]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_triple_fault(boot_code: Boot, machine: str) -> None:
    end = boot_code(HELLO + TRIPLE_FAULT, machine=machine).wait()
    assert (end.kind, end.exit_code) == ("lost", 5)
    assert "the guest reset" in end.message
    assert end.tail == "hello"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_hang(boot_code: Boot, machine: str) -> None:
    end = boot_code(HELLO + HALT, machine=machine, timeout=1.5).wait()
    assert (end.kind, end.exit_code) == ("timeout", 124)
    assert end.tail == "hello"


@pytest.mark.parametrize("code", [0, 1, 4])
def test_an_exit_status_without_the_event_is_no_verdict(boot_code: Boot, code: int) -> None:
    end = boot_code(out(0xF4, bytes([32 + code])) + HALT).wait()
    assert (end.kind, end.exit_code) == ("lost", 5)


def test_an_event_without_its_exit_status_is_no_verdict(boot_code: Boot) -> None:
    end = boot_code(out(0xE9, EXIT_EVENT) + TRIPLE_FAULT).wait()
    assert (end.kind, end.exit_code) == ("lost", 5)
    assert "announced code 0, but" in end.message


def test_an_event_that_contradicts_the_exit_status(boot_code: Boot) -> None:
    end = boot_code(out(0xE9, EXIT_EVENT) + out(0xF4, bytes([36])) + HALT).wait()
    assert (end.kind, end.exit_code) == ("lost", 5)


def test_garbage_on_the_machine_channel(boot_code: Boot) -> None:
    end = boot_code(out(0xE9, b"what is this?\n") + verdict(0)).wait()
    assert (end.kind, end.exit_code) == ("lost", 5)
    assert "what is this?" in end.message


def test_a_line_that_is_cut_off_is_no_verdict(boot_code: Boot) -> None:
    end = boot_code(out(0xE9, EXIT_EVENT[:-1]) + out(0xF4, bytes([32])) + HALT).wait()
    assert (end.kind, end.exit_code) == ("lost", 5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_qemu_killed(boot_code: Boot, number: int) -> None:
    guest = boot_code(HELLO + HALT)
    guest.expect("hello")
    os.kill(guest.machine.pid, number)
    end = guest.wait()
    assert (end.kind, end.exit_code) == ("lost", 5)
    assert f"killed by {signal.Signals(number).name}" in end.message


def repeat(times: int, port: int, data: bytes) -> bytes:
    """Code that writes ``data``, some bytes, to a port ``times`` times without ever waiting."""
    writes = b"".join(b"\xb0" + bytes([byte]) + b"\xee" for byte in data)  # mov al, byte; out dx, al
    back = 256 - len(writes) - 3
    setup = b"\xb9" + times.to_bytes(4, "little") + b"\x66\xba" + port.to_bytes(2, "little")  # mov ecx; mov dx
    return setup + writes + b"\x49\x75" + bytes([back])  # dec ecx; jnz


def test_all_events_arrive(boot_code: Boot) -> None:
    guest = boot_code(repeat(100_000, 0xE9, b'{"event":"x"}\n') + verdict(0))
    assert guest.wait().ok
    assert len(guest.events) == 100_001


def test_all_that_is_printed_arrives_though_the_guest_does_not_wait(boot_code: Boot) -> None:
    guest = boot_code(repeat(10_000, COM1, b"0123456789abcdef\r\n") + verdict(0))
    assert guest.wait().ok
    assert guest.console == "0123456789abcdef\n" * 10_000


def test_no_serial_port(boot_code: Boot) -> None:
    guest = boot_code(HELLO + verdict(0), serial=False)
    assert guest.wait().ok
    assert guest.console == ""


def test_the_monitor(boot_code: Boot, tmp_path: Path) -> None:
    guest = boot_code(HELLO + HALT, machine="pc")
    guest.expect("hello")
    assert guest.machine.execute("query-status")["status"] == "running"
    with refused(KgptError, "QEMU no-such-command"):
        guest.machine.execute("no-such-command")
    for name, magic in (("screen.png", b"\x89PNG"), ("screen.ppm", b"P6")):
        guest.machine.screendump(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(magic)
    guest.machine.quit()
    assert guest.wait().kind == "quit"
    with pytest.raises(MachineLost):
        guest.machine.execute("query-status")


def test_qemu_that_does_not_start(boot_code: Boot) -> None:
    end = boot_code(HALT, cpu="nonsense").wait()
    assert (end.kind, end.exit_code) == ("refused", 1)
    assert end.message == "QEMU has no processor nonsense"


def test_a_file_that_is_no_kernel(boot: Boot, tmp_path: Path) -> None:
    image = tmp_path / "noise"
    image.write_bytes(bytes(range(256)) * 64)
    end = boot(image=image, timeout=2).wait()
    assert not end.ok
    assert end.exit_code in (1, 124)


def test_no_qemu(tmp_path: Path) -> None:
    settings = RunSettings(image=tmp_path / "x", accel="tcg")
    with pytest.raises(ToolMissing), Machine(settings, qemu="/nonexistent/qemu"):
        pass


def test_the_probe_runs_where_sse_works(kgpt_machine: Boot, tmp_path: Path) -> None:
    image = tmp_path / "probe.bin"
    image.write_bytes(probe_image())
    assert kgpt_machine(image, accel="tcg", serial=False).wait().ok


def test_no_qemu_outlives_its_block(boot_code: Boot) -> None:
    guest = boot_code(HALT)
    assert runs(guest.machine.pid)
    guest.machine.close()
    guest.machine.close()
    assert not runs(guest.machine.pid)


def test_no_qemu_outlives_us(tmp_path: Path) -> None:
    image = tmp_path / "hang.bin"
    image.write_bytes(multiboot_image(HALT))
    program = (
        "import sys; from pathlib import Path\n"
        "from kgpt_build.vm.qemu.machine import Machine; from kgpt_build.vm.settings import RunSettings\n"
        "with Machine(RunSettings(image=Path(sys.argv[1]), accel='tcg'), qemu='qemu-system-x86_64') as machine:\n"
        "    print(machine.pid, flush=True); machine.wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(image)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert runs(pid)
    parent.kill()
    parent.wait()
    if not any(not runs(pid) for _ in pace.attempts(20, 0.01)):
        os.kill(pid, signal.SIGKILL)
        pytest.fail("QEMU outlived the process that started it")
