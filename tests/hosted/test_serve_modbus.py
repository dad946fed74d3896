"""modbus=on: the server as a device on Modbus/TCP, with a client that is used in plants (pymodbus)."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pace
import pytest
from chats import write_talker
from hosted import SECONDS, Hosted
from serving import Server, serving, talker_modules

from kgpt_build import __version__
from kgpt_build.def_files import rows

pymodbus = pytest.importorskip("pymodbus.client")

SETS = (("ok", "warn", "alarm"), ("a", "b", "c"))
LABELS = "/".join(",".join(labels) for labels in SETS)
PLACE = {(row.arguments[0], row.arguments[1]): int(row.arguments[2]) for row in rows("app/server/modbus/modbus.def")}
SIZE = {(row.arguments[0], row.arguments[1]): int(row.arguments[3]) for row in rows("app/server/modbus/modbus.def")}
START, TOKENS, SET, TEXT = (PLACE["HOLDING", name] for name in ("START", "TOKENS", "SET", "TEXT"))
IDLE, QUEUED, DONE, FAILED = 0, 1, 3, 4
BAD_TEXT, BUDGET, CANCELLED = 1, 3, 5


@dataclass(frozen=True)
class Device:
    """The server, as a controller sees it."""

    server: Server
    port: int

    @contextmanager
    def client(self) -> Iterator[Any]:
        with pymodbus.ModbusTcpClient(
            self.server.host, port=self.port, timeout=pace.limit(SECONDS), retries=0
        ) as found:
            assert found.connected
            yield found

    def raw(self, data: bytes) -> bytes:
        """What comes back until we are closed; we close our side first."""
        with socket.create_connection((self.server.host, self.port), pace.limit(SECONDS)) as wire:
            wire.sendall(data)
            wire.shutdown(socket.SHUT_WR)
            got = b""
            while part := wire.recv(4096):
                got += part
        return got

    def asks(self, *pdus: bytes) -> list[bytes]:
        """The answers to requests that arrive together."""
        got = self.raw(b"".join(frame(pdu, number) for number, pdu in enumerate(pdus)))
        found: list[bytes] = []
        while got:
            number, protocol, length, unit = struct.unpack_from(">HHHB", got)
            assert (number, protocol, unit) == (len(found), 0, 9)
            found.append(got[7 : 6 + length])
            got = got[6 + length :]
        return found


def frame(pdu: bytes, number: int = 0) -> bytes:
    """With the MBAP header, for unit 9."""
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, 9) + pdu


def value(client: Any, name: str) -> int:
    """Of an input register, or of several as one number."""
    words = client.read_input_registers(PLACE["INPUT", name], count=SIZE["INPUT", name]).registers
    return int.from_bytes(b"".join(word.to_bytes(2) for word in words))


def text_registers(text: str | bytes) -> list[int]:
    """Length and text."""
    data = text.encode() if isinstance(text, str) else text
    return [len(data), *(word for (word,) in struct.iter_unpack(">H", data + b"\0" * (len(data) % 2)))]


def classify(device: Device, client: Any, text: str | bytes, *, which: int = 0, tokens: int = 32) -> tuple[int, ...]:
    """Status, error, class and score: settings, text and start are one request."""
    done = client.write_registers(START, [1, tokens, which, *text_registers(text)])
    assert not done.isError(), done
    device.server.waits_for(lambda: value(client, "STATUS") in (DONE, FAILED))
    return tuple(value(client, name) for name in ("STATUS", "ERROR", "CLASS", "SCORE"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talker(tmp_path_factory.mktemp("modbus"), n_ctx=512)


@pytest.fixture(scope="module")
def device(without_model: Hosted, model: Path) -> Iterator[Device]:
    words = f"slots=2 queue=8 ctx=512 modbus=on modbus_port=0 labels={LABELS} seed=5"
    with serving(without_model, talker_modules(model), words) as server:
        assert server.process.stdout is not None
        told = next(line for line in server.process.stdout if b"Modbus/TCP on" in line)
        yield Device(server, int(told.split(b" on ")[1].split()[0].rsplit(b":", 1)[1]))


def test_what_the_device_says_of_itself(device: Device, model: Path) -> None:
    with device.client() as client:
        assert value(client, "MODEL") == int(hashlib.sha256(model.read_bytes()).hexdigest(), 16)
        assert value(client, "VERSION").to_bytes(16).rstrip(b"\0").decode() == __version__
        assert value(client, "HEARTBEAT") < 3600
        assert value(client, "LABELS") == 3
        known = client.read_device_information(read_code=3).information
        assert known == {0: b"kgpt", 1: b"kgpt", 2: __version__.encode(), 4: b"kgpt", 5: b"talker"}
        assert client.read_device_information(read_code=1).information.keys() == {0, 1, 2}
        assert client.read_device_information(read_code=4, object_id=5).information == {5: b"talker"}
        assert client.read_device_information(read_code=4, object_id=3).exception_code == 2


def test_the_class_and_its_probability(device: Device) -> None:
    """The API tells the probabilities of single labels, not restricted: those of the set are among each other."""
    text = "temperature 71.5, Grüße"
    logs = [
        device.server.chat(text, temperature=0, grammar=f'root ::= "{label}"', logprobs=True, max_tokens=4).json()[
            "choices"
        ][0]["logprobs"]["content"][0]["logprob"]
        for label in SETS[1]
    ]
    weights = [math.exp(log) for log in logs]
    with device.client() as client:
        before = value(client, "REQUESTS")
        status, error, found, score = classify(device, client, text, which=1)
        assert (status, error) == (DONE, 0)
        assert found == weights.index(max(weights))
        assert score == pytest.approx(10000 * max(weights) / sum(weights), abs=1)
        assert value(client, "REQUESTS") == before + 1
        assert value(client, "SAMPLED") == 2  # the label, and the end
        assert value(client, "LATENCY") < 1000 * pace.limit(SECONDS)
        assert client.read_discrete_inputs(0, count=3).bits[:3] == [False, True, False]
        said = device.server.chat(text, temperature=0, grammar='root ::= "ok" | "warn" | "alarm"').json()
        assert SETS[0][classify(device, client, text)[2]] == said["choices"][0]["message"]["content"]


def test_the_same_beside_other_clients(device: Device) -> None:
    texts = [f"reading {i * 7919 % 1000}" for i in range(6)]
    with device.client() as client:
        alone = [classify(device, client, text) for text in texts]
        assert {answer[:2] for answer in alone} == {(DONE, 0)}
        with ThreadPoolExecutor(4) as pool:
            chats = [pool.submit(device.server.chat, f"chat {i}", max_tokens=60) for i in range(8)]
            assert [classify(device, client, text) for text in texts] == alone
            assert {chat.result().status for chat in chats} == {200}


def test_starts_that_give_no_class(device: Device) -> None:
    with device.client() as client:
        failures = value(client, "FAILURES")
        assert classify(device, client, "x", tokens=1) == (FAILED, BUDGET, 65535, 0)
        assert classify(device, client, b"\xff\xfe") == (FAILED, BAD_TEXT, 65535, 0)
        assert classify(device, client, "") == (FAILED, BAD_TEXT, 65535, 0)
        assert value(client, "FAILURES") == failures + 3
        assert client.read_discrete_inputs(0, count=3).bits[:3] == [False, False, True]
        assert classify(device, client, "x")[0] == DONE


def test_a_start_while_one_runs(device: Device) -> None:
    """Requests that arrive together: nothing is computed between them."""
    registers = text_registers("x")
    write = struct.pack(f">BHHB{3 + len(registers)}H", 16, START, 3 + len(registers), 6 + 2 * len(registers),
                        1, 32, 0, *registers)  # fmt: skip
    status = struct.pack(">BHH", 4, PLACE["INPUT", "STATUS"], 2)
    start, cancel = struct.pack(">BHH", 5, 0, 0xFF00), struct.pack(">BHH", 6, START, 0)
    got = device.asks(write, status, start, b"\x01\0\0\0\1", cancel, status, b"\x01\0\0\0\1")
    assert got == [
        write[:5],
        struct.pack(">BBHH", 4, 4, QUEUED, 0),
        b"\x85\x06",  # busy
        b"\x01\x01\x01",
        cancel,
        struct.pack(">BBHH", 4, 4, FAILED, CANCELLED),
        b"\x01\x01\x00",
    ]


def test_registers_are_written_and_read(device: Device) -> None:
    with device.client() as client:
        words = [(i * 2654435761) % 65536 for i in range(120)]
        assert not client.write_registers(TEXT + 100, words).isError()
        assert client.read_holding_registers(TEXT + 100, count=120).registers == words
        assert not client.write_register(TOKENS, 64).isError()
        both = client.readwrite_registers(
            read_address=START, read_count=3, write_address=TOKENS, values=[17, 1]
        ).registers
        assert both == [0, 17, 1]
        assert not client.write_coils(0, [False]).isError()
        assert client.read_coils(0, count=1).bits[0] is False
        for address, bad in ((START, 2), (TOKENS, 0), (TOKENS, 65), (SET, 2), (PLACE["HOLDING", "LENGTH"], 513)):
            assert client.write_register(address, bad).exception_code == 3
        assert client.write_registers(TOKENS, [5, 9]).exception_code == 3  # all or nothing
        assert client.read_holding_registers(TOKENS, count=2).registers == [17, 1]
        assert client.write_register(TEXT + 256, 1).exception_code == 2
        assert client.read_input_registers(36, count=2).exception_code == 2
        assert client.read_coils(1, count=1).exception_code == 2


def test_requests_that_are_wrong(device: Device) -> None:
    wrong = {
        b"\x07": b"\x87\x01",
        b"\x2b\x0d\x01\x00": b"\xab\x01",
        b"\x2b\x0e\x05\x00": b"\xab\x03",
        b"\x03\x00\x00\x00\x7e": b"\x83\x03",  # 126 registers
        b"\x03\x00\x00\x00\x00": b"\x83\x03",
        b"\x03\x00\x00": b"\x83\x03",
        b"\x04\xff\xff\x00\x7d": b"\x84\x02",
        b"\x05\x00\x00\x12\x00": b"\x85\x03",
        b"\x10\x00\x01\x00\x02\x03\x00\x00\x00\x00": b"\x90\x03",
        b"\x0f\x00\x00\x00\x02\x01\x00": b"\x8f\x02",
        b"\x17\x00\x00\x00\x01\x00\x01\x00\x01\x02\x00": b"\x97\x03",
    }
    assert device.asks(*wrong) == list(wrong.values())
    assert device.raw(b"GET / HTTP/1.1\r\n\r\n") == b""  # closed
    assert device.raw(frame(b"\x01")[:-1]) == b""  # a frame that never ends
    with socket.create_connection((device.server.host, device.port), pace.limit(SECONDS)) as wire:
        for byte in frame(b"\x01\0\0\0\1", 77):
            wire.sendall(bytes([byte]))
        assert wire.recv(64) == struct.pack(">HHHB", 77, 0, 4, 9) + b"\x01\x01\x00"


def test_more_controllers_than_places(device: Device) -> None:
    """The one that was silent longest gives way."""
    ask = frame(b"\x01\0\0\0\1")
    wires = []
    for _ in range(9):
        wires.append(socket.create_connection((device.server.host, device.port), pace.limit(SECONDS)))
        wires[-1].sendall(ask)
        assert wires[-1].recv(64)[7:] == b"\x01\x01\x00"
    assert wires[0].recv(64) == b""
    for wire in wires[1:]:
        wire.sendall(ask)
        assert wire.recv(64)[7:] == b"\x01\x01\x00"
    for wire in wires:
        wire.close()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("mbpoll"), reason="needs mbpoll: apt-get install mbpoll")
def test_mbpoll(device: Device) -> None:
    """A second client, which shares no code with the first (libmodbus)."""

    def mbpoll(kind: int, first: int, *values: int, count: int = 1) -> dict[int, int]:
        words = [
            "mbpoll",
            "-m",
            "tcp",
            "-0",
            "-1",
            "-t",
            str(kind),
            "-r",
            str(first),
            "-p",
            str(device.port),
            "-o",
            "10",
        ]
        words += [device.server.host, *map(str, values)] if values else ["-c", str(count), device.server.host]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(done.stdout + done.stderr)
        if values:
            assert f"Written {len(values)} references" in done.stdout
        return {
            int(place): int(number) for place, number in re.findall(r"^\[(\d+)\]:\s+(-?\d+)", done.stdout, re.MULTILINE)
        }

    coil, discrete, registers, holding = 0, 1, 3, 4
    with device.client() as client:
        expected = classify(device, client, "reading 71.5", which=1)
    mbpoll(holding, START, 1, 32, 1, *text_registers("reading 71.5"))
    device.server.waits_for(lambda: mbpoll(registers, PLACE["INPUT", "STATUS"])[0] in (DONE, FAILED))
    assert tuple(
        mbpoll(registers, 0, count=5)[PLACE["INPUT", name]] for name in ("STATUS", "ERROR", "CLASS", "SCORE")
    ) == (expected)
    assert mbpoll(holding, TOKENS, count=3) == {1: 32, 2: 1, 3: 12}
    assert mbpoll(discrete, 0, count=3) == {0: 0, 1: 1, 2: 0}
    assert mbpoll(coil, 0) == {0: 0}
    mbpoll(coil, 0, 1)  # a start
    device.server.waits_for(lambda: mbpoll(coil, 0) == {0: 0})
    assert mbpoll(registers, 0, count=4)[PLACE["INPUT", "CLASS"]] == expected[2]
    beats = mbpoll(registers, PLACE["INPUT", "HEARTBEAT"])
    assert beats[PLACE["INPUT", "HEARTBEAT"]] < 3600
    with pytest.raises(ValueError, match="Illegal data address"):
        mbpoll(registers, 36, count=2)
    with pytest.raises(ValueError, match="Illegal data value"):
        mbpoll(holding, TOKENS, 65)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ("", "modbus=on needs the labels"),
        ("labels=ok", "at least two labels"),
        ("labels=ok,warn,ok", "stands twice"),
        ("labels=ok,,warn", "1 to 63 bytes"),
        ("labels=a,b/c,d/e,f/g,h/i,j", "at most 4 sets"),
        ("labels=" + ",".join(f"n{i}" for i in range(33)), "at most 32 labels"),
    ],
)
def test_labels_that_are_refused(without_model: Hosted, model: Path, labels: str, why: str) -> None:
    done = without_model.run(f"mode=serve port=0 modbus=on modbus_port=0 cpus=1 {labels}", b"", talker_modules(model))
    assert done.returncode == 1
    assert why in done.console


def test_the_document_has_every_register() -> None:
    document = (Path(__file__).parents[2] / "docs" / "modbus.md").read_text(encoding="utf-8")
    for row in rows("app/server/modbus/modbus.def"):
        _, _, first, n, meaning = row.arguments
        last = int(first) + int(n) - 1
        place = first if n == "1" else f"{first} to {last}"
        assert f"| {place} | {meaning} |" in document
