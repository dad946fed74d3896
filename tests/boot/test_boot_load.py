"""A kernel without a model in it reads one from a server, over our own TCP/IP stack and QEMU's network cards."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pace
import pytest
from boots import Boot, need, texts
from file_server import Answer, Request, file_server, part, whole

from kgpt_build.arch import DEFAULT, Arch, of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.cli.talk.reach import free_port
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL
from kgpt_build.vm.nets import Forward, Net

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
FILES = {"/talks.gguf": (FOLDER / "chat.gguf").read_bytes(), "/talks.kgct": (FOLDER / "chat.kgct").read_bytes()}
HOST = "10.0.2.2"
"""This host's loopback address, as a machine on QEMU's user network sees it."""
WORDS = "mode=generate prompt=ab seed=1 max_tokens=4 exit"
ARM = of_name("aarch64")


def _kernel(of_pc: Path, arch: Arch) -> Path:
    """Without a model. The answers of all architectures are those of the PC's with a boot module."""
    if arch is DEFAULT:
        return of_pc
    need(arch.qemu.program)
    return build_cached(NO_MODEL, arch=arch)


def _breaks(request: Request) -> Answer | None:
    """The first connection for the model breaks behind 2,000 bytes."""
    data = FILES["/talks.gguf"]
    if request.path != "/talks.gguf" or request.number:
        return None
    answer = part(data, request.start) if request.start else whole(data)
    answer.cut = 2000
    return answer


@pytest.mark.parametrize(
    ("card", "machine", "arch"),
    [
        ("virtio", "microvm", DEFAULT),
        ("e1000e", "q35", DEFAULT),
        pytest.param("virtio", "virt", ARM, marks=pytest.mark.slow),
    ],
    ids=["virtio-microvm", "e1000e-q35", "virtio-virt"],
)
def test_a_model_from_an_http_server(
    boot: Boot, kernel_without_model: Path, card: str, machine: str, arch: Arch
) -> None:
    module = boot(WORDS, kernel_without_model, modules=(BootModule(FOLDER / "chat.gguf"),))
    module.wait()
    with file_server(FILES, _breaks) as server:
        url = f"http://{HOST}:{server.port}/talks.gguf"
        image = _kernel(kernel_without_model, arch)
        guest = boot(f"{WORDS} model={url}", image, arch=arch, machine=machine, nets=(Net(card),))
        guest.expect(rf"^kgpt: {HOST}: the server has closed the connection; again in 0\.25 s$")
        guest.expect(r"talks\.gguf: 5 KB in \d+ ms")
        assert guest.wait().kind == "ok"
    assert texts(guest) == texts(module) != []
    assert [request.start for request in server.asked("/talks.gguf")] == [0, 2000]


@pytest.mark.parametrize(
    ("card", "machine", "arch"),
    [("e1000", "pc", DEFAULT), pytest.param("virtio-net-pci", "virt", ARM, marks=pytest.mark.slow)],
    ids=["x86_64", "aarch64"],
)
def test_a_model_from_a_tftp_server(
    boot: Boot, kernel_without_model: Path, card: str, machine: str, arch: Arch
) -> None:
    """QEMU's own server, which knows blksize and tsize, but no windowsize."""
    module = boot(WORDS, kernel_without_model, modules=(BootModule(FOLDER / "chat.gguf"),))
    module.wait()
    extra = ("-netdev", f"user,id=boot,restrict=on,tftp={FOLDER}", "-device", f"{card},netdev=boot")
    words = f"{WORDS} model=tftp://{HOST}/chat.gguf"
    guest = boot(words, _kernel(kernel_without_model, arch), arch=arch, machine=machine, extra=extra)
    assert guest.wait().kind == "ok"
    assert texts(guest) == texts(module) != []


@pytest.mark.parametrize(
    ("machine", "arch"),
    [("microvm", DEFAULT), pytest.param("virt", ARM, marks=pytest.mark.slow)],
    ids=["x86_64", "aarch64"],
)
def test_it_serves_with_nothing_but_a_server(boot: Boot, kernel_without_model: Path, machine: str, arch: Arch) -> None:
    port = free_port("127.0.0.1")
    net = Net("virtio", (Forward(port, 8080),))
    with file_server(FILES) as server:
        words = f"mode=serve ctx=32 seed=1 ip=10.0.2.15/24,gw={HOST} model=http://{HOST}:{server.port}/talks.gguf"
        image = _kernel(kernel_without_model, arch)
        guest = boot(words, image, arch=arch, machine=machine, nets=(net,), memory=256)
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
