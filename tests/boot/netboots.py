"""Machines without a disk under OVMF or AAVMF, which boot over their network card."""

from __future__ import annotations

import os
import shlex
import shutil
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pace
import pytest

from kgpt_build.arch import Arch, of_name
from kgpt_build.vm.variables import GLOBAL, Variable, formatted, is_blank, with_variables

CODE, VARIABLES = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
CARD = "virtio-net-pci,netdev=n,bootindex=0,romfile="
"""Without iPXE in its ROM, whose files are no server's: the firmware itself boots."""
TAP = ("-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no", "-device", CARD)
CAN_TAP = os.geteuid() == 0 and all(map(shutil.which, ("unshare", "ip", "dnsmasq"))) and Path("/dev/net/tun").exists()
"""Is there what said_over_tap needs?"""
_MAC = "52:54:00:12:34:56"
_NON_VOLATILE = 7  # at boot and run time, too
_SECONDS = 240.0


@dataclass(frozen=True)
class Diskless:
    """A machine of QEMU's, with the files of its firmware."""

    arch: Arch
    code: Path
    variables: Path
    words: tuple[str, ...]

    @property
    def is_here(self) -> bool:
        return shutil.which(self.arch.qemu.program) is not None and self.code.is_file()

    def argv(self, serial: Path, variables: Path | None = None) -> list[str]:
        """QEMU's, for a machine that says what it says into ``serial``."""
        return [
            *(self.arch.qemu.program, "-nodefaults", "-no-reboot", "-accel", "tcg", *self.words),
            *("-m", "512", "-display", "none", "-serial", f"file:{serial}"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={self.code}"),
            *("-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={variables or self.variables}"),
        ]

    def http_argv(self, serial: Path, url: str) -> list[str]:
        """The same, with a card and a boot option for ``url``."""
        option = _load_option(url)
        order = Variable("BootOrder", GLOBAL, _NON_VOLATILE, struct.pack("<H", 0x42))
        own = (Variable("Boot0042", GLOBAL, _NON_VOLATILE, option), order)
        flash, secure = self.variables.read_bytes(), self.arch.uefi.secure
        if secure and is_blank(flash):
            flash = formatted(flash, secure.block_size, "variables")
        variables = serial.with_name("http.fd")
        variables.write_bytes(with_variables(flash, own, "variables"))
        net = ("-netdev", "user,id=n", "-device", f"virtio-net-pci,netdev=n,addr=3,mac={_MAC}")
        return [*self.argv(serial, variables), *net]


PC = Diskless(of_name("x86_64"), CODE, VARIABLES, ("-machine", "q35", "-cpu", "max"))
_AAVMF = Path("/usr/share/AAVMF")
ARM = Diskless(
    of_name("aarch64"), _AAVMF / "AAVMF_CODE.fd", _AAVMF / "AAVMF_VARS.fd", ("-machine", "virt", "-cpu", "cortex-a76")
)


def chosen(request: pytest.FixtureRequest) -> Diskless:
    """The machine that the test names, or a PC; the test is skipped if its emulator or firmware is missing."""
    found: Diskless = getattr(request, "param", PC)
    if not found.is_here:
        pytest.skip(f"{found.arch.qemu.program} or {found.code} is missing")
    return found


def said_by(argv: list[str], serial: Path, until: str = "20 samples,", escape_at: str = "") -> str:
    """The serial port's text of a machine, up to ``until``. Esc is pressed again and again from ``escape_at`` on."""
    serial.unlink(missing_ok=True)
    machine = subprocess.Popen([*argv, "-monitor", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert machine.stdin
    try:
        deadline = time.monotonic() + pace.limit(_SECONDS)
        while time.monotonic() < deadline and machine.poll() is None:
            text = serial.read_text(errors="replace") if serial.is_file() else ""
            if until in text:
                break
            if escape_at and escape_at in text:
                machine.stdin.write(b"sendkey esc\n")
                machine.stdin.flush()
            time.sleep(0.2)
    finally:
        machine.kill()
        machine.wait()
        machine.stdin.close()
    return serial.read_text(errors="replace")


def tap_script(address: str, servers: Sequence[str], machine: list[str], then: str) -> str:
    """For ``unshare -n sh -c``: a network of a TAP device with ``servers`` (commands) and a machine, until the command
    ``then`` ends.
    """
    started = "\n".join(f'{server} & ends="$ends $!"' for server in servers)
    return f"""
        set -eu
        ends=
        trap 'kill $ends || true' EXIT
        ip link set lo up
        ip tuntap add dev tap0 mode tap
        ip addr add {address}/24 dev tap0
        ip link set tap0 up
        {started}
        {shlex.join(machine)} </dev/null & ends="$ends $!"
        {then}
    """


def said_over_tap(machine: Diskless, address: str, servers: Sequence[str], serial: Path, until: str) -> tuple[str, str]:
    """What a machine on a TAP device says up to ``until`` (an extended regular expression), and what servers log."""
    serial.unlink(missing_ok=True)
    then = f"""
        for i in $(seq {pace.limit(_SECONDS):.0f}); do
            if grep -qaE {shlex.quote(until)} {serial}; then break; fi
            sleep 1
        done
    """
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", tap_script(address, servers, [*machine.argv(serial), *TAP], then)],
        capture_output=True, text=True, timeout=pace.limit(2 * _SECONDS), check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    text = serial.read_text(errors="replace") if serial.is_file() else ""
    assert done.returncode == 0, done.stderr[-2000:] + text[-2000:]
    return text, done.stderr


def dnsmasq(machine: Diskless, network: str, leases: Path, *more: str, file: str = "kgpt.efi") -> str:
    """The command of a DHCP server of ``network`` (10.78.0) that lets the machine boot ``file`` by PXE."""
    matches = [f"--dhcp-match=set:pxe,option:client-arch,{number}" for number in machine.arch.uefi.pxe_clients]
    return shlex.join([
        *("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--port=0"),
        *("--interface=tap0", "--bind-interfaces", f"--dhcp-range={network}.50,{network}.99,1h"),
        *(f"--dhcp-leasefile={leases}", *matches, f"--dhcp-boot=tag:pxe,{file}", *more),
    ])  # fmt: skip


def _load_option(uri: str) -> bytes:
    """EFI_LOAD_OPTION of ``uri`` on the card in slot 3 (UEFI Specification 2.10, sections 3.1.3 and 10.3)."""
    mac = bytes.fromhex(_MAC.replace(":", "")).ljust(32, b"\0") + b"\1"
    acpi = _node(2, 1, struct.pack("<II", 0x0A0341D0, 0))  # PciRoot(0)
    path = acpi + _node(1, 1, bytes([0, 3])) + _node(3, 11, mac) + _node(3, 12, bytes(23))
    path += _node(3, 24, uri.encode()) + _node(0x7F, 0xFF, b"")
    return struct.pack("<IH", 1, len(path)) + "kgpt\0".encode("utf-16-le") + path


def _node(kind: int, subtype: int, data: bytes) -> bytes:
    return struct.pack("<BBH", kind, subtype, 4 + len(data)) + data
