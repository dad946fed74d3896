"""After a PXE boot, kgpt.efi reads its menu and models by TFTP: OVMF's client, QEMU's server and dnsmasq."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest
from netboots import CODE, VARIABLES, machine_words, said_by
from tiny_lm import write_lm

from kgpt_build.arch import DEFAULT
from kgpt_build.cli import invoke

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which(DEFAULT.qemu.program) and CODE.is_file()), reason="QEMU or OVMF is missing"),
]
_SECONDS = 240.0
_ADDRESS = "10.78.0.1"
_CARD = "virtio-net-pci,netdev=n,bootindex=0,romfile="
"""Without iPXE in its ROM, whose files are no server's: OVMF itself boots."""
_TAP = (
    *("-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no"),
    *("-device", _CARD),
)
_END = "Any key goes back to the menu."


@pytest.fixture(scope="module")
def served() -> Iterator[Path]:
    """A folder of kgpt image net, which dnsmasq's user can read."""
    with tempfile.TemporaryDirectory(prefix="kgpt-tftp-") as base:
        Path(base).chmod(0o755)
        model, out = write_lm(Path(base) / "tiny.gguf", fields={"general.name": "Tiny"}), Path(base) / "folder"
        words = ("--timeout", "1", "--cmdline", "exit max_tokens=4", "-o", str(out))
        assert invoke(["image", "net", str(model), "default", "--default", "tiny-generate", *words]) == 0
        yield out


def _booted(served: Path, until: str, escape_at: str = "", file: str = "kgpt.efi", *more: str) -> str:
    """The serial port's text after a boot from QEMU's TFTP server."""
    net = ["-netdev", f"user,id=n,tftp={served},bootfile={file}", "-device", _CARD]
    return said_by([*net, *more], VARIABLES, served, until, escape_at)


def test_a_model_comes_by_tftp(served: Path) -> None:
    text = _booted(served, "memory: weights")
    assert "100 %" in text, text[-2000:]
    assert "tiny.gguf: 24 KB, SHA-256 as expected (checked while it was read)" in text
    assert "memory: weights" in text


def test_a_kernel_of_the_menu_comes_by_tftp(served: Path) -> None:
    menu = served / "kgpt" / "menu.cfg"
    text = menu.read_text()
    try:
        menu.write_text(text.replace("default tiny-generate", "default default-generate"))
        said = _booted(served, "20 samples,")
    finally:
        menu.write_text(text)
    assert "20 samples," in said, said[-2000:]


def test_files_in_a_folder(served: Path) -> None:
    """The boot file lies in a folder of the server; its models lie there, too."""
    below = served / "lm"
    below.mkdir()
    for name in ("kgpt.efi", "kgpt", "models"):
        (below / name).symlink_to(served / name)
    assert "memory: weights" in _booted(served, "memory: weights", file="lm/kgpt.efi")


@pytest.mark.parametrize(
    ("fault", "said"), [("damaged", "it is damaged: its SHA-256 is "), ("missing", "it is not on the server")]
)
def test_a_wrong_file_is_refused_in_one_line(served: Path, fault: str, said: str) -> None:
    model = served / "models" / "tiny.gguf"
    data = model.read_bytes()
    try:
        model.unlink()
        if fault == "damaged":
            model.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
        text = _booted(served, _END)
    finally:
        model.write_bytes(data)
    assert "kgpt: NOT STARTED" in text
    assert f"/models/tiny.gguf: {said}" in text, text[-2000:]
    assert "booted by" not in text


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "dnsmasq"))) or not Path("/dev/net/tun").exists(),
    reason="needs root, iproute2, dnsmasq and TAP devices",
)
def test_dnsmasq_serves_more_blocks_than_numbers_have(served: Path) -> None:
    """A model of 95 MiB in 70,000 blocks; the settings are those of docs/network-boot.md."""
    base = served.parent / "large"
    shutil.copytree(served, base)
    model, menu = base / "models" / "tiny.gguf", base / "kgpt" / "menu.cfg"
    small = hashlib.sha256(model.read_bytes()).hexdigest()
    with model.open("ab") as file:
        file.write(bytes(100_000_000))
    menu.write_text(menu.read_text().replace(small, hashlib.sha256(model.read_bytes()).hexdigest()))
    said = served.parent / "serial-of-tap"
    machine = shlex.join([*machine_words(VARIABLES, said), *_TAP])
    script = f"""
        set -eu
        ip link set lo up
        ip tuntap add dev tap0 mode tap
        ip addr add {_ADDRESS}/24 dev tap0
        ip link set tap0 up
        dnsmasq --keep-in-foreground --log-facility=- --conf-file=/dev/null --port=0 --interface=tap0 \\
            --bind-interfaces --dhcp-range=10.78.0.50,10.78.0.99,1h --dhcp-leasefile={base}/leases \\
            --enable-tftp --tftp-root={base} --dhcp-match=set:efi64,option:client-arch,7 \\
            --dhcp-boot=tag:efi64,kgpt.efi & dnsmasq=$!
        {machine} </dev/null & qemu=$!
        trap 'kill $dnsmasq $qemu' EXIT
        for i in $(seq {pace.limit(_SECONDS):.0f}); do
            if grep -qE "memory: weights|{_END}" {said}; then break; fi
            sleep 1
        done
    """
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=pace.limit(2 * _SECONDS),
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    text = said.read_text(errors="replace")
    assert done.returncode == 0, done.stderr[-2000:] + text[-2000:]
    problem = done.stderr[-2000:] + text[-2000:]
    assert "tiny.gguf: 95 MB, SHA-256 as expected (checked while it was read)" in text, problem
    assert f"sent {base}/models/tiny.gguf to " in done.stderr
