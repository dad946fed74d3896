"""``kgpt netboot``: the folder, with the real nginx and dnsmasq in a network of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pace
import pytest
from chats import write_talker
from hosted import SECONDS, Hosted

from kgpt_build.arch import of_name
from kgpt_build.cli import invoke
from kgpt_build.errors import UsageError
from kgpt_build.kernel import pe

ADDRESS, RELAY = "10.77.0.1", "10.77.0.2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In a place that nginx's and dnsmasq's users can read, as pytest's folders are not."""
    model = write_talker(tmp_path_factory.mktemp("netboot"), n_ctx=64)
    words = ("--address", ADDRESS, "--interface", "lo", "--port", "8000", "--arch", "x86_64", "--arch", "aarch64")
    with tempfile.TemporaryDirectory(prefix="kgpt-netboot-") as base:
        Path(base).chmod(0o755)
        out = Path(base) / "new" / "folder"
        assert invoke(["netboot", str(out), str(model), *words]) == 0
        yield out


@pytest.mark.parametrize(("arch", "below"), [("x86_64", ""), ("aarch64", "aarch64")])
def test_the_kernel_of_pxe_knows_its_model(folder: Path, arch: str, below: str) -> None:
    served = folder / "served" / below
    program = served / "appliance" / "kgpt.efi"
    model = next((folder / "served" / "models").glob("*.gguf"))
    for file in (program, served / "kgpt.efi"):
        found = pe.read_pe(file)
        pe.require_efi(found)
        assert found.machine == of_name(arch).uefi.pe_machine
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    words = f"model=http://{ADDRESS}:8000/models/{model.name}#sha256={digest} mode=serve slots=4"
    assert words.encode() in program.read_bytes()
    assert model.with_suffix(".kgct").is_file()
    menu = (served / "kgpt" / "menu.cfg").read_text()
    modules = [line.split()[1] for line in menu.splitlines() if line.startswith("module ")]
    assert modules
    for path in modules:
        assert (served / path.lstrip("/")).resolve() == folder / "served" / path.lstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        f"http://{ADDRESS}:8000/models",
        f"tftp://{ADDRESS}/models",
        f"http://{ADDRESS}:8000/aarch64/models",
        f"tftp://{ADDRESS}/aarch64/models",
    ],
)
def test_nginx_and_dnsmasq_serve_the_folder(without_model: Hosted, folder: Path, url: str) -> None:
    """With the settings that are written, in a network namespace: a model comes from each."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "nginx", "dnsmasq"))):
        pytest.skip("needs root, iproute2, nginx and dnsmasq")
    model = next((folder / "served" / "models").glob("*.gguf"))
    line = f"mode=chat prompt=hello seed=1 max_tokens=4 exit model={url}/{model.name}"
    script = f"""
        set -eu
        ip link set lo up
        ip addr add {ADDRESS}/24 dev lo
        nginx -e stderr -p {folder} -c nginx.conf -g 'daemon off;' & nginx=$!
        dnsmasq --keep-in-foreground --conf-file={folder}/dnsmasq.conf & dnsmasq=$!
        trap 'kill $nginx $dnsmasq' EXIT
        {without_model.path} --cmdline '{line}'
    """
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=pace.limit(SECONDS), check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert f"SHA-256 {digest[:8]}…; the server states none" in done.stdout


HTTP = f"http://{ADDRESS}:8000"
BOOTED = {
    7: "appliance/kgpt.efi",
    9: "appliance/kgpt.efi",
    11: "aarch64/appliance/kgpt.efi",
    16: f"{HTTP}/kgpt.efi",
    19: f"{HTTP}/aarch64/kgpt.efi",
    0: "",
    6: "",
}
"""Architecture types of DHCP (IANA), and what dnsmasq lets machines boot that say so: UEFI of x86-64 and of aarch64
by PXE, and by HTTP; a BIOS and 32-bit UEFI."""


def test_each_architecture_gets_its_own_program(folder: Path) -> None:
    """The real dnsmasq is asked from another network namespace, as a relay asks: it answers to an address."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip", "dnsmasq"))):
        pytest.skip("needs root, iproute2 and dnsmasq")
    conf = folder.parent / "dnsmasq.conf"
    written = (folder / "dnsmasq.conf").read_text()
    # Without no-ping it looks for 3 s whether anybody has the address that it wants to give.
    own = f"interface=server\ndhcp-leasefile={folder.parent}/leases\nno-ping\n"
    conf.write_text(written.replace("interface=lo\n", own))
    client = f"{sys.executable} {Path(__file__).with_name('dhcp_client.py')}"
    asking = f"""
        nsenter -t $1 -n ip link set relay netns $$
        ip addr add {RELAY}/24 dev relay
        ip link set relay up
        exec {client} {pace.limit(SECONDS)} {ADDRESS} {RELAY} {" ".join(map(str, BOOTED))}
    """
    script = f"""
        set -eu
        ip link add server type veth peer name relay
        ip addr add {ADDRESS}/24 dev server
        ip link set server up
        dnsmasq --keep-in-foreground --log-facility=- --conf-file={conf} & dnsmasq=$!
        trap 'kill $dnsmasq' EXIT
        unshare -n sh -euc '{asking}' sh $$
    """
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=pace.limit(SECONDS), check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    offers = {int(kind): offer for kind, offer in json.loads(done.stdout).items()}
    assert {kind: offer["file"] for kind, offer in offers.items()} == BOOTED
    assert {kind for kind, offer in offers.items() if offer["class"] == "HTTPClient"} == {16, 19}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--address", "x", "--interface", "lo"), "x is no IPv4 address"),
        (("--address", ADDRESS, "--interface", "a b"), "'a b' is no network interface"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    assert invoke(["netboot", str(tmp_path / "new"), "default", *words]) == UsageError.exit_code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_with_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("x")
    assert invoke(["netboot", str(tmp_path), "default", "--address", ADDRESS, "--interface", "lo"]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
