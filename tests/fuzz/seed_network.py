"""Inputs that every fuzz target of the network begins with: frames, leases, names, transfers, HTTP, Modbus."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

REQUESTS = (
    b"\x01GET /v1/models?a=b HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n",
    b"\x02\r\nPOST / HTTP/1.0\r\nContent-Length: 5 \r\nConnection: Keep-Alive\r\n\r\nhello",
    b"\x03POST /x%20y HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
    b"\xff5\r\nhello\r\n00a;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nrest",
    b"\x111\r\na\r\nffffffffffff\r\n",
    b"\x012\r\nabc\r\n0\r\n\r\n",
    b"\x05OPTIONS * HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"\x05GET / HTTP/2.0\r\nHost: x\r\nHost: y\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
)
_OK = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "1"\r\n\r\n'
_REST = b'HTTP/1.1 206 x\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\nETag: "1"\r\n\r\n'
RESPONSES = (
    b"\x02" + _OK + b"0123456789",
    b"\x04" + _OK + b"0123\0" + _REST + b"456789",
    b"\x04" + _OK + b"0123\0" + _REST.replace(b"4-9", b"5-9") + b"56789",
    b"\x08" + _OK + b"0123\0HTTP/1.0 503\r\n\r\n\0" + _OK + b"0123456\0HTTP/1.1 416 x\r\n\r\n",
    b'\x02HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: Mon\r\nETag: W/"2"\r\n\r\n01\0HTTP/1.1 404 x\r\n\r\n',
    b"\x02HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + _OK,
    b"\x02HTTP/1.1 302 Found\r\nLocation: https://x/y\r\n\r\n",
    b"\x02HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n",
    b"\x02HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\x02SSH-2.0-OpenSSH\r\n\r\n",
    b"\x01http://10.0.0.1:8000/models/x.gguf?a=b",
    b"\x01tftp://boot.lan/x%20y.gguf#sha256=" + b"0aF" * 21 + b"0",
    b"\x01https://x/y",
    b"\x01http://h:99999/x",
)


_PDUS = (
    *(b"\x01\0\0\0\3", b"\x02\0\0\0\x40", b"\x03\0\0\0\x7d", b"\x04\0\1\0\1", b"\x05\0\1\xff\0"),
    *(b"\x06\0\7\1\2", b"\x0f\0\0\0\3\1\5", b"\x10\0\1\0\2\4\1\2\3\4", b"\x07", b"\x2b\x0d\1\0"),
    *(b"\x17\0\0\0\3\0\1\0\2\4\5\6\7\x08", b"\x2b\x0e\3\0", b"\x2b\x0e\3\4", b"\x2b\x0e\4\2"),
    *(b"\x03\1\x2b\0\2", b"\x10\0\1\0\2\3\1\2\3"),
)


def _controllers_asking() -> Iterator[bytes]:
    """Each request alone, and all of them; with writes that are refused, and with long names."""
    frames = [number.to_bytes(2) + b"\0\0" + (len(pdu) + 1).to_bytes(2) + b"\1" + pdu
              for number, pdu in enumerate(_PDUS)]  # fmt: skip
    yield from (b"\0" + frame for frame in frames)
    yield from (how + b"".join(frames) for how in (b"\0", b"\1", b"\2"))


def _transfers() -> Iterator[bytes]:
    """Steps of fuzz_tftp.c: transfers that work, that lose blocks, and servers that lie."""

    def options(text: bytes) -> bytes:
        return bytes([3, len(text)]) + text

    small = options(b"tsize\030\0blksize\08\0WindowSize\02\0")
    yield small + b"\6\0" * 5
    yield small + b"\1\x08\1\x09\4\x0b\6\0\1\x07\6\0\5\0\6\0\6\0\6\0"
    yield options(b"tsize\02856\0blksize\01428\0") + b"\6\0\6\0\4\xff\4\xff\6\0\1\x07"
    yield options(b"blksize\0512\0") + b"\6\0"
    yield options(b"tsize\09\0timeout\01\0") + b"\6\0"
    yield options(b"tsize\099999999999999999999\0")
    yield options(b"tsize\020\0blksize") + small + b"\2\3\7\0"
    yield small + b"\2\x09" + small + b"\0\6\0\5\0\0no\0"
    yield b"\0\x0b\0\5\0\1no file" + small
    yield b"\4\x10" * 9
    yield small + b"\4\x50" * 9


def _segment(flags: int, seq: int = 0, ack: int = 0, choice: int = 0, n: int = 0, options: bytes = b"") -> bytes:
    """A step of fuzz_net.c: a segment near what a connection expects."""
    near = struct.pack("bbbb", seq, 0, ack, 0)
    return bytes([1, choice, flags, len(options) // 4, n]) + near + b"\xff" + options


def _call(what: int, n: int = 1, number: int = 0) -> bytes:
    return bytes([4, what * 8 + number, n])


def _frames() -> Iterator[bytes]:
    """Connections in both directions, closed in each order, and frames of other protocols."""
    fin, syn, rst, ack = 1, 2, 4, 16
    arp = b"\0\x3b\2" + bytes(11) + b"\x08\x06\0\1\x08\0\6\4\0\1" + b"\2" * 6 + b"\x0a\0\0\1" + bytes(6)
    arp += b"\x0a\0\0\2" + bytes(18)
    offered = b"\2\4\5\xb4\4\2\1\1"
    opened = b"S" + arp + _segment(syn, choice=128, options=offered) + _segment(ack, 1, 1, 128) + _call(0)
    yield opened + _segment(ack, n=100) + _segment(ack, 50, n=50) + _call(1, 200) + _call(2, 255)
    yield (
        opened + _call(2, 255) + _segment(ack, 0, -100, n=0, options=b"\5\x12" + bytes(range(18))) * 4 + b"\x73\xff" * 3
    )
    yield opened + _segment(ack | fin) + _call(3) + _segment(ack, 0, 0)
    yield opened + _call(3) + _segment(ack, 0, 0) + _segment(ack | fin) + _segment(syn, 9)
    yield opened + _segment(rst, 5) + _segment(syn, 3) + _segment(ack, 0, 100) + _segment(rst)
    yield opened + _call(2, 255) + b"\7\0\x40\0\0" + b"\x73\xff" * 6
    yield (
        b"S"
        + arp
        + _call(6, 2)
        + _segment(syn | ack, 0, 0, 4)
        + _call(8, 200)
        + _call(9)
        + _segment(ack | fin, choice=4)
    )
    yield b"S" + arp + _call(11) + b"\5\x30" + bytes(40) + b"\x16\x20" + b"\x08" + bytes(40)
    yield b"D" + b"\x73\xff" * 8 + b"\5\x10" + bytes(24)


def _leases() -> Iterator[bytes]:
    """A wait, a length, a message."""

    def message(kind: int, more: bytes = b"", wait: int = 0) -> bytes:
        body = bytearray(240)
        body[16:20] = b"\x0a\0\0\x4d"
        options = bytes([53, 1, kind, 54, 4, 10, 0, 0, 9, 51, 4, 0, 0, 0, 9]) + more + b"\xff"
        return struct.pack(">BH", wait, len(body) + len(options)) + bytes(body) + options

    usual = b"\1\4\xff\xff\xff\0\3\4\x0a\0\0\1\6\x08\x0a\0\0\5\x0a\0\0\6\x1a\2\5\x78"
    bound = message(2, usual) + message(5, usual) + b"\x20\0\0" + b"\x20\0\0"
    yield bound
    yield bound + message(5, usual, 255) * 2
    yield bound + message(6, b"", 255)
    yield message(2) + message(6)
    yield message(2, b"\x34\1\3") + message(5, b"\x34\1\3")
    yield bound + b"\xff\0\0" * 4 + message(2, usual)
    yield b"\0\0\3abc" + message(2, b"\6\xff")


def _offers() -> Iterator[bytes]:
    """Messages that name a boot file in their field, in an option, in overloaded fields; and none."""

    def message(options: bytes, server: bytes = b"\x0a\0\0\2", file: bytes = b"kgpt.efi", name: bytes = b"") -> bytes:
        fields = bytes([2, 1, 6, 0]) + bytes(16) + server + bytes(20) + name.ljust(64, b"\0") + file.ljust(128, b"\0")
        return fields + bytes.fromhex("63825363") + options

    yield message(b"\xff")
    yield message(b"\x43\x0blm/kgpt.efi\3\4\x0a\0\0\1\xff", bytes(4), b"")
    yield message(b"\x36\4\x0a\0\0\2\x34\1\3", bytes(4), b"\x43\1x", b"\3\4\x0a\0\0\1")
    yield message(b"\0\0\x43\xff" + b"y" * 255, file=b"z" * 128)
    yield message(b"\x43\xf0short")
    yield message(b"\x36\1\1\3\2\1\1\x43\0\x34")
    yield message(b"")[:239]


def _names() -> Iterator[bytes]:
    record = b"\xc0\x0c\0\1\0\1\0\0\1\0\0\4\xc0\0\2\7"
    alias = b"\xc0\x0c\0\5\0\1\0\0\1\0\0\7\3cdn\xc0\x0c"
    for odd, rest in ((2, record), (6, alias + record), (2, alias[:-2] + b"\xc0\x1d"), (98, b""), (1, record)):
        yield bytes([odd]) + b"Models.example.org\0" + rest
    for words in (b"dhcp,dns=1.2.3.4", b"10.0.0.2/24,gw=10.0.0.1,dns=10.0.0.1,dns=1.1.1.1", b"1.2.3.4/33", b"1.2.3"):
        yield b"\xff" + words


MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "get": lambda: iter(RESPONSES),
    "http": lambda: iter(REQUESTS),
    "tftp": _transfers,
    "modbus": _controllers_asking,
    "net": _frames,
    "dhcp": _leases,
    "dns": _names,
    "offer": _offers,
}
