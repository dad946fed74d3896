"""After a PXE boot, kgpt.efi reads its menu and models by TFTP: the client of OVMF and AAVMF, the servers of QEMU and
dnsmasq, and one that ignores what it does not know.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from netboots import ARM, CAN_TAP, CARD, PC, Diskless, chosen, dnsmasq, said_by, said_over_tap
from tiny_lm import write_lm

from kgpt_build.cli import invoke
from kgpt_build.kernel.build import build_cached

pytestmark = pytest.mark.slow
BOTH = pytest.mark.parametrize("machine", [PC, ARM], indirect=True, ids=["x86_64", "aarch64"], scope="module")
TAP = pytest.mark.skipif(not CAN_TAP, reason="needs root, iproute2, dnsmasq and TAP devices")
_NETWORK, _ADDRESS = "10.78.0", "10.78.0.1"
_END = "Any key goes back to the menu."


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest) -> Diskless:
    return chosen(request)


@pytest.fixture(scope="module")
def served(machine: Diskless) -> Iterator[Path]:
    """A folder of kgpt image net, which dnsmasq's user can read."""
    with tempfile.TemporaryDirectory(prefix="kgpt-tftp-") as base:
        Path(base).chmod(0o755)
        model, out = write_lm(Path(base) / "tiny.gguf", fields={"general.name": "Tiny"}), Path(base) / "folder"
        words = ("--arch", machine.arch.name, "--timeout", "1", "--cmdline", "exit max_tokens=4", "-o", str(out))
        assert invoke(["image", "net", str(model), "default", "--default", "tiny-generate", *words]) == 0
        yield out


def _booted(machine: Diskless, served: Path, until: str, file: str = "kgpt.efi") -> str:
    """The serial port's text after a boot from QEMU's TFTP server."""
    serial = served.parent / "serial"
    net = ("-netdev", f"user,id=n,tftp={served},bootfile={file}", "-device", CARD)
    return said_by([*machine.argv(serial), *net], serial, until)


@BOTH
def test_a_model_comes_by_tftp(served: Path, machine: Diskless) -> None:
    text = _booted(machine, served, "memory: weights")
    assert "100 %" in text, text[-2000:]
    assert "tiny.gguf: 24 KB, SHA-256 as expected (checked while it was read)" in text
    assert "memory: weights" in text


@BOTH
def test_a_kernel_of_the_menu_comes_by_tftp(served: Path, machine: Diskless) -> None:
    menu = served / "kgpt" / "menu.cfg"
    text = menu.read_text()
    try:
        menu.write_text(text.replace("default tiny-generate", "default default-generate"))
        said = _booted(machine, served, "20 samples,")
    finally:
        menu.write_text(text)
    assert "20 samples," in said, said[-2000:]
    assert "Loading /kgpt/default.efi. Esc: back to the menu." in said


def test_files_in_a_folder(served: Path, machine: Diskless) -> None:
    """The boot file lies in a folder of the server; its models lie there, too."""
    below = served / "lm"
    below.mkdir()
    for name in ("kgpt.efi", "kgpt", "models"):
        (below / name).symlink_to(served / name)
    assert "memory: weights" in _booted(machine, served, "memory: weights", file="lm/kgpt.efi")


@BOTH
@pytest.mark.parametrize(
    ("fault", "said"), [("damaged", "it is damaged: its SHA-256 is "), ("missing", "it is not on the server")]
)
def test_a_wrong_file_is_refused_in_one_line(served: Path, machine: Diskless, fault: str, said: str) -> None:
    model = served / "models" / "tiny.gguf"
    data = model.read_bytes()
    try:
        model.unlink()
        if fault == "damaged":
            model.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
        text = _booted(machine, served, _END)
    finally:
        model.write_bytes(data)
    assert "kgpt: NOT STARTED" in text
    assert f"/models/tiny.gguf: {said}" in text, text[-2000:]
    assert "booted by" not in text


@TAP
@BOTH
def test_dnsmasq_serves_more_blocks_than_numbers_have(served: Path, machine: Diskless) -> None:
    """A model of 95 MiB in 70,000 blocks; the settings are those of docs/network-boot.md."""
    base = served.parent / "large"
    shutil.copytree(served, base)
    model, menu = base / "models" / "tiny.gguf", base / "kgpt" / "menu.cfg"
    small = hashlib.sha256(model.read_bytes()).hexdigest()
    with model.open("ab") as file:
        file.write(bytes(100_000_000))
    menu.write_text(menu.read_text().replace(small, hashlib.sha256(model.read_bytes()).hexdigest()))
    server = dnsmasq(machine, _NETWORK, base / "leases", "--enable-tftp", f"--tftp-root={base}")
    text, log = said_over_tap(machine, _ADDRESS, [server], served.parent / "serial-of-tap", f"memory: weights|{_END}")
    problem = log[-2000:] + text[-2000:]
    assert "tiny.gguf: 95 MB, SHA-256 as expected (checked while it was read)" in text, problem
    assert f"sent {base}/models/tiny.gguf to " in log, problem


def _rude(machine: Diskless, folder: Path, *silent: str) -> list[str]:
    """The commands of dnsmasq for addresses, and of a TFTP server that ignores requests for missing files."""
    server = shlex.join([sys.executable, str(Path(__file__).with_name("rude_tftp.py")), _ADDRESS, str(folder), *silent])
    return [dnsmasq(machine, _NETWORK, folder.parent / "leases"), server]


def _told(text: str, path: str) -> list[int]:
    """The seconds without an answer that the menu has told, in their order."""
    return [int(second) for second in re.findall(rf"{path}: no answer for (\d+) s of 30\. Esc ends the wait\.", text)]


@TAP
@BOTH
def test_a_server_that_says_nothing_of_a_missing_menu(served: Path, machine: Diskless) -> None:
    """The kernel starts, as at a server that says so; each second of the wait is told."""
    folder = served.parent / "alone"
    folder.mkdir()
    shutil.copy(build_cached(with_efi=True, arch=machine.arch).parent / "kgpt.efi", folder)
    text, log = said_over_tap(machine, _ADDRESS, _rude(machine, folder), served.parent / "serial", "20 samples,")
    assert "20 samples," in text, log[-1000:] + text[-2000:]
    told = _told(text, "/kgpt/menu.cfg")
    assert len(told) >= 25
    assert told == sorted(set(told))
    assert "/kgpt/menu.cfg: the server does not answer" in text
    assert "Starts without a menu in 10 s. Any key: now." in text


@TAP
@BOTH
def test_a_server_that_stops(served: Path, machine: Diskless) -> None:
    """Behind 5 blocks of the model, each of 1,428 bytes."""
    servers = _rude(machine, served, "models/tiny.gguf", "5")
    text, log = said_over_tap(machine, _ADDRESS, servers, served.parent / "serial", re.escape(_END))
    assert "/models/tiny.gguf: the server does not answer" in text, log[-1000:] + text[-2000:]
    assert len(_told(text, "/models/tiny.gguf")) >= 25
    assert "booted by" not in text
