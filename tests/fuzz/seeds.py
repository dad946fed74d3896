"""Writes the inputs that every fuzz target begins with.

``PYTHONPATH=tests/hosted:tests/unit python tests/fuzz/seeds.py``

They are kept in tests/fuzz/corpus, under names that begin with ``seed-``; inputs under other names were found by
fuzzing, and stay.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import acpi
import disks
import keyboards
import lm_tiny
import test_arm_acpi
import trees
from blocks import Ahci, Blk, Nvme
from cards import E1000, E1000e, VirtioNet
from gguf_files import RawTensor, array_field, field, raw_file, text, u32_field, write_everything
from targets import CORPUS, SHELL_MODELS
from test_chat_thoughts import LIKE, SWITCH
from virtio import Rng, structures
from vocab import gguf_bytes

from kgpt_build.chat import BUILTIN_TEMPLATES, chat_blob
from kgpt_build.models.gguf.scan import scan

CMDLINES = (
    "",
    "mode=generate samples=5 seed=7 temperature=0.5 exit",
    'prompt="a \\"quoted\\" \\\\ \\n \\t text" max_tokens=12 top_k=40 top_p=0.95 min_p=0.05',
    "seed=random cpumask=avx2 cpus=4 logits",
    "mode=selftest test=gguf fault=panic",
    "mode=train steps=10 until=5 batch=4 chunks=2 n_layer=2 n_embd=32 n_head=4 block_size=8 lr=1e-3 exact text",
    "beta1=0.9 beta2=.999 eps=1e-8 weight_decay=0 val_fraction=0.1 eval_every=5 checkpoint_every=5",
    'mode=chat system="You are brief." ctx=512 kv=q8 on_overflow=shift repeat_penalty=1.1 repeat_last_n=64',
    "frequency_penalty=-0.5 presence_penalty=2 typical_p=0.7 logit_bias=15-inf logit_bias=3+1.5 stop=END stop=",
    "mode=bench pp=16 tg=4 repeat=2 logprobs=5 model=2 ubatch=8 layers",
    "sampels=5",
    'prompt="not closed',
    "top_p=0 temperature=101 seed=0xffffffffffffffff seed=18446744073709551616",
    "x" * 70 + "=1",
    r""""prompt=a b" "system=\"say \\\"hi\\\"\\n\"" prompt=it\'s\\ stop=\"a\\tb\" prompt=\x41""",
    '"exit',
    '"" exit',
)
SETTINGS = ("temperature 0.7", "top_p 2", "prompt some text", "mode shell", "system Be kind.", "logit_bias ", "stop .")
TYPED = (
    b"hello\r",
    b"ab\x1b[D\x1b[Dxy\x1b[C\x1b[3~\x7f\x01\x0b\x05\r",
    b"one\rtwo\rthree\r\x1b[A\x1b[A\x1b[B!\r\x10\x0e\r",
    "é€😀\x1b[D\x1b[D\x7fß\r\n".encode(),
    b"a\xff\xc3z\x80\xe2\x82\r",
    b"some words here\x17\x17\x15\x03\x04",
    b"\x1b[200~pasted\rlines\x1b[201~\r",
    b"x" * 520 + b"\x7fy\r\x0c\t\x1b[5~\x1b[1;5C\x1bO\x1b\x1b",
)

