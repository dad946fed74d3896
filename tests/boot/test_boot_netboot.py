"""``kgpt netboot`` as a whole: machines without a disk get their addresses and kernels from dnsmasq by PXE, their model
from nginx, and serve; all of it in a network namespace.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pace
import pytest
from chats import write_talker
from netboots import ARM, CAN_TAP, PC, TAP, Diskless, tap_script

from kgpt_build.cli import invoke

ADDRESS = "10.77.0.1"
GUEST = "10.77.0.60"
_SECONDS = 300.0
pytestmark = pytest.mark.slow


@pytest.mark.skipif(
    not CAN_TAP or not all(map(shutil.which, ("nginx", "curl"))),
    reason="needs root, iproute2, nginx, dnsmasq, curl and TAP devices",
)
@pytest.mark.parametrize(("machine", "below"), [(PC, ""), (ARM, "aarch64/")], ids=["x86_64", "aarch64"])
def test_a_machine_without_a_disk_becomes_an_appliance(tmp_path: Path, machine: Diskless, below: str) -> None:
    """The folder is for both architectures; dnsmasq knows by DHCP which one asks."""
    if not machine.is_here:
        pytest.skip(f"{machine.arch.qemu.program} or {machine.code} is missing")
    model = write_talker(tmp_path, n_ctx=64)
    with tempfile.TemporaryDirectory(prefix="kgpt-netboot-") as base:
        Path(base).chmod(0o755)
        folder, said = Path(base) / "folder", Path(base) / "serial"
        words = ["--address", ADDRESS, "--interface", "tap0", "--cmdline", "mode=serve slots=2 ctx=64"]
        words += ["--arch", "x86_64", "--arch", "aarch64"]
        assert invoke(["netboot", str(folder), str(model), *words]) == 0
        with (folder / "dnsmasq.conf").open("a") as conf:
            conf.write(f"dhcp-host=52:54:00:12:34:56,{GUEST}\ndhcp-leasefile={base}/leases\n")
        servers = (
            f"nginx -e stderr -p {folder} -c nginx.conf -g 'daemon off;'",
            f"dnsmasq --keep-in-foreground --log-facility=- --conf-file={folder}/dnsmasq.conf",
        )
        body = json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 3})
        asking = (
            f"curl -s --retry 1000 --retry-delay 1 --retry-all-errors --max-time {pace.limit(_SECONDS):.0f}"
            f" -H 'Content-Type: application/json' -d '{body}' http://{GUEST}:8080/v1/chat/completions"
        )
        booted = [*machine.argv(said), *TAP[:-1], f"{TAP[-1]},mac=52:54:00:12:34:56"]
        script = tap_script(ADDRESS, servers, booted, asking)
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=pace.limit(2 * _SECONDS),
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        text = said.read_text(errors="replace") if said.is_file() else ""
        assert done.returncode == 0, done.stderr[-2000:] + text[-2000:]
        assert 1 <= json.loads(done.stdout)["usage"]["completion_tokens"] <= 3
        assert "as the address states it" in text
        assert f"sent {folder}/served/{below}appliance/kgpt.efi" in done.stderr
