"""From the start of QEMU to the first answer of a kernel that serves: ``python -m benchmarks.serve_boots [RUNS]``.

The machine is a microvm with virtio-net, under TCG. The address is given, as ``kgpt serve --target bare`` does. The
client on this host connects when the kernel says that it serves, and asks for /health. The processor's time is that of
QEMU with all its threads: it counts what other programs on this machine do not.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from kgpt_build.boot_modules import BootModule
from kgpt_build.cli.talk.reach import free_port
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import DEFAULT_MODEL, NO_MODEL
from kgpt_build.vm.nets import Forward, Net
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings

WORDS = "mode=serve ip=10.0.2.15/24,gw=10.0.2.2"
ASK = b"GET /health HTTP/1.1\r\nHost: kgpt\r\n\r\n"


def main() -> None:
    """Print the phases of the fastest run, and the range of all."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    kernel = build_cached(NO_MODEL)
    runs = [measure(kernel) for _ in range(n)]
    fastest = min(runs, key=lambda run: run["answer"])
    print(" ".join(f"{name} {ms:.0f}" for name, ms in fastest.items()), "(ms, the fastest run)")
    for name in ("answer", "processor"):
        values = [run[name] for run in runs]
        print(f"{name}: {min(values):.0f} to {max(values):.0f} ms, median {statistics.median(values):.0f}, {n} runs")


def measure(kernel: Path) -> dict[str, float]:
    """Milliseconds from the start of QEMU to each event and to the answer; ``processor``: what QEMU used."""
    port = free_port("127.0.0.1")
    read, write = os.pipe()
    settings = RunSettings(
        kernel, WORDS, accel="tcg", modules=(BootModule(DEFAULT_MODEL),), nets=(Net("virtio", (Forward(port, 8080),)),)
    )
    argv = qemu_argv(settings, Channels("file,path=/dev/null", f"file,path=/dev/fd/{write}", None))
    phases: dict[str, float] = {}
    begin = time.perf_counter()
    qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=[write])
    try:
        os.close(write)
        with os.fdopen(read, "rb") as events:
            for line in events:
                phases[json.loads(line)["event"]] = 1000 * (time.perf_counter() - begin)
                if "serving" in phases:
                    break
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(ASK)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 "), "it does not serve"
        phases["answer"] = 1000 * (time.perf_counter() - begin)
    finally:
        qemu.kill()
        _, _, usage = os.wait4(qemu.pid, 0)
        qemu.returncode = -9
    phases["processor"] = 1000 * (usage.ru_utime + usage.ru_stime)
    return phases


if __name__ == "__main__":
    main()
