"""``kgpt netboot`` as a whole: a PC without a disk gets its address and kernel from dnsmasq by PXE, its model from
nginx, and serves; all of it in a network namespace.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pace
import pytest
from chats import write_talker

from kgpt_build.arch import DEFAULT
from kgpt_build.cli import invoke

CODE, VARIABLES = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
ADDRESS = "10.77.0.1"
PC = "10.77.0.60"
TOOLS = (DEFAULT.qemu.program, "unshare", "ip", "nginx", "dnsmasq", "curl")
_SECONDS = 300.0
pytestmark = pytest.mark.slow


@pytest.mark.skipif(
    os.geteuid() != 0 or not CODE.is_file() or not all(map(shutil.which, TOOLS)) or not Path("/dev/net/tun").exists(),
    reason="needs root, QEMU, OVMF, iproute2, nginx, dnsmasq, curl and TAP devices",
)
def test_a_pc_without_a_disk_becomes_an_appliance(tmp_path: Path) -> None:
    model = write_talker(tmp_path, n_ctx=64)
    with tempfile.TemporaryDirectory(prefix="kgpt-netboot-") as base:
        Path(base).chmod(0o755)
        folder, said = Path(base) / "folder", Path(base) / "serial"
        words = ("--address", ADDRESS, "--interface", "tap0", "--cmdline", "mode=serve slots=2 ctx=64")
        assert invoke(["netboot", str(folder), str(model), *words]) == 0
        with (folder / "dnsmasq.conf").open("a") as conf:
            conf.write(f"dhcp-host=52:54:00:12:34:56,{PC}\ndhcp-leasefile={base}/leases\n")
        machine = (
            f"{DEFAULT.qemu.program} -nodefaults -no-reboot -machine q35 -accel tcg -cpu max -m 512 -display none"
            f" -serial file:{said} -drive if=pflash,unit=0,format=raw,readonly=on,file={CODE}"
            f" -drive if=pflash,unit=1,format=raw,snapshot=on,file={VARIABLES}"
            " -netdev tap,id=n,ifname=tap0,script=no,downscript=no"
            " -device virtio-net-pci,netdev=n,bootindex=0,mac=52:54:00:12:34:56"
        )
        body = json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 3})
        script = f"""
            set -eu
            ip link set lo up
            ip tuntap add dev tap0 mode tap
            ip addr add {ADDRESS}/24 dev tap0
            ip link set tap0 up
            nginx -e stderr -p {folder} -c nginx.conf -g 'daemon off;' & nginx=$!
            dnsmasq --keep-in-foreground --log-facility=- --conf-file={folder}/dnsmasq.conf & dnsmasq=$!
            {machine} </dev/null & qemu=$!
            trap 'kill $nginx $dnsmasq $qemu' EXIT
            curl -s --retry 1000 --retry-delay 1 --retry-all-errors --max-time {pace.limit(_SECONDS):.0f} \\
                -H 'Content-Type: application/json' -d '{body}' http://{PC}:8080/v1/chat/completions
        """
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=pace.limit(2 * _SECONDS),
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        text = said.read_text(errors="replace") if said.is_file() else ""
        assert done.returncode == 0, done.stderr[-2000:] + text[-2000:]
        assert 1 <= json.loads(done.stdout)["usage"]["completion_tokens"] <= 3
        assert "as the address states it" in text
        assert f"sent {folder}/served/appliance/kgpt.efi" in done.stderr
