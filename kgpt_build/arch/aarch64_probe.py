"""A kernel of a few instructions that tells whether KVM works: a Linux image for QEMU's virt.

It needs no compiler and no model. It computes with NEON, and gives the verdict 0 of docs/events.md only if the result
is right. It runs with the MMU off, at the addresses of virt (hw/arm/virt.c of QEMU): no device tree is read.
"""

from __future__ import annotations

import struct

_LINE = b'{"event":"exit","code":0,"reason":"done"}\n\0'
_HEADER = struct.Struct("<2I6Q4sI")  # Linux: Documentation/arch/arm64/booting.rst
_BRANCH_OVER_HEADER, _NOP = 0x14000010, 0xD503201F
_LITTLE_ENDIAN_4K = 2

_CODE = (
    0xD5381040,  # mrs x0, cpacr_el1      FP registers on
    0xB26C0400,  # orr x0, x0, #0x300000
    0xD5181040,  # msr cpacr_el1, x0
    0xD5033FDF,  # isb
    0x52800040,  # mov w0, #2
    0x52800061,  # mov w1, #3
    0x4E040C00,  # dup v0.4s, w0
    0x4E040C21,  # dup v1.4s, w1
    0x4E21D800,  # scvtf v0.4s, v0.4s
    0x4E21D821,  # scvtf v1.4s, v1.4s
    0x6E21DC00,  # fmul v0.4s, v0.4s, v1.4s
    0x4EA1B800,  # fcvtzs v0.4s, v0.4s
    0x4EB1B800,  # addv s0, v0.4s
    0x1E260000,  # fmov w0, s0
    0x7100601F,  # cmp w0, #24           2 * 3, four times
    0x54000001,  # b.ne .                no verdict
    0xD5380700,  # mrs x0, id_aa64mmfr0_el1
    0x92400C00,  # and x0, x0, #15       PARange: with 40 bits of addresses ECAM is at 0x4010000000
    0xF100081F,  # cmp x0, #2
    0xD2A7E001,  # mov x1, #0x3f000000   else here
    0xD2C00802,  # mov x2, #0x4000000000
    0xF2A20002,  # movk x2, #0x1000, lsl #16
    0x9A812041,  # csel x1, x2, x1, hs
    0x91402021,  # add x1, x1, #0x8000   the first device behind the host bridge: pci-serial
    0x52820002,  # mov w2, #0x1000
    0xB9001022,  # str w2, [x1, #16]     BAR 0: its ports
    0x52800022,  # mov w2, #1
    0x79000822,  # strh w2, [x1, #4]     decode them
    0xD2A7DFE1,  # mov x1, #0x3eff0000   the window of ports
    0xF2820001,  # movk x1, #0x1000
    0x10000162,  # adr x2, .+44          _LINE, behind the code
    0x38401443,  # ldrb w3, [x2], #1
    0x340000A3,  # cbz w3, .+20
    0x39401424,  # ldrb w4, [x1, #5]     LSR: is there room in the transmitter?
    0x362FFFE4,  # tbz w4, #5, .-4
    0x39000023,  # strb w3, [x1]
    0x17FFFFFB,  # b .-20
    0x52B08000,  # mov w0, #0x84000008   PSCI SYSTEM_OFF
    0x72800100,
    0xD4000002,  # hvc #0
    0x14000000,  # b .
)


def probe_image() -> bytes:
    """The probe: verdict 0 if NEON computes."""
    code = struct.pack(f"<{len(_CODE)}I", *_CODE) + _LINE
    size = _HEADER.size + len(code)
    header = (_BRANCH_OVER_HEADER, _NOP, 0, size, _LITTLE_ENDIAN_4K, 0, 0, 0, b"ARM\x64", 0)
    return _HEADER.pack(*header) + code
