"""mode=serve on a bare machine: real clients, our own TCP/IP stack, QEMU's network cards."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pace
import pytest
from boots import ENVIRONMENT, Boot, wait_until_asleep
from chats import write_talker

from kgpt_build.boot_modules import BootModule
from kgpt_build.cli.talk.reach import free_port
from kgpt_build.events import Memory
from kgpt_build.kernel.elf import read_elf
from kgpt_build.kernel.memory import memory_needs
from kgpt_build.pytest_plugin import Guest
from kgpt_build.vm.nets import Forward, Net

openai = pytest.importorskip("openai")

PORT = 8080
WORDS = "mode=serve ctx=512 slots=4 queue=8 seed=5"
SAID = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[BootModule, ...]:
    talker = write_talker(tmp_path_factory.mktemp("talker"), n_ctx=512)
    return BootModule(talker), BootModule(talker.with_suffix(".kgct"))


Serve = Callable[..., "tuple[Guest, str]"]


@pytest.fixture
def serve(boot: Boot, kernel_without_model: Path, modules: tuple[BootModule, ...]) -> Serve:
    """``serve(card, machine, words)``: a guest that serves, and its URL on this host."""

    def start(card: str = "virtio", machine: str = "microvm", words: str = "") -> tuple[Guest, str]:
        port = free_port("127.0.0.1")
        net = Net(card, (Forward(port, PORT),), restrict=True)
        guest = boot(
            f"{WORDS} {words}", kernel_without_model, machine=machine, nets=(net,), modules=modules, memory=256
        )
        return guest, f"http://127.0.0.1:{port}"

    return start


def client_of(url: str) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=pace.limit(60))


def ask(client: Any, seed: int, **more: Any) -> Any:
    return client.chat.completions.create(model="talker", messages=SAID, max_tokens=9, seed=seed, **more)


def end(guest: Guest) -> None:
    guest.send("\x03")
    guest.wait()


def test_a_controller_talks_to_a_kernel(
    boot: Boot, kernel_without_model: Path, modules: tuple[BootModule, ...]
) -> None:
    """By Modbus/TCP, the second port of our stack, while the first serves the API."""
    pymodbus = pytest.importorskip("pymodbus.client")
    ports = {guest_port: free_port("127.0.0.1") for guest_port in (PORT, 502)}
    net = Net("virtio", tuple(Forward(port, guest_port) for guest_port, port in ports.items()), restrict=True)
    words = f"{WORDS} modbus=on labels=ok,warn,alarm"
    guest = boot(words, kernel_without_model, machine="microvm", nets=(net,), modules=modules, memory=256)
    guest.expect_event("serving")
    client = pymodbus.ModbusTcpClient("127.0.0.1", port=ports[502], timeout=pace.limit(60), retries=0)
    with client, client_of(f"http://127.0.0.1:{ports[PORT]}") as api:
        assert not client.write_registers(0, [1, 32, 0, 2, 0x6869]).isError()
        said = api.chat.completions.create(
            model="tiny llama", messages=[{"role": "user", "content": "hi"}], temperature=0,
            extra_body={"grammar": 'root ::= "ok" | "warn" | "alarm"'},
        )  # fmt: skip
        status = [1]
        while status[0] in (1, 2):  # ends with the test's own limit
            status = client.read_input_registers(0, count=5).registers
        assert status[:2] == [3, 0]
        assert said.choices[0].message.content == ("ok", "warn", "alarm")[status[3]]
        assert any(client.read_input_registers(13, count=16).registers)
    end(guest)


@pytest.mark.parametrize(
    ("card", "machine"), [("virtio", "q35"), ("virtio", "microvm"), ("e1000", "pc"), ("e1000e", "q35")]
)
def test_a_client_of_openai_talks_to_a_kernel(serve: Serve, card: str, machine: str) -> None:
    guest, url = serve(card, machine, "alias=talker")
    guest.expect_event("serving", address=f"10.0.2.15:{PORT}", slots=4)
    with client_of(url) as client:
        assert [model.id for model in client.models.list()] == ["talker"]
        whole = ask(client, 1)
        assert whole.usage.completion_tokens == 9
        parts = [chunk.choices[0].delta.content or "" for chunk in ask(client, 1, stream=True)]
        assert "".join(parts) == whole.choices[0].message.content
    end(guest)


def test_eight_clients_at_once_get_what_each_gets_alone(serve: Serve) -> None:
    """The server of eight has drafts, too."""
    guest, url = serve(words="alias=talker")
    guest.expect_event("serving")
    with client_of(url) as client:
        alone = [ask(client, seed).choices[0].message.content for seed in range(8)]
    end(guest)
    guest, url = serve(words="alias=talker speculate=ngram speculate_tokens=2")
    guest.expect_event("serving")
    with client_of(url) as client, ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda seed: ask(client, seed).choices[0].message.content, range(8))
        assert list(together) == alone
        assert len(set(alone)) > 4
    end(guest)


def test_forty_clients_that_connect_at_one_moment_all_get_in(serve: Serve) -> None:
    """While QEMU stands still, nobody accepts them: by itself it lets one client wait, and others try again later."""
    guest, url = serve()
    guest.expect_event("serving")
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with ExitStack() as stack:
        os.kill(guest.machine.pid, signal.SIGSTOP)
        try:
            clients = [
                stack.enter_context(socket.create_connection(address, timeout=pace.limit(30))) for _ in range(40)
            ]
            for client in clients:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: kgpt\r\nConnection: close\r\n\r\n")
        finally:
            os.kill(guest.machine.pid, signal.SIGCONT)
        assert [client.makefile("rb").readline() for client in clients] == [b"HTTP/1.1 200 OK\r\n"] * 40
    end(guest)


def test_an_address_of_ones_own(serve: Serve) -> None:
    guest, url = serve(words="ip=10.0.2.15/24,gw=10.0.2.2")
    guest.expect(r"^kgpt: net0 \(virtio-net\)$")
    guest.expect(r"on http://10\.0\.2\.15:8080 with 4 slots")
    with urllib.request.urlopen(f"{url}/health", timeout=pace.limit(30)) as answer:
        assert json.load(answer) == {"status": "ok"}
    end(guest)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("net=off", "mode=serve needs a network card"),
        ("ip=10.0.2.15", "ip=10.0.2.15: behind the address the length of the network is missing"),
        ("port=0", "port=0: a kernel has no other program"),
    ],
)
def test_what_is_refused(serve: Serve, words: str, reason: str) -> None:
    guest, _ = serve(words=words)
    guest.expect(reason)
    assert guest.wait().kind == "refused"


@pytest.mark.parametrize("slots", [1, 32])
def test_the_memory_is_known_before(
    serve: Serve, kernel_without_model: Path, modules: tuple[BootModule, ...], slots: int
) -> None:
    guest, _ = serve(words=f"slots={slots}")
    guest.expect_event("serving")
    (told,) = [event for event in guest.events if isinstance(event, Memory)]
    needs = memory_needs(read_elf(kernel_without_model), modules=modules, ctx=512, slots=slots, serves=True)
    assert told.needed <= needs.kv + needs.scratch <= told.needed + (80 << 20)
    end(guest)


def test_a_server_asleep_wakes_for_a_client(serve: Serve) -> None:
    """The processor halts while no client is there, and the answer comes at once all the same."""
    guest, url = serve()
    guest.expect_event("serving")
    for _ in range(3):
        wait_until_asleep(guest)
        with urllib.request.urlopen(f"{url}/health", timeout=pace.limit(30)) as answer:
            assert answer.status == 200
    end(guest)


@pytest.mark.slow
def test_the_command(modules: tuple[BootModule, ...], tmp_path: Path) -> None:
    """``kgpt serve --target bare`` with a key, until Ctrl-C."""
    key = tmp_path / "key"
    key.write_text("secret\n")
    words = ["serve", str(modules[0].path), "--target", "bare", "--port", "0", "--accel", "tcg", "--ctx", "512"]
    argv = [sys.executable, "-m", "kgpt_build", *words, "--key-file", str(key), "--slots", "2", "--alias", "talker"]
    with subprocess.Popen(argv, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        lines = []
        for line in run.stderr:
            lines.append(line)
            if found := re.search(r"clients of this host reach it at (http://127\.0\.0\.1:\d+)/v1", line):
                break
        assert found, lines
        with openai.OpenAI(base_url=f"{found[1]}/v1", api_key="secret", timeout=pace.limit(60)) as client:
            assert ask(client, 1).usage.completion_tokens == 9
        with (
            openai.OpenAI(base_url=f"{found[1]}/v1", api_key="other", timeout=pace.limit(60)) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            ask(client, 1)
        run.send_signal(signal.SIGINT)
        run.stderr.read()
        assert run.wait(pace.limit(60)) != 0
