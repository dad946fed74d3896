"""RunSettings -> QEMU's command line, word for word."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import refused

from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import UsageError
from kgpt_build.vm.disks import Disk
from kgpt_build.vm.firmware import Firmware
from kgpt_build.vm.nets import Forward, Net
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import STANDALONE, Channels
from kgpt_build.vm.settings import RunSettings, default_timeout

WIRED = Channels(serial="stdio,signal=off", events="file,path=/dev/fd/8", qmp="socket,fd=9")
FORWARDS = (Forward(8080, 80), Forward(81, 80, "192.0.2.1"))
SETTINGS = RunSettings(image=Path("k.elf"), accel="tcg")

BEGIN = "qemu-system-x86_64 -no-user-config -nodefaults -no-reboot"
DEBUG = "-device isa-debugcon,iobase=0xe9,chardev=events -device isa-debug-exit,iobase=0xf4,iosize=4"


def line(settings: RunSettings, channels: Channels = WIRED) -> str:
    return shlex.join(qemu_argv(settings, channels))


def test_default() -> None:
    assert line(SETTINGS) == (
        f"{BEGIN} -machine microvm,auto-kernel-cmdline=off -accel tcg -cpu max -smp 1 -m 128M -kernel k.elf"
        " -chardev stdio,id=serial,signal=off -serial chardev:serial"
        f" -chardev file,id=events,path=/dev/fd/8 {DEBUG}"
        " -chardev socket,id=qmp,fd=9 -mon chardev=qmp,mode=control -S -display none"
    )


def test_standalone_is_what_a_person_pastes() -> None:
    assert line(replace(SETTINGS, cmdline='prompt="a b" exit'), STANDALONE) == (
        f"{BEGIN} -machine microvm,auto-kernel-cmdline=off -accel tcg -cpu max -smp 1 -m 128M -kernel k.elf"
        " -append 'prompt=\"a b\" exit'"
        " -chardev stdio,id=serial,signal=off -serial chardev:serial"
        f" -chardev file,id=events,path=/dev/stderr {DEBUG} -display none"
    )


@pytest.mark.parametrize(
    ("change", "present", "absent"),
    [
        ({"accel": "kvm"}, "-accel kvm -cpu host ", "tcg"),
        ({"accel": "kvm", "cpu": "qemu64"}, "-cpu qemu64 ", "host"),
        ({"cpus": 2, "memory": 4096}, "-smp 2 -m 4096M ", "-smp 1"),
        ({"machine": "pc"}, "-machine pc ", "microvm"),
        ({"machine": "q35"}, "-machine q35 ", "microvm"),
        ({"machine": "microvm"}, "-machine microvm,auto-kernel-cmdline=off ", "VGA"),
        ({"serial": False}, "-serial none ", "id=serial"),
        ({"machine": "pc"}, "-device VGA -display none", "gtk"),
        ({"machine": "pc", "card": "bochs-display"}, "-device bochs-display -display none", "VGA"),
        ({"machine": "pc", "card": ""}, "-S -display none", "VGA"),
        ({"keeps_screen": True}, "-no-shutdown ", "isa-debug-exit"),
        ({"display": True}, "-device VGA -display gtk", "none"),
        ({"display": True, "window": "sdl"}, "-device VGA -display sdl", "gtk"),
        ({"display": True}, "-machine pc ", "microvm"),
        ({"gdb": True}, "-gdb tcp:localhost:1234 -S", "-s "),
        ({"medium": "cdrom", "image": Path("k.iso")}, "-cdrom k.iso ", "-kernel"),
        ({"medium": "cdrom", "image": Path("k.iso")}, "-machine pc ", "microvm"),
        ({"firmware": Firmware(Path("OVMF.fd"))}, "-machine pc ", "microvm"),
        ({"firmware": Firmware(Path("OVMF.fd"))}, "-bios OVMF.fd ", "pflash"),
        (
            {"firmware": Firmware(Path("C,C.fd"), Path("V.fd"))},
            "-drive if=pflash,unit=0,format=raw,readonly=on,file=C,,C.fd"
            " -drive if=pflash,unit=1,format=raw,snapshot=on,file=V.fd ",
            "-bios",
        ),
        (
            {"medium": "usb", "image": Path("a,b.img")},
            "-drive if=none,id=image,format=raw,snapshot=on,file=a,,b.img"
            " -device qemu-xhci -device usb-storage,drive=image,removable=on,bootindex=0 ",
            "-kernel",
        ),
        ({"medium": "usb", "image": Path("k.img")}, "-machine pc ", "microvm"),
        ({"medium": "usb", "image": Path("k.img"), "keeps": True}, "cache=writethrough,file=k.img ", "snapshot"),
        (
            {"medium": "disk", "image": Path("k.img"), "machine": "q35"},
            "-drive if=none,id=image,format=raw,snapshot=on,file=k.img -device ide-hd,drive=image,bootindex=0 ",
            "xhci",
        ),
        ({"modules": (BootModule(Path("names.txt")),)}, "-kernel k.elf -initrd names.txt ", ",,"),
        ({"modules": (BootModule(Path("a,b")), BootModule(Path("c")))}, "-initrd a,,b,c ", "c,,"),
        ({"disks": (Disk(Path("a,b")),)}, "-machine pc ", "microvm"),
        (
            {"disks": (Disk(Path("a,b")), Disk(Path("c"), "nvme", writable=True))},
            "-drive if=none,id=disk0,format=raw,readonly=on,file=a,,b -device virtio-blk-pci,drive=disk0"
            " -drive if=none,id=disk1,format=raw,file=c -device nvme,serial=disk1,drive=disk1 ",
            "snapshot",
        ),
        (
            {"disks": (Disk(Path("a"), "ahci"), Disk(Path("b"), "ahci"), Disk(Path("c"), "usb"))},
            "-drive if=none,id=disk0,format=raw,snapshot=on,file=a -device ich9-ahci,id=disks-ahci"
            " -device ide-hd,drive=disk0,bus=disks-ahci.0"
            " -drive if=none,id=disk1,format=raw,snapshot=on,file=b -device ide-hd,drive=disk1,bus=disks-ahci.1"
            " -drive if=none,id=disk2,format=raw,readonly=on,file=c -device qemu-xhci,id=disks-usb"
            " -device usb-storage,drive=disk2,bus=disks-usb.0 ",
            "virtio",
        ),
        ({"keyboard": "none"}, "-machine microvm,auto-kernel-cmdline=off ", "i8042"),
        ({"keyboard": "none", "machine": "q35"}, "-machine q35,i8042=off ", "usb-kbd"),
        ({"keyboard": "usb"}, "-machine pc,i8042=off ", "usb-hub"),
        ({"keyboard": "virtio"}, "-machine pc,i8042=off ", "usb"),
        ({"keyboard": "virtio"}, "-device virtio-keyboard-pci ", "xhci"),
        ({"keyboard": "usb"}, "-device qemu-xhci,id=keys -device usb-kbd,bus=keys.0,port=1 ", "usb-hub"),
        ({"keyboard": "hub"}, "-device usb-hub,bus=keys.0,port=1 -device usb-kbd,bus=keys.0,port=1.1 ", "microvm"),
        ({"nets": (Net(),)}, " -netdev user,id=net0 -device virtio-net-device,netdev=net0 ", "virtio-net-pci"),
        ({"nets": (Net(),)}, " -global virtio-mmio.force-legacy=false -netdev", "q35"),
        (
            {"nets": (Net("e1000e", FORWARDS), Net(restrict=True, mac="52:0:0"))},
            " -netdev user,id=net0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:192.0.2.1:81-:80"
            " -device e1000e,netdev=net0,romfile= -netdev user,id=net1,restrict=on"
            " -device virtio-net-pci,netdev=net1,mac=52:0:0,romfile= ",
            "global",
        ),
        ({"nets": (Net("e1000"),)}, "-machine pc ", "microvm"),
        ({"nets": (Net(),), "machine": "q35"}, "-device virtio-net-pci,netdev=net0,romfile= ", "global"),
        ({"extra": ("-icount", "shift=0")}, "-icount shift=0", "-append"),
    ],
)
def test_each_setting_has_its_words(change: dict[str, object], present: str, absent: str) -> None:
    words = line(replace(SETTINGS, **change)) + " "  # type: ignore[arg-type]
    assert present in words
    assert absent not in words


def test_an_open_accelerator_is_refused() -> None:
    with pytest.raises(ValueError, match="accelerator"):
        line(RunSettings(image=Path("k.elf")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpus": 0}, "0 processors 1 255"),
        ({"cpus": 256}, "256 processors 1 255"),
        ({"memory": 0}, "0 MB memory"),
        ({"timeout": 0.0}, "time limit 0 seconds"),
        ({"timeout": float("nan")}, "time limit nan seconds"),
        ({"machine": "isapc"}, "machine isapc"),
        ({"accel": "xen"}, "accelerator xen"),
        ({"medium": "tape"}, "medium tape"),
        ({"display": True, "machine": "microvm"}, "microvm screen"),
        ({"display": True, "card": ""}, "graphics card screen"),
        ({"medium": "cdrom", "machine": "microvm"}, "microvm kernels"),
        ({"disks": (Disk(Path("a")),), "machine": "microvm"}, "microvm disks"),
        ({"disks": (Disk(Path("a"), "ahci"),) * 7}, "7 disks ahci"),
        ({"nets": (Net("e1000"),), "machine": "microvm"}, "microvm card e1000"),
        ({"nets": (Net(),) * 9}, "9 network cards"),
        ({"nets": (Net(forwards=(Forward(80, 80),)), Net(forwards=(Forward(80, 81),)))}, "port 80 twice"),
        ({"cmdline": "a\nb"}, "command line one text"),
        ({"modules": (BootModule(Path("a")),), "medium": "cdrom"}, "disc stick modules"),
    ],
)
def test_impossible_machines_are_refused(change: dict[str, object], message: str) -> None:
    with refused(UsageError, message) as caught:
        replace(SETTINGS, **change)  # type: ignore[arg-type]
    assert caught.value.hint


def test_only_default_time_limits_depend_on_the_accelerator() -> None:
    assert default_timeout(30, "kvm") == 30
    assert default_timeout(30, "tcg") == 120
