"""Reads disks of QEMU in turn by our kernel and by ``dd`` in a Linux guest, and prints MB/s of each, and the ratio.

``python -m benchmarks.disks LINUX.deb BUSYBOX.deb``: packages linux-image-…-amd64 and busybox-static of Debian 12
(``apt-get download``). Needs QEMU and dpkg-deb. A run of all kinds takes about five minutes; ``MEGABYTES=64 ROUNDS=1
KINDS=usb`` in the environment makes it short.
"""

from __future__ import annotations

import gzip
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

MEGABYTES = int(os.environ.get("MEGABYTES", "1024"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
NAMES = {
    "virtio": ("virtio0", "vda"),
    "nvme": ("nvme0", "nvme0n1"),
    "ahci": ("sata0", "sda"),
    "usb": ("usb0", "sda"),
}
DEVICES = {
    "virtio": ("virtio-blk-pci,drive=d",),
    "nvme": ("nvme,serial=x,drive=d",),
    "ahci": ("ide-hd,bus=ide.0,drive=d",),
    "usb": ("qemu-xhci,id=x", "usb-storage,bus=x.0,drive=d"),
}
MODULES = (
    *("crypto/crct10dif_common", "crypto/crct10dif_generic", "lib/crc-t10dif", "lib/crc64"),
    *("crypto/crc64_rocksoft_generic", "lib/crc64-rocksoft", "block/t10-pi"),
    *("drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_modern_dev"),
    *("drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci", "drivers/block/virtio_blk"),
    *("drivers/nvme/host/nvme-core", "drivers/nvme/host/nvme"),
    *("drivers/scsi/scsi_common", "drivers/scsi/scsi_mod", "drivers/ata/libata", "drivers/ata/libahci"),
    *("drivers/ata/ahci", "drivers/scsi/sd_mod"),
    *("drivers/usb/common/usb-common", "drivers/usb/core/usbcore", "drivers/usb/host/xhci-hcd"),
    *("drivers/usb/host/xhci-pci", "drivers/usb/storage/usb-storage"),
)
"""In the order in which they need each other."""

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs d /dev
mount -t proc p /proc
for module in {modules}; do insmod /m/$module.ko; done
i=0
while [ ! -b /dev/{disk} ] && [ $i -lt 100 ]; do usleep 100000; i=$((i + 1)); done
for round in {rounds}; do
    for flags in iflag=direct ""; do
        read before idle < /proc/uptime
        dd if=/dev/{disk} of=/dev/null bs=1M count={count} $flags 2> /dev/null
        read after idle < /proc/uptime
        echo "READ $before $after"
        echo 3 > /proc/sys/vm/drop_caches
    done
done
poweroff -f
"""


def archive(files: Mapping[str, bytes]) -> bytes:
    """A cpio archive (newc) for Linux's initramfs."""
    out = bytearray()
    entries = [*((name, 0o40755, b"") for name in ("bin", "dev", "proc", "m"))]
    entries += [(name, 0o100755, data) for name, data in files.items()] + [("TRAILER!!!", 0, b"")]
    for i, (name, mode, data) in enumerate(entries):
        fields = (i + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return gzip.compress(bytes(out), 1)


def machine(kind: str, disk: Path, *words: str) -> list[str]:
    """QEMU's command line."""
    drive = f"if=none,id=d,format=raw,snapshot=on,file={disk}"
    common = ("-M", "q35", "-cpu", "max", "-m", "3072", "-display", "none", "-monitor", "none", "-no-reboot")
    devices = (word for device in DEVICES[kind] for word in ("-device", device))
    return ["qemu-system-x86_64", *common, "-drive", drive, *devices, *words]


def linux_rates(kind: str, disk: Path, kernel: Path, modules: Path, busybox: bytes, folder: Path) -> Iterator[float]:
    """MB/s of dd: direct, cached, direct, …"""
    files = {f"m/{Path(name).name}.ko": (modules / f"{name}.ko").read_bytes() for name in MODULES}
    names = " ".join(Path(name).name for name in MODULES)
    rounds = " ".join(map(str, range(ROUNDS)))
    init = INIT.format(modules=names, disk=NAMES[kind][1], rounds=rounds, count=MEGABYTES)
    (folder / "initrd").write_bytes(archive({"bin/busybox": busybox, "init": init.encode(), **files}))
    words = ("-serial", "stdio", "-kernel", str(kernel), "-initrd", str(folder / "initrd"))
    line = machine(kind, disk, *words, "-append", "console=ttyS0 quiet mitigations=off")
    said = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    for before, after in re.findall(r"READ ([0-9.]+) ([0-9.]+)", said.stdout):
        yield MEGABYTES * 1.048576 / (float(after) - float(before))


def our_rates(kind: str, disk: Path, kernel: Path) -> Iterator[float]:
    """MB/s of the shell's `disks`."""
    words = ("-serial", "stdio", "-kernel", str(kernel), "-append", "mode=shell")
    line = machine(kind, disk, *words, "-device", "isa-debug-exit,iobase=0xf4,iosize=4")
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as qemu:
        assert qemu.stdin is not None
        assert qemu.stdout is not None
        for turn in range(ROUNDS + 1):
            said = b""
            while not said.endswith(b"kgpt> ") and (byte := qemu.stdout.read(1)):
                said += byte
            if found := re.search(rb"read at (\d+) MB/s", said):
                yield float(found[1])
            if turn < ROUNDS:
                qemu.stdin.write(f"disks {NAMES[kind][0]} {MEGABYTES}\r".encode())
        qemu.kill()


def main() -> None:
    """Measure, and print a table."""
    linux, box = (Path(name) for name in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package in (linux, box):
            subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
        command = [sys.executable, "-m", "kgpt_build", "build", "--default", "--train", "-o", str(folder / "kgpt")]
        subprocess.run(command, check=True, capture_output=True)
        disk = folder / "disk"
        disk.write_bytes(random.Random(1).randbytes(1 << 20) * MEGABYTES)
        (kernel,) = (folder / "root/boot").glob("vmlinuz-*")
        (modules,) = (folder / "root/lib/modules").glob("*/kernel")
        busybox = (folder / "root/bin/busybox").read_bytes()
        print(f"{'device':8}{'ours':>8}{'dd direct':>11}{'dd cached':>11}{'ratio to the faster':>21}  MB/s, median")
        for kind in os.environ.get("KINDS", " ".join(NAMES)).split():
            theirs = list(linux_rates(kind, disk, kernel, modules, busybox, folder))
            ours = statistics.median(our_rates(kind, disk, folder / "kgpt/kernel.elf"))
            direct, cached = (statistics.median(theirs[i::2]) for i in (0, 1))
            print(f"{kind:8}{ours:8.0f}{direct:11.0f}{cached:11.0f}{ours / max(direct, cached):21.2f}", flush=True)


if __name__ == "__main__":
    main()
