"""The row of x86_64: PCs, and QEMU's pc, q35 and microvm."""

from __future__ import annotations

from kgpt_build.arch.rows import Arch, GrubPlatform, QemuTarget, Relocations, SecureUefi, Uefi, UserEmulator
from kgpt_build.arch.x86_64_probe import EVENTS_PORT, EXIT_PORT, probe_image

_QEMU = QemuTarget(
    program="qemu-system-x86_64",
    install="apt-get install qemu-system-x86",
    machines=("pc", "q35", "microvm"),
    small_machine="microvm",
    full_machine="pc",
    # Without this, microvm adds its virtio devices to the command line; the kernel refuses unknown words.
    machine_options={"microvm": "auto-kernel-cmdline=off"},
    drives={
        "usb": ("qemu-xhci", "usb-storage,drive=image,removable=on,bootindex=0"),
        "disk": ("ide-hd,drive=image,bootindex=0",),
    },
    events_device=f"isa-debugcon,iobase={EVENTS_PORT:#x}",
    exit_device=f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4",
    keyboard="i8042",
    no_keyboard="i8042=off",
    keyboard_status=(0x64, 0x01),
    text_font=(0xC0000, 0x10000),
)

_OVMF = Uefi(
    name="OVMF",
    program="/EFI/BOOT/BOOTX64.EFI",
    pe_machine=0x8664,
    places=(
        # Single files first, because their variables need no copy: Debian and Ubuntu, Arch, openSUSE.
        ("usr/share/ovmf/OVMF.fd", ""),
        ("usr/share/qemu/OVMF.fd", ""),
        ("usr/share/OVMF/OVMF.fd", ""),
        ("usr/share/edk2/x64/OVMF.4m.fd", ""),
        ("usr/share/edk2/x64/OVMF.fd", ""),
        ("usr/share/edk2-ovmf/x64/OVMF.fd", ""),
        ("usr/share/qemu/ovmf-x86_64.bin", ""),
        # Two files: newer packages of Debian, Fedora, Arch; last the files in QEMU's own sources.
        ("usr/share/OVMF/OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        ("usr/share/OVMF/OVMF_CODE.fd", "OVMF_VARS.fd"),
        ("usr/share/edk2/ovmf/OVMF_CODE.fd", "OVMF_VARS.fd"),
        ("usr/share/edk2/x64/OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),
        ("usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "OVMF_VARS.fd"),
        ("usr/share/qemu/edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
        ("usr/local/share/qemu/edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
    ),
    secure=SecureUefi(
        places=(
            # Debian and Ubuntu, Fedora, Arch; last the files in QEMU's own sources.
            ("usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd"),
            ("usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "OVMF_VARS.fd"),
            ("usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd", "OVMF_VARS.4m.fd"),
            ("usr/share/qemu/edk2-x86_64-secure-code.fd", "edk2-i386-vars.fd"),
        ),
        machine="q35",
        machine_options="smm=on",
        arguments=("-global", "driver=cfi.pflash01,property=secure,value=on"),
    ),
    install="Debian, Ubuntu: apt-get install ovmf; Fedora: dnf install edk2-ovmf; Arch: pacman -S edk2-ovmf",
    pxe_clients=(7, 9),  # 9 is that of EFI byte code by the table of numbers, but older firmware says it
    http_clients=(16,),
)

_GRUB = (
    GrubPlatform("i386-pc", "BIOS", "grub-pc-bin", ("biosdisk", "vbe", "vga"), disc_format="i386-pc-eltorito"),
    GrubPlatform("x86_64-efi", "UEFI", "grub-efi-amd64-bin", ("efi_gop", "efi_uga")),
)

# R_X86_64_PC32, _PLT32, _GOTPCRELX, _REX_GOTPCRELX (the linker has made the last two relative); _32, _32S; _64.
_RELOCATIONS = Relocations(relative=frozenset({2, 4, 41, 42}), narrow=frozenset({10, 11}), wide=1)

X86_64 = Arch(
    name="x86_64",
    title="x86-64",
    elf_machine=62,  # EM_X86_64
    hosts=("x86_64", "AMD64"),
    user_emulator=UserEmulator("qemu-x86_64", "apt-get install qemu-user"),
    toolchains=("zig", "clang", "gcc"),
    relocations=_RELOCATIONS,
    page_size=4096,
    loaders=("pvh", "multiboot1", "multiboot2"),
    qemu=_QEMU,
    uefi=_OVMF,
    grub=_GRUB,
    gnu_prefix="x86_64-linux-gnu-",
    gnu_install="apt-get install gcc-x86-64-linux-gnu",
    kvm_start="modprobe kvm_intel or kvm_amd",
    kvm_probe=probe_image(),
)
