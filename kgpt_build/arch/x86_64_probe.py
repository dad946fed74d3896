"""A kernel of a few bytes of i386 code that tells whether KVM works: started by its multiboot 1 header.

It needs no compiler and no model. Broken virtualisation often fails on SSE. So the kernel enables SSE, computes with
it, and gives the verdict 0 of docs/events.md only if the result is right.
"""

from __future__ import annotations

import struct

from kgpt_build.arch.rows import EXIT_BASE

EVENTS_PORT, EXIT_PORT = 0xE9, 0xF4
_MAGIC = 0x1BADB002
_ADDRESSES = 1 << 16  # flag: the header has the load addresses, so the file need not be an ELF
_LOAD = 0x100000
_HEADER_SIZE = 32

_SSE_ON = bytes.fromhex(
    "0f20c0"  # mov eax, cr0
    "24fb"  # and al, ~4       clear EM
    "0c02"  # or al, 2         set MP
    "0f22c0"  # mov cr0, eax
    "0f20e0"  # mov eax, cr4
    "660d0006"  # or ax, 0x600   set OSFXSR, OSXMMEXCPT
    "0f22e0"  # mov cr4, eax
)
_SSE_2_TIMES_3_IS_6 = bytes.fromhex(
    "b802000000"  # mov eax, 2
    "f30f2ac0"  # cvtsi2ss xmm0, eax
    "b803000000"  # mov eax, 3
    "f30f2ac8"  # cvtsi2ss xmm1, eax
    "0fc6c000"  # shufps xmm0, xmm0, 0
    "0f59c1"  # mulps xmm0, xmm1
    "f30f2cc0"  # cvttss2si eax, xmm0
    "83f806"  # cmp eax, 6
    "7402"  # je +2
    "0f0b"  # ud2             no handler: the machine resets
)
HALT = bytes.fromhex("f4ebfd")
"""Code that halts for ever: interrupts are off."""


def multiboot_image(code: bytes) -> bytes:
    """A file for ``-kernel`` that runs ``code`` in 32-bit protected mode, flat segments, paging and interrupts off."""
    end = _LOAD + _HEADER_SIZE + len(code)
    checksum = -(_MAGIC + _ADDRESSES) & 0xFFFFFFFF
    fields = (_MAGIC, _ADDRESSES, checksum, _LOAD, _LOAD, end, end, _LOAD + _HEADER_SIZE)
    return struct.pack("<8I", *fields) + code


def out(port: int, data: bytes) -> bytes:
    """Code that writes each byte of ``data`` to an I/O port."""
    return b"".join(b"\x66\xba" + struct.pack("<H", port) + b"\xb0" + bytes([byte]) + b"\xee" for byte in data)


def verdict(code: int) -> bytes:
    """Code that ends the machine as docs/events.md says."""
    line = f'{{"event":"exit","code":{code},"reason":"done"}}\n'
    return out(EVENTS_PORT, line.encode()) + out(EXIT_PORT, bytes([EXIT_BASE + code])) + HALT


def probe_image() -> bytes:
    """The probe: verdict 0 if SSE computes."""
    return multiboot_image(_SSE_ON + _SSE_2_TIMES_3_IS_6 + verdict(0))