WRITTEN = (
    b"\x05\x03one\ntwo\nthree\nfour\nfive\n",
    b"\x07\x05a line that is wrapped\x1b[9DX\r\x1b[K\x1b[2Bdown\x1b[1Kx\x1b[2;2Hhome\x1b[J\x1b[1J\x1b[2J",
    "\x13\x04\x1b[1;31mred\x1b[7;44m é─\U0001f600\x1b[0;97;103m\x1b[39;49m\x1b[38;5;1mx\tt\b\b".encode(),
    b"\x17\x06text\n\n\xfasta\xfb\x03\x00\x00\x00more text\n\n\n\xfb\x00\x00\x00\x00\xfcrest",
    b"\x05\x48one\ntwo\nthree\nfour\nfive\nsix\nseven\n\xfd\xfd\x00\xfd\x00\x00more\n\nof it\n\xfd\x00\x00\x00\x00",
    b"\x13\x05\xfe\x0chel\xfe\x0clo \xfe\x0cwor\xfe\x0cld, \xff....\xfe\x0c\x1b[2\xfe\x0c\r\x9b\n\xfe\x0c\xe4\xbd\xa0",
    b"\x00\x00\xc3\xff\xed\xa0\x80\xf4\x90\x80\x80\x1b]0;t\x07\x1bPq\x1b\\\x1b[999999999;1;1;1;1;1;1;1;1A",
)

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
JSON = (
    b'\xff{"messages": [{"role": "user", "content": "a \\"b\\" \\u00e9\\n"}], "n": 1, "stop": null, "stream": true}',
    b'\xff["\\ud83d\\ude00", "\\ud83d", "\\/\\b\\f\\r\\t", "\xf0\x9f\x98\x80"]',
    b"\xff[0, -0, -1.5e+300, 1E-400, 18446744073709551615, 18446744073709551616, 0.1, 123456789012345678901234567890]",
    b"\xff" + b"[" * 70 + b"]" * 70,
    b'\x03[1, [2, {"a": 3}], {}]',
    b"\xff[01, 1., .5, +1, nul, 'a']",
    b'\xff{"a": 1, "a": {"a": []}} x',
    b'\xff {"a":{"b":[{},[],""]},"":false} ',
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


def main() -> None:
    """Write them all, or those of the targets that the command line names."""
    wanted = sys.argv[1:]
    if not wanted or "shell" in wanted:
        _write_shell_models()
    makers = {
        "acpi": _machines,
        "devices": _devices,
        "tree": _trees,
        "disk": _disks,
        "cmdline": _cmdlines,
        "lineedit": _typed,
        "keyboard": _codes,
        "chat": _chats,
        "gbnf": _grammars,
        "gguf": _ggufs,
        "matcher": _matched,
        "vocab": _vocabs,
        "encode": _texts,
        "get": lambda: iter(RESPONSES),
        "http": lambda: iter(REQUESTS),
        "tftp": _transfers,
        "json": lambda: iter(JSON),
        "menu": _menus,
        "modbus": _controllers_asking,
        "net": _frames,
        "dhcp": _leases,
        "dns": _names,
        "offer": _offers,
        "model": _models,
        "prefill": _prefills,
        "schema": _schemas,
        "shell": _sessions,
        "store": _stores,
        "terminal": _written,
        "usb": _configurations,
        "xhci": _controllers,
    }
    for name, make in makers.items():
        if wanted and name not in wanted:
            continue
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("seed-*"):
            old.unlink()
        for i, data in enumerate(make()):
            (folder / f"seed-{i:02}").write_bytes(data)


GRAMMARS = (
    'root ::= "yes" | "no" # or so',
    'root ::= (expr "=" [0-9]+ "\\n"){1,3}\nexpr ::= term ([-+*/] term)*\nterm ::= [a-z]+ | "(" expr ")"\n',
    'root ::= "\\x41\\u00e9\\U0001F600" [^\\u0400-\\u04FF\\]\\-]{2,} .?',
    'root ::= a\na ::= b "x" | "y"\nb ::= a',
    'root ::= ("a"? | b{3}){2,9}\n\nb ::=\n  "c"\n  | ( "d"\n "e" )',
    "root ::= [a-z",
    'root ::= "[" (root ("," root)*)? "]" | "1"{,3}',
    'root ::= ((("a"*)+)?){2}',
)
SCHEMAS = (
    '{"type":"object","properties":{"a":{"type":"integer","minimum":-3,"maximum":120},"b":{"enum":[1,"x",null]}},'
    '"required":["b"],"additionalProperties":{"type":"boolean"}}',
    '{"$defs":{"t":{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":2}},"$ref":"#/$defs/t"}',
    '{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"null"}]}',
    '{"type":"array","prefixItems":[{"type":"string","maxLength":3},true],"items":false,"minItems":1}',
    '{"anyOf":[{"type":"string","format":"date-time"},{"type":"string","pattern":"^[^a\\\\d]{1,3}(x|y)?$"}]}',
    '{"type":"number","exclusiveMinimum":0,"maximum":12}',
    '{"type":["integer","null"],"exclusiveMaximum":7.5}',
    '{"const":{"a":[1.5,"\\u00e9\\n"],"b":{}}}',
    '{"type":"array","uniqueItems":true}',
    '{"$ref":"#"}',
    "{}",
)


def _grammars() -> Iterator[bytes]:
    yield from (text.encode() + bytes([4 * i, 37 * i % 256]) for i, text in enumerate(GRAMMARS))


def _schemas() -> Iterator[bytes]:
    yield from (text.encode() + bytes([4 * i, 37 * i % 256]) for i, text in enumerate(SCHEMAS))


def _matched() -> Iterator[bytes]:
    for grammar in range(5):
        yield bytes([grammar]) + bytes(0x80 + (13 * i * i + grammar) % 0x7F for i in range(30)) + b"\xff" + b"aab[1,"
    yield b'\x00[[[1,{"aaaa":11}],[]]\xff\x81\x82\x90\xff"aa"'
    yield b"\x01" + b"a" * 40 + b"\xff" + b"ab" * 20


def _sectors(image: bytes) -> bytes:
    """The sectors that are not zero, as fuzz_disk.c reads them."""
    parts = ((i, image[512 * i : 512 * i + 512]) for i in range(len(image) // 512))
    return b"".join(struct.pack("<H", i) + part for i, part in parts if any(part))


def _disks() -> Iterator[bytes]:
    exfat = bytes(disks.exfat())
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        (tree / "folder").mkdir(parents=True)
        (tree / "a.gguf").write_bytes(b"GGUF" * 200)
        (tree / "folder" / "inner").write_bytes(b"x")
        files = {"a.gguf": b"GGUF" * 200, "folder/inner": b"x", "a long name.gguf": b"y"}
        fats = [disks.fat(Path(folder) / "fat", files, *of) for of in ((12, 300), (16, 4090))]
        ext4 = disks.ext4(Path(folder) / "ext4", tree, 512, "64bit,^has_journal,^resize_inode,^metadata_csum")
    yield from map(_sectors, (exfat, *fats, ext4))
    yield _sectors(disks.mbr([fats[0], fats[0]]))
    yield _sectors(bytes(disks.gpt([("models", exfat)])))


def _machines() -> Iterator[bytes]:
    """After a byte that says whether check sums are made right."""
    for machine in (acpi.whole(), acpi.old(), acpi.reduced()):
        yield b"\1" + machine.data
        yield b"\0" + machine.data
    long_length = acpi.s5(acpi.package(b"\x0b\5\7", length=b"\x85\0\0"))
    yield b"\1" + acpi.memory([acpi.fadt(132)], dsdt=acpi.table(b"DSDT", long_length)).data
    yield b"\1" + acpi.memory([acpi.madt(), acpi.hpet(0)], rsdt=False).data
    yield b"\1" + acpi.memory().data[:-1]
    yield from (b"\1" + machine.data for machine in _arm_machines())


def _arm_machines() -> Iterator[acpi.Memory]:
    """GICv2 and v3, redistributors of their own and of processors, GTDT, SPCR, MCFG, devices of the DSDT."""
    ports = test_arm_acpi.spcr(3, acpi.register(0x9000000, acpi.MEMORY, 32), 8, 33)
    bus = acpi.mcfg((0x4010000000, 0, 0, 255))
    timer = acpi.table(b"GTDT", struct.pack("<28x7I", 29, 0, 30, 0, 27, 0, 26) + bytes(12), revision=2)
    old = [test_arm_acpi.gicd(0x8000000, 2), *(test_arm_acpi.gicc(i, interface=0x8010000) for i in range(2))]
    new = [test_arm_acpi.gicd(0x8000000, 3), test_arm_acpi.gicc(0), test_arm_acpi.gicr(0x80A0000, 0xF60000)]
    own = [test_arm_acpi.gicd(0x8000000, 0)]
    own += [test_arm_acpi.gicc(i, frames=at) for i, at in enumerate((1 << 28, (1 << 28) + (1 << 17), 1 << 29))]
    yield test_arm_acpi.machine(old, ports, bus, timer)
    yield test_arm_acpi.machine(new, ports, bus, timer, flags=1)
    yield test_arm_acpi.machine(own, ports, timer, flags=0)


def _trees() -> Iterator[bytes]:
    """After a byte: 0 a device tree, 1 an initial RAM disk."""
    for made in (trees.tree(trees.virt()), trees.tree(trees.virt(3), [(0x43000000, 0x2000)]), trees.tree({})):
        yield b"\0" + made
    bus: dict[str, Any] = {
        "#address-cells": [1],
        "#size-cells": [1],
        "ranges": [0x100, 0x2000, 0x100, 0x400],
        "a@1": {"reg": [1, 8]},
    }
    yield b"\0" + trees.tree({"bus": bus, "memory": {"device_type": "memory", "reg": trees.wide(1 << 30, 1 << 20)}})
    for size in (0, 5):
        name = b"a words\0"
        fields = (1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name), 0)
        entry = b"070701" + b"".join(b"%08x" % field for field in fields) + name + bytes(2)
        yield b"\1" + entry + b"hello"[:size] + bytes(-size % 4) + entry.replace(name, b"TRAILER!!!\0")
    yield b"\1GGUF"


def _configurations() -> Iterator[bytes]:
    """Of USB: a boot keyboard, one behind a mouse, a hub, and lengths that are wrong."""
    keyboard = "09 04 00 00 01 03 01 01 00 07 05 81 03 08 00 0a"
    mouse = "09 04 00 00 01 03 01 02 00 07 05 82 03 04 00 0a"
    hub = "09 04 00 00 01 09 00 00 00 07 05 81 03 01 00 0c 06 30 00 00 02 00"
    for body in (keyboard, f"{mouse} {keyboard}", hub, mouse, "00 00", "ff 04 00"):
        yield bytes.fromhex(f"09 02 29 00 01 01 00 a0 32 {body}")


def _controllers() -> Iterator[bytes]:
    """Of xHCI: a keyboard, a hub and a disk are enumerated by good answers, which the last byte of each chooses."""
    for variant in (8, 12, 0, 7):
        for function in (0, 1, 2):
            steps = b"\x0f" * 12 + (b"\x01" + bytes([function]) + b"\x0f") * 60
            yield bytes([variant]) + steps + b"\x05\x0f" * 12 + b"\x1a\x05\x0f\x05" * 8
    yield b"\x08" + b"\x0f\x01\x02" * 90 + b"\x04\x07" * 20 + b"\x08\x24" * 4
    yield b"\x08" + b"\x0f\x01\x01" * 90 + b"\x0b" + bytes(range(200, 217)) + b"\x09\xff" * 6


def _devices() -> Iterator[bytes]:
    """Configuration space, how many bits of each BAR are fixed, what registers read, and what the device does."""
    fixed = bytes([5, 32, 32, 32, 14, 0])
    start = bytes(3) + struct.pack("<IIBBHHB", 0, 1, 0, 8, 8, 0, 0)
    gives = b"\1\0\0\100"  # into element 0 of the used ring: chain 0, 64 bytes
    for device in (0x1005, 0x1044):
        yield bytes(Rng(device=device).config) + fixed + start + gives * 4
    for more in (b"", b"\0\1\0", b"\0\xff\xff", b"\1\0\7\1", b"\1\0\0\xff", b"\2\xff" + gives, b"\3" * 20 + gives):
        yield bytes(Rng().config) + fixed + start + more
    for kind in (Blk, Nvme, Ahci):
        for answers in (b"", bytes(200), b"\xff" * 200, b"\1\0\0\0" * 50, bytes(range(1, 201))):
            yield bytes(kind().config) + fixed + answers
    yield from _cards(fixed)
    yield bytes(Rng(capabilities=structures()[:3]).config) + fixed
    yield bytes(Rng(bars={4: (0xFFFFF000, 0x1000, 4)}).config) + bytes([5, 0, 0, 0, 12, 12]) + start


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


def _cards(fixed: bytes) -> Iterator[bytes]:
    """Network cards that start, and what they do then; a device on no bus, by the last bytes of the space."""
    mac, nothing = bytes.fromhex("525400123456"), b"\3"
    does = (b"", b"\1\0\0\60" * 20, b"\x81\0\0\0" * 20, bytes(range(1, 101)), b"\0\2\0" * 20)
    queues = struct.pack("<HH", 8, 0) + nothing + struct.pack("<HH", 8, 0) + nothing * 8 + b"\0" + nothing * 2
    for more in does:
        yield bytes(VirtioNet().config) + fixed + bytes(3) + struct.pack("<IIBB", 1 << 5, 1, 0, 8) + mac + queues + more
    for card, before in ((E1000, 18), (E1000e, 27)):
        for more in (b"", b"\x30\x3c\0" * 30, b"\x31\1\0" * 30, bytes(range(1, 101))):
            yield bytes(card().config) + b"\x11" + fixed[1:] + bytes(before) + mac + bytes(152) + more
    mapped = struct.pack("<4sI", b"virt", 1) + struct.pack("<IIIIIIII", 2, 0, 0, 0, 1 << 5, 1, 0, 8) + mac
    mapped += struct.pack("<I", 8) + nothing + struct.pack("<I", 8) + nothing * 8 + bytes(4) + nothing * 2
    for size in (0x10, 0x20):
        for more in does[1:4]:
            yield bytes(254) + bytes([size, 0xB5]) + fixed + mapped + more


def _menus() -> Iterator[bytes]:
    """The size of the screen, how many keys, keys, the file."""
    text = b"# menu\ntimeout 5\ndefault b\nentry a First\nkernel /kgpt/a.efi\nwords mode=generate\n"
    text += b"entry b Second\r\nwords mode=chat\nmodule /models/b.gguf b.gguf sha256=00\n"
    for keys in (b"", b"\xf1\xf1\r", b"e\xf4x\x08\xe9\xf2\xf8\xf5y\r", b"\xf0\r\xf9"):
        yield bytes([40, len(keys)]) + keys + text
    yield b"\0\2ee" + text.replace(b"Second", "é€".encode() * 90)
    yield b"\0\0" + b"entry a\n" * 130
    yield b"\0\1\r" + text.replace(b"default b", b"default safe>safe-b")
    yield b"\0\0timeout -1\nentry\n"


def _cmdlines() -> Iterator[bytes]:
    yield from (b"\2" + line.encode() for line in CMDLINES)
    yield from (b"\1" + line.encode() for line in CMDLINES[5:7])
    yield from (b"\0" + line.encode() for line in SETTINGS)


def _typed() -> Iterator[bytes]:
    yield from TYPED


def _codes() -> Iterator[bytes]:
    keys = keyboards.ALL
    for code_set in (1, 2):
        yield bytes([code_set - 1]) + b"".join(key.down(code_set) + key.up(code_set) for key in keys)
        for modifier in (keyboards.SHIFTS[0], keyboards.CTRLS[1], keyboards.ALTS[0], keyboards.CAPS, keyboards.NUM):
            held = b"".join(key.down(code_set) for key in keys[::7])
            yield bytes([code_set - 1]) + modifier.down(code_set) + held + modifier.up(code_set)
        silent = keyboards.PAUSE[code_set] + keyboards.PRINT[code_set] + keyboards.BREAK[code_set]
        yield bytes([code_set - 1]) + silent
        yield bytes([2 - code_set]) + b"\xaa" + silent + keys[0].down(code_set) + keys[0].up(code_set)


def _written() -> Iterator[bytes]:
    yield from WRITTEN
    yield from (bytes([20, 7]) + b"kgpt> " + typed for typed in TYPED[:4])


def _chats() -> Iterator[bytes]:
    said = " \n<think>so</think>\n\nGrüße \u3000".encode()
    templates = [chat_blob("", "<s>", "</s>", family=family) for family in BUILTIN_TEMPLATES]
    templates += [chat_blob(text, "<s>", "</s>") for text in (*LIKE.values(), SWITCH)]
    for template in templates:
        yield template.blob() + said + bytes([len(said)])


def _stores() -> Iterator[bytes]:
    """Records and chains, and behind them a kept conversation: whole, foreign, and with numbers that do not match."""

    def record(name: bytes, kind: int, size: int, first: int) -> bytes:
        return struct.pack("<4sBBBBBBBB", name, kind, size & 255, size >> 8 & 255, size >> 16, 0, first, 0, 0)

    def area(flags: int, shift: int, units: int, *records: bytes, chain: bytes = b"") -> bytes:
        rows = b"".join(records).ljust(48, b"\0")
        return bytes((flags, shift, units, len(records))) + rows + chain.ljust(14, b"\xff")

    kept = _kept()
    chains = bytes((1, 2, 255, 4, 255))
    yield area(3, 12, 14, record(b"a", 1, 9000, 0), record(b"b", 2, 5, 3), chain=chains) + kept
    yield area(3, 12, 14, record(b"kept", 1, 9000, 0), chain=chains) + kept
    yield area(7, 12, 14) + kept
    yield area(15, 12, 14) + kept
    yield area(3, 13, 6, record(b"a", 1, 60000, 0), chain=bytes((1, 2, 3, 0))) + b"x"
    yield area(3, 12, 200, record(b"a", 1, 1 << 20, 13)) + b"x" * 300
    yield area(2, 31, 255, record(b"", 0, 0, 200)) + kept[:100]
    yield area(15, 12, 14) + kept[:20] + b"\xff" * 8 + kept[28:]


def _kept() -> bytes:
    """A conversation of two tokens of the model of fuzz_store.c, with settings and a reply."""
    settings, reply = b"temperature=0.5\0", b"reply"
    head = struct.pack("<4s11I96x", b"KGCV", 2, len(settings), len(reply), 1, 0, 0, 1, 0xFFFFFFFF, 0, 0xFFFFFFFF, 2)
    start = (head + settings + reply).ljust(-(-(len(head) + len(settings) + len(reply)) // 64) * 64, b"\0")
    vectors = bytes(range(2 * 2 * 2 * 8))
    origin = bytes((1,)) + bytes(31) + bytes((2,)) + bytes(31)
    text = struct.pack("<2I", 3, 4)
    body = (112 + len(text)) // 64 * 64 + 64
    size = body + 2 * len(vectors)
    prefill = struct.pack("<4sIQI7I", b"KGPF", 1, size, 0, 2, 0, 8, 2, 2, 4, 0) + origin + text
    return start + prefill.ljust(body, b"\0") + 2 * vectors


def _prefills() -> Iterator[bytes]:
    """Of the model of fuzz_prefill.c, behind a byte that says which fields are corrected."""
    layers, heads, dim = 2, 2, 4
    for kv, vector in enumerate((2 * dim, 4 + dim, 4 * dim)):
        for tokens, system in (((3,), b""), ((1, 2, 3), b"be brief"), (tuple(range(8)), b"x" * 70)):
            shape = (len(tokens), kv, vector, layers, heads, dim, len(system))
            head = b"KGPF" + struct.pack("<IQI7I64x", 1, 0, 0, *shape) + struct.pack(f"<{len(tokens)}I", *tokens)
            texts = head + system
            texts += bytes(64 - len(texts) % 64)
            cache = bytes(i % 256 for i in range(2 * layers * heads * len(tokens) * vector))
            yield b"\7" + texts + cache
    yield b"\6" + texts + cache
    yield b"\7" + texts + cache[:-1]


def _ggufs() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_everything(Path(folder) / "m.gguf", alignment=8, tensors=("F32", "Q4_1")).read_bytes()
    yield raw_file(data=0)
    yield raw_file(version=2, data=0)
    yield raw_file(
        [u32_field("general.alignment", 64)], [RawTensor("a"), RawTensor("b", offset=64)], alignment=64, data=80
    )
    yield raw_file([field("general.architecture", 8, text("llama")), array_field("a", 8, 2, text("x") + text("é"))])
    yield raw_file(
        [field("k", 7, b"\1"), field("f", 6, struct.pack("<f", 0.5)), field("d", 12, struct.pack("<d", 1e300))]
    )
    for kind, columns, size in ((0, 1, 4), (1, 1, 2), (2, 32, 18), (8, 32, 34), (14, 256, 210), (30, 1, 2)):
        yield raw_file([], [RawTensor("t", (columns, 2), kind)], data=2 * size)
    yield raw_file([], [RawTensor("t", (1, 1, 1, 1))], data=4)


def _vocabs() -> Iterator[bytes]:
    said = "a ab <|im_end|>\n é\r\n".encode()
    ggml = "tokenizer.ggml."
    tokens = ["a", "b", "ab", "Ġ", "Ġa", "Ċ", "<|im_end|>", "Ã", "©", "Ã©", "<|tool|>"]
    bpe: dict[str, Any] = {
        ggml + "model": "gpt2",
        ggml + "tokens": tokens,
        ggml + "token_type": [1] * 6 + [3] + [1] * 3 + [4],
        ggml + "merges": ["a b", "Ġ a", "Ã ©"],
        ggml + "eos_token_id": 6,
    }
    spm = {
        ggml + "model": "llama",
        ggml + "tokens": ["<unk>", "<s>", "</s>", "<0x0A>", "<0x61>", "▁", "▁a", "a", "b", "ab", "é"],
        ggml + "scores": [0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0],
        ggml + "token_type": [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1],
        ggml + "add_space_prefix": True,
    }
    char = {ggml + "model": "kgpt-char", ggml + "tokens": ["\n", "a", "é", "<BOS>"], ggml + "bos_token_id": 3}
    files = [bpe | {ggml + "pre": pre} for pre in ("smollm", "qwen2", "gpt-4o")]
    nfc = {"decompositions": [0xE9, 0x65, 0x301, 0, 0], "compositions": [0x65, 0x301, 0xE9], "classes": [0x301, 230]}
    files.append(files[1] | {f"tokenizer.kgpt.nfc_{name}": rows for name, rows in nfc.items()})
    details = ("by_merges", "splits_words", "prefix_once", "prefix_words")
    files.append(spm | {ggml + "merges": ["▁ a"]} | {f"tokenizer.kgpt.{name}": True for name in details})
    files += [spm, spm | {"general.name": "Phi-3"}, char | {ggml + "eos_token_id": 3}]
    for fields in files:
        yield gguf_bytes(fields) + said + bytes([len(said)])


def _models() -> Iterator[bytes]:
    small: dict[str, Any] = {
        "n_embd": 4,
        "n_layer": 1,
        "n_head": 2,
        "n_head_kv": 1,
        "n_ff": 3,
        "head_dim": 4,
        "n_vocab": 3,
    }
    wide: dict[str, Any] = {
        "n_embd": 32,
        "n_layer": 1,
        "n_head": 1,
        "n_head_kv": 1,
        "n_ff": 32,
        "head_dim": 32,
        "n_vocab": 9,
    }
    widely = [f"llama-{kind}" for kind in ("Q4_0", "Q5_1", "Q8_0", "F16", "IQ4_NL", "MXFP4")]
    for i, (name, tiny) in enumerate(lm_tiny.TINY.items()):
        shape = wide if name in widely else small
        if (tiny.kind == "F32" or shape is wide) and not tiny.more:
            fields = {key: 4 if key == "rope.dimension_count" else value for key, value in tiny.fields.items()}
            shape = shape | ({"n_head_kv": 2} if tiny.n_head_kv == tiny.n_head else {})
            with tempfile.TemporaryDirectory() as folder:
                path = lm_tiny.write(Path(folder) / "m.gguf", tiny, fields=fields, **shape)
                yield path.read_bytes() + bytes([i])


TEXTS = (
    "The theme isn't I'LL, we've 1234567 things.\r\n\n  \t x\u00a0y   ",
    "Grüße, naïve café – “quotes” … 日本語 한국어 العربية हिन्दी",
    "👨‍👩‍👧‍👦🏽🇩🇪 e\u0301\u0308 \u200d\ufeff ½ Ⅷ ² ٣",
    "<|im_start|>user\n<tool>x<|im_end|>",
)


def _texts() -> Iterator[bytes]:
    texts = [text.encode() for text in TEXTS] + [b"\xff\xc3 \xed\xa0\x80\xf0\x9f\x98 \xc0\xaf\xe2\x96\x81 a\xe2\x96"]
    for number in range(64):  # more than there are pre-tokenizers: the last ones come round again
        yield bytes([number, 3 * number]) + texts[number % len(texts)][: 40 + number]


SESSIONS = (
    "\nhello\r/stats\r/history\r/set\r/help\r/quit\r",
    "ctx=20 on_overflow=shift temperature=0\na\rb\rc\r/reset\rd\r/system Be kind.\re\r",
    'mode=shell seed=7 logits\ngenerate abc\rmodels\ruse 2\rgenerate x\ruse 1\rchat\r"""two\rlines"""\r\x04halt\r',
    'prompt="hi" exit max_tokens=5 logprobs=3 layers stop=a logit_bias=9-inf\n',
    "mode=bench pp=4 tg=3 repeat=2 kv=q8 ubatch=3\n",
    "mode=shell\nmem\rcpu\rmodel\rset top_k 3\rset\rbench\rselftest\rhelp use\rbogus\rreboot\r",
    "model=2 mode=generate samples=2 repeat_penalty=1.5 presence_penalty=1 frequency_penalty=0.5\n",
    "ctx=12 on_overflow=shift temperature=3 top_k=0 logit_bias=1-inf\na\r\0\0\0\0b\r",
    "mode=generate prompt=a ctx=3 on_overflow=shift logit_bias=42+9\n\0\0\0\0",
    'kv=f32 system="é€😀"\né€😀\r\x1b[200~pasted\rtext\x1b[201~\r\x03\x03',
    'mode=chat grammar="root ::= [ab]{1,3}"\na\r/set grammar {"type":"integer"}\rb\r/set grammar root ::= (\rc\r',
    "mode=generate prompt=a grammar=json slots=2 samples=3 max_tokens=3\n",
    'mode=shell\nset grammar root ::= "a" | "é"\rgenerate a\ruse 2\rgenerate b\rset grammar off\rset grammar nofile\r',
)


def _sessions() -> Iterator[bytes]:
    yield from (session.encode() for session in SESSIONS)


def _write_shell_models() -> None:
    """As small as can be: the fuzzer's time goes into tokens.

    One has a template, whose words are few tokens, and lacks most bytes, which are lost; the other has them all.
    """
    SHELL_MODELS.mkdir(exist_ok=True)
    bytes_of_chat = sorted({*b"abcdehilmnorstuy .0\n", *"é€😀".encode(), 0xFF})
    shape: dict[str, Any] = {"n_embd": 4, "n_layer": 1, "n_head": 2, "n_head_kv": 1, "n_ff": 3, "head_dim": 4}
    chat = bpe_tokenizer(bytes_of_chat, ["user", "assistant", "system", "ab", " a"])
    plain = bpe_tokenizer(range(256), ["ab", " a"])
    _write_shell_model("chat", "llama", chat, shape | {"fields": {"context_length": 32}})
    _write_shell_model("plain", "gpt2", plain, shape | {"n_head_kv": 2})
    (SHELL_MODELS / "chat.kgct").write_bytes(chat_blob("", "", "", family="chatml").blob())


def _write_shell_model(name: str, arch: str, tokenizer: Mapping[str, Any], replaced: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        n_vocab = len(tokenizer["tokenizer.ggml.tokens"])
        path = lm_tiny.write(Path(folder) / "m.gguf", lm_tiny.TINY[arch], n_vocab=n_vocab, **replaced)
        (SHELL_MODELS / f"{name}.gguf").write_bytes(with_tokenizer(path.read_bytes(), tokenizer))


def bpe_tokenizer(alphabet: Iterable[int], words: Iterable[str]) -> dict[str, Any]:
    """A tokenizer: the tokens of ChatML, the bytes of ``alphabet``, and each of ``words``, joined from the left."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    printed = [chr(byte if byte in printable else 256 + others.index(byte)) for byte in range(256)]
    pieces, merges = [printed[byte] for byte in alphabet], []
    for word in words:
        letters = [printed[byte] for byte in word.encode()]
        for n in range(1, len(letters)):
            pieces.append("".join(letters[: n + 1]))
            merges.append("".join(letters[:n]) + " " + letters[n])
    ggml = "tokenizer.ggml."
    return {
        ggml + "model": "gpt2",
        ggml + "pre": "smollm",
        ggml + "tokens": ["<|im_start|>", "<|im_end|>", *pieces],
        ggml + "token_type": [3, 3] + [1] * len(pieces),
        ggml + "merges": merges,
        ggml + "eos_token_id": 1,
        ggml + "bos_token_id": 0,
    }


def with_tokenizer(data: bytes, tokenizer: Mapping[str, Any]) -> bytes:
    """The file of ``lm_tiny`` with a real tokenizer."""
    header, none = scan(data), field("tokenizer.ggml.model", 8, text("no_vocab"))
    tensors = data.index(text("token_embd.weight"))
    end = tensors + sum(24 + len(tensor.name) + 8 * len(tensor.dims) for tensor in header.tensors)
    fields = data[24:tensors].replace(none, b"") + gguf_bytes(tokenizer)[24:]
    head = data[:16] + struct.pack("<Q", len(header.fields) - 1 + len(tokenizer)) + fields + data[tensors:end]
    return head + bytes(-len(head) % 32) + data[header.start :]


if __name__ == "__main__":
    main()
