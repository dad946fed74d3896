"""A kernel without a model in it reads one from a server, over our own TCP/IP stack and QEMU's network cards."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pace
import pytest
from boots import Boot, texts
from file_server import Answer, Request, file_server, part, whole

from kgpt_build.boot_modules import BootModule
from kgpt_build.cli.shared.reach import free_port
from kgpt_build.vm.nets import Forward, Net

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
FILES = {"/talks.gguf": (FOLDER / "chat.gguf").read_bytes(), "/talks.kgct": (FOLDER / "chat.kgct").read_bytes()}
HOST = "10.0.2.2"
"""This host's loopback address, as a machine on QEMU's user network sees it."""
WORDS = "mode=generate prompt=ab seed=1 max_tokens=4 exit"


def _breaks(request: Request) -> Answer | None:
    """The first connection for the model breaks behind 2,000 bytes."""
    data = FILES["/talks.gguf"]
    if request.path != "/talks.gguf" or request.number:
        return None
    answer = part(data, request.start) if request.start else whole(data)
    answer.cut = 2000
    return answer


@pytest.mark.parametrize(("card", "machine"), [("virtio", "microvm"), ("e1000e", "q35")])
def test_a_model_from_an_http_server(boot: Boot, kernel_without_model: Path, card: str, machine: str) -> None:
    module = boot(WORDS, kernel_without_model, modules=(BootModule(FOLDER / "chat.gguf"),))
    module.wait()
    with file_server(FILES, _breaks) as server:
        url = f"http://{HOST}:{server.port}/talks.gguf"
        guest = boot(f"{WORDS} model={url}", kernel_without_model, machine=machine, nets=(Net(card),))
        guest.expect(rf"^kgpt: {HOST}: the server has closed the connection; again in 0\.25 s$")
        guest.expect(r"talks\.gguf: 5 KB in \d+ ms")
        assert guest.wait().kind == "ok"
    assert texts(guest) == texts(module) != []
    assert [request.start for request in server.asked("/talks.gguf")] == [0, 2000]


def test_a_model_from_a_tftp_server(boot: Boot, kernel_without_model: Path) -> None:
    """QEMU's own server, which knows blksize and tsize, but no windowsize."""
    module = boot(WORDS, kernel_without_model, modules=(BootModule(FOLDER / "chat.gguf"),))
    module.wait()
    extra = ("-netdev", f"user,id=boot,restrict=on,tftp={FOLDER}", "-device", "e1000,netdev=boot")
    words = f"{WORDS} model=tftp://{HOST}/chat.gguf"
    guest = boot(words, kernel_without_model, machine="pc", extra=extra)
    assert guest.wait().kind == "ok"
    assert texts(guest) == texts(module) != []


def test_it_serves_with_nothing_but_a_server(boot: Boot, kernel_without_model: Path) -> None:
    port = free_port("127.0.0.1")
    net = Net("virtio", (Forward(port, 8080),))
    with file_server(FILES) as server:
        words = f"mode=serve ctx=32 seed=1 ip=10.0.2.15/24,gw={HOST} model=http://{HOST}:{server.port}/talks.gguf"
        guest = boot(words, kernel_without_model, machine="microvm", nets=(net,), memory=256)
        guest.expect_event("serving")
    body = {"messages": [{"role": "user", "content": "ab"}], "max_tokens": 3}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=pace.limit(60)) as answer:
        assert 1 <= json.load(answer)["usage"]["completion_tokens"] <= 3
    guest.send("\x03")
    guest.wait()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("model=http://10.0.2.2/x.gguf net=off", "a model from a server needs a network card"),
        ("model=http://10.0.2.2:1/x.gguf ip=10.0.2.15", "ip=10.0.2.15: behind the address the length"),
        ("model=https://10.0.2.2/x.gguf", "there is no TLS here"),
    ],
)
def test_what_is_refused(boot: Boot, kernel_without_model: Path, words: str, reason: str) -> None:
    guest = boot(words, kernel_without_model, machine="microvm", nets=(Net("virtio", restrict=True),))
    guest.expect(reason)
    assert guest.wait().kind == "refused"
