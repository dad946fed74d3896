"""The row of aarch64: 64-bit ARM, and QEMU's virt."""

from __future__ import annotations

from kgpt_build.arch.aarch64_probe import probe_image
from kgpt_build.arch.rows import Arch, GrubPlatform, QemuTarget, Relocations, SecureUefi, Uefi, UserEmulator

_QEMU = QemuTarget(
    program="qemu-system-aarch64",
    install="apt-get install qemu-system-arm",
    machines=("virt",),
    small_machine="virt",
    full_machine="virt",
    machine_options={},
    drives={
        "usb": ("qemu-xhci", "usb-storage,drive=image,removable=on,bootindex=0"),
        "disk": ("virtio-blk-pci,drive=image,bootindex=0",),
    },
    events_device="pci-serial",
    exit_device="",
    keyboard="",
    no_keyboard="",
    keyboard_status=None,
    text_font=None,
    card="ramfb",
    card_by_itself=False,
    resolutions=False,
    most_cpus=8,  # of a GICv2
    narrow_cpus=frozenset({"cortex-a7", "cortex-a15"}),
)

_AAVMF = Uefi(
    name="AAVMF",
    program="/EFI/BOOT/BOOTAA64.EFI",
    pe_machine=0xAA64,
    places=(
        # Debian and Ubuntu, Fedora, Arch; last the files in QEMU's own sources.
        ("usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "AAVMF_VARS.fd"),
        ("usr/share/AAVMF/AAVMF_CODE.fd", "AAVMF_VARS.fd"),
        ("usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "vars-template-pflash.raw"),
        ("usr/share/edk2/aarch64/QEMU_CODE.fd", "QEMU_VARS.fd"),
        ("usr/share/qemu/edk2-aarch64-code.fd", "edk2-arm-vars.fd"),
        ("usr/local/share/qemu/edk2-aarch64-code.fd", "edk2-arm-vars.fd"),
    ),
    secure=SecureUefi(
        places=(
            # Debian 13 and Ubuntu; Debian 12, whose only AAVMF has Secure Boot.
            ("usr/share/AAVMF/AAVMF_CODE.secboot.fd", "AAVMF_VARS.fd"),
            ("usr/share/AAVMF/AAVMF_CODE.fd", "AAVMF_VARS.fd"),
        ),
        # Nothing of virt protects the variables against the guest: there is no SMM.
        machine="virt",
        machine_options="",
        arguments=(),
        block_size=0x40000,  # gEfiMdeModulePkgTokenSpaceGuid.PcdFlashNvStorageVariableSize of ArmVirtQemu
    ),
    install="Debian, Ubuntu: apt-get install qemu-efi-aarch64; Fedora: dnf install edk2-aarch64; "
    "Arch: pacman -S edk2-aarch64",
    pxe_clients=(11,),
    http_clients=(19,),
)

# R_AARCH64_PREL64, _PREL32, _ADR_PREL_LO21, _ADR_PREL_PG_HI21, _ADD_ABS_LO12_NC, _LDST8_ABS_LO12_NC, _TSTBR14,
# _CONDBR19, _JUMP26, _CALL26, _LDST16/32/64/128_ABS_LO12_NC: true wherever the program lies, if it moves by whole
# pages; _ABS32; _ABS64.
_RELOCATIONS = Relocations(
    relative=frozenset({260, 261, 274, 275, 277, 278, 279, 280, 282, 283, 284, 285, 286, 299}),
    narrow=frozenset({258}),
    wide=257,
)

AARCH64 = Arch(
    name="aarch64",
    title="aarch64",
    elf_machine=183,  # EM_AARCH64
    hosts=("aarch64", "arm64", "ARM64"),
    user_emulator=UserEmulator("qemu-aarch64", "apt-get install qemu-user"),
    toolchains=("zig", "clang", "gcc"),
    relocations=_RELOCATIONS,
    page_size=4096,
    loaders=("linux",),
    qemu=_QEMU,
    uefi=_AAVMF,
    grub=(GrubPlatform("arm64-efi", "UEFI", "grub-efi-arm64-bin", ("efi_gop",)),),
    gnu_prefix="aarch64-linux-gnu-",
    gnu_install="apt-get install gcc-aarch64-linux-gnu",
    kvm_start="let the firmware start Linux, which needs CONFIG_KVM, at EL2",
    kvm_probe=probe_image(),
    memory_base=0x40000000,
    moves_itself=True,
)
