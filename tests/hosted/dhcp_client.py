"""``dhcp_client.py SECONDS SERVER RELAY NUMBER…``: what machines of some architectures boot, as JSON.

It asks as a relay does, whose address is this machine's (RFC 2131, RFC 2132, RFC 4578).
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Iterator

COOKIE = bytes.fromhex("63825363")
MESSAGE, CLASS, BOOT_FILE, PARAMETERS, ARCHITECTURE, END = 53, 60, 67, 55, 93, 255
DISCOVER, SERVER_PORT = 1, 67


def discover(number: int, relay: str) -> bytes:
    """DHCPDISCOVER of UEFI: a machine with an address of its own for each architecture."""
    kind = b"HTTPClient" if number in (15, 16, 18, 19) else b"PXEClient"
    own = bytes([2, 0, 0, 0, 0, number])
    fields = struct.pack("!BBBBIHH12s4s16s", 1, 1, 6, 1, number, 0, 0, bytes(12), socket.inet_aton(relay), own)
    told = (
        (MESSAGE, bytes([DISCOVER])),
        (CLASS, kind + b":Arch:%05d:UNDI:003000" % number),
        (ARCHITECTURE, struct.pack("!H", number)),
        (PARAMETERS, bytes([CLASS, BOOT_FILE])),
    )
    return fields + bytes(192) + COOKIE + b"".join(bytes([code, len(value)]) + value for code, value in told) + b"\xff"


def options(packet: bytes) -> Iterator[tuple[int, bytes]]:
    at = 240
    while packet[at] != END:
        if packet[at]:
            yield packet[at], packet[at + 2 : at + 2 + packet[at + 1]]
            at += 2 + packet[at + 1]
        else:
            at += 1


def ask(server: str, relay: str, number: int, deadline: float) -> dict[str, str]:
    """The boot file and the class of the offer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((relay, SERVER_PORT))
        own.settimeout(0.2)
        while time.monotonic() < deadline:
            try:
                own.sendto(discover(number, relay), (server, SERVER_PORT))
                packet = own.recv(2048)
            except OSError:  # nobody listens yet
                time.sleep(0.05)
                continue
            if packet[4:8] == struct.pack("!I", number):
                told = dict(options(packet))
                file = told.get(BOOT_FILE, packet[108:236].partition(b"\0")[0])
                return {"file": file.rstrip(b"\0").decode(), "class": told.get(CLASS, b"").decode()}
    raise TimeoutError(f"{server} offers nothing to a machine of kind {number}")


if __name__ == "__main__":
    seconds, server, relay, *numbers = sys.argv[1:]
    until = time.monotonic() + float(seconds)
    json.dump({number: ask(server, relay, int(number), until) for number in numbers}, sys.stdout)
