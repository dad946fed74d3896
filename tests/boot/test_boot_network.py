"""UEFI fetches kgpt.efi over the network: PXE (TFTP) and HTTP boot, in a machine without a disk."""

from __future__ import annotations

import functools
import http.server
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgpt_build.arch import DEFAULT
from kgpt_build.kernel.build import build_cached
from kgpt_build.vm.variables import GLOBAL, Variable, with_variables

CODE, VARIABLES = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which(DEFAULT.qemu.program) and CODE.is_file()), reason="QEMU or OVMF is missing"),
]

_MAC = "52:54:00:12:34:56"
_SECONDS = 240.0
_NON_VOLATILE = 7  # at boot and run time, too


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to serve, with kgpt.efi."""
    folder = tmp_path_factory.mktemp("net")
    shutil.copy(build_cached(with_efi=True).parent / "kgpt.efi", folder)
    return folder


def _said(words: list[str], variables: Path, folder: Path) -> str:
    """The serial port's text of a machine that boots over its network card."""
    out = folder.parent / "serial"
    out.unlink(missing_ok=True)
    argv = [
        *(DEFAULT.qemu.program, "-nodefaults", "-no-reboot", "-machine", "q35", "-accel", "tcg", "-cpu", "max"),
        *("-m", "512", "-display", "none", "-serial", f"file:{out}"),
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={CODE}"),
        *("-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={variables}"),
        *words,
    ]
    machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and machine.poll() is None:
            if out.is_file() and "20 samples," in out.read_text(errors="replace"):
                break
            time.sleep(0.2)
    finally:
        machine.kill()
        machine.wait()
    return out.read_text(errors="replace")


def test_pxe_boots_a_model(folder: Path) -> None:
    net = ["-netdev", f"user,id=n,tftp={folder},bootfile=kgpt.efi", "-device", "virtio-net-pci,netdev=n,bootindex=0"]
    text = _said(net, VARIABLES, folder)
    assert "PXE" in text
    assert "booted by uefi" in text
    assert "20 samples," in text


@pytest.fixture
def server(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """An HTTP server of the folder: its port, and the requests that it got."""
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            requests.append(self.requestline)

    serve = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=serve.serve_forever, daemon=True).start()
    yield serve.server_address[1], requests
    serve.shutdown()
    serve.server_close()


def test_http_boots_a_model(folder: Path, server: tuple[int, list[str]]) -> None:
    port, requests = server
    variables = folder.parent / "http.fd"
    option = _load_option(f"http://10.0.2.2:{port}/kgpt.efi")
    order = Variable("BootOrder", GLOBAL, _NON_VOLATILE, struct.pack("<H", 0x42))
    own = (Variable("Boot0042", GLOBAL, _NON_VOLATILE, option), order)
    variables.write_bytes(with_variables(VARIABLES.read_bytes(), own, "variables"))
    net = ["-netdev", "user,id=n", "-device", f"virtio-net-pci,netdev=n,addr=3,mac={_MAC}"]
    text = _said(net, variables, folder)
    assert "booted by uefi" in text
    assert "20 samples," in text
    assert "GET /kgpt.efi HTTP/1.1" in requests


def _load_option(uri: str) -> bytes:
    """EFI_LOAD_OPTION of ``uri`` on the card in slot 3 (UEFI Specification 2.10, sections 3.1.3 and 10.3)."""
    mac = bytes.fromhex(_MAC.replace(":", "")).ljust(32, b"\0") + b"\1"
    acpi = _node(2, 1, struct.pack("<II", 0x0A0341D0, 0))  # PciRoot(0)
    path = acpi + _node(1, 1, bytes([0, 3])) + _node(3, 11, mac) + _node(3, 12, bytes(23))
    path += _node(3, 24, uri.encode()) + _node(0x7F, 0xFF, b"")
    return struct.pack("<IH", 1, len(path)) + "kgpt\0".encode("utf-16-le") + path


def _node(kind: int, subtype: int, data: bytes) -> bytes:
    return struct.pack("<BBH", kind, subtype, 4 + len(data)) + data
