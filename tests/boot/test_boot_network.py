"""UEFI fetches kgpt.efi over the network: PXE (TFTP) and HTTP boot, in a machine without a disk.

By HTTP, kgpt.efi fetches its menu and models from the same server, which can lie.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from netboots import ARM, CARD, PC, Diskless, chosen, said_by
from tiny_lm import write_lm

from kgpt_build.cli import invoke
from kgpt_build.kernel.build import build_cached

pytestmark = pytest.mark.slow
BOTH = pytest.mark.parametrize("machine", [PC, ARM], indirect=True, ids=["x86_64", "aarch64"], scope="module")


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest) -> Diskless:
    return chosen(request)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, machine: Diskless) -> Path:
    """A folder to serve, with kgpt.efi."""
    folder = tmp_path_factory.mktemp("net")
    shutil.copy(build_cached(with_efi=True, arch=machine.arch).parent / "kgpt.efi", folder)
    return folder


@pytest.mark.parametrize(
    ("machine", "card"),
    [(PC, "virtio-net-pci,netdev=n,bootindex=0"), (PC, CARD), (ARM, CARD)],
    indirect=["machine"],
    ids=["x86_64 with iPXE", "x86_64", "aarch64"],
    scope="module",
)
def test_pxe_boots_a_model(folder: Path, machine: Diskless, card: str) -> None:
    net = ["-netdev", f"user,id=n,tftp={folder},bootfile=kgpt.efi", "-device", card]
    serial = folder.parent / "serial"
    text = said_by([*machine.argv(serial), *net], serial)
    assert "PXE" in text
    assert "booted by uefi" in text
    assert "20 samples," in text


class Server:
    """An HTTP server of a folder; ``lies`` changes what it does with a path."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        self.lies: dict[str, Lie] = {}
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                server.requests.append(self.requestline)

            def do_GET(self) -> None:
                if lie := server.lies.get(self.path):
                    lie(self)
                else:
                    super().do_GET()

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def boot(self, machine: Diskless, folder: Path, until: str, escape_at: str = "") -> str:
        """The serial port's text of a machine that starts kgpt.efi from this server."""
        serial = folder.parent / "serial"
        url = f"http://10.0.2.2:{self.http.server_address[1]}/kgpt.efi"
        return said_by(machine.http_argv(serial, url), serial, until, escape_at)


Lie = Callable[[http.server.SimpleHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    """``serve(folder)``."""
    servers: list[Server] = []

    def start(folder: Path) -> Server:
        servers.append(Server(folder))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


@BOTH
def test_http_boots_a_model(folder: Path, serve: Callable[[Path], Server], machine: Diskless) -> None:
    server = serve(folder)
    text = server.boot(machine, folder, "20 samples,")
    assert "booted by uefi" in text, text[-2000:]
    assert "20 samples," in text
    assert "GET /kgpt.efi HTTP/1.1" in server.requests
    assert "HEAD /kgpt/menu.cfg HTTP/1.1" in server.requests


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, machine: Diskless) -> Path:
    """A folder of kgpt image net: a language model, and the kernel of the default model."""
    base = tmp_path_factory.mktemp("served")
    model, out = write_lm(base / "tiny.gguf", fields={"general.name": "Tiny"}), base / "folder"
    words = ("--arch", machine.arch.name, "--timeout", "1", "--cmdline", "exit max_tokens=4", "-o", str(out))
    assert invoke(["image", "net", str(model), "default", "--default", "tiny-generate", *words]) == 0
    return out


@BOTH
def test_http_boots_a_model_that_lies_beside_it(
    served: Path, serve: Callable[[Path], Server], machine: Diskless
) -> None:
    server = serve(served)
    text = server.boot(machine, served, "weights")
    assert "100 %" in text
    assert "tiny.gguf: 24 KB, SHA-256 as expected (checked while it was read)" in text
    assert "memory: weights" in text
    assert "GET /models/tiny.gguf HTTP/1.1" in server.requests


@BOTH
def test_http_starts_a_kernel_of_the_menu(served: Path, serve: Callable[[Path], Server], machine: Diskless) -> None:
    menu = served / "kgpt" / "menu.cfg"
    text = menu.read_text()
    try:
        menu.write_text(text.replace("default tiny-generate", "default default-generate"))
        server = serve(served)
        said = server.boot(machine, served, "20 samples,")
    finally:
        menu.write_text(text)
    assert "20 samples," in said
    assert "GET /kgpt/default.efi HTTP/1.1" in server.requests


def _not_found(handler: http.server.SimpleHTTPRequestHandler) -> None:
    handler.send_error(404)


def _refused(handler: http.server.SimpleHTTPRequestHandler) -> None:
    handler.send_error(403)


def _damaged(handler: http.server.SimpleHTTPRequestHandler) -> None:
    data = bytearray(Path(handler.translate_path(handler.path)).read_bytes())
    data[5000] ^= 1
    _answer(handler, len(data), bytes(data))


def _short(handler: http.server.SimpleHTTPRequestHandler) -> None:
    data = Path(handler.translate_path(handler.path)).read_bytes()
    _answer(handler, len(data), data[:-100])


def _smaller(handler: http.server.SimpleHTTPRequestHandler) -> None:
    """Smaller than the answer to HEAD has said."""
    data = Path(handler.translate_path(handler.path)).read_bytes()
    _answer(handler, len(data) - 100, data[:-100])


def _late(handler: http.server.SimpleHTTPRequestHandler) -> None:
    """Longer than OVMF waits for an answer, which is 5 s."""
    time.sleep(8)
    http.server.SimpleHTTPRequestHandler.do_GET(handler)


def test_a_server_that_answers_late(served: Path, serve: Callable[[Path], Server], machine: Diskless) -> None:
    server = serve(served)
    server.lies["/models/tiny.gguf"] = _late
    text = server.boot(machine, served, "weights")
    assert "memory: weights" in text, text[-2000:]
    assert server.requests.count("GET /models/tiny.gguf HTTP/1.1") == 1


def _silent(handler: http.server.SimpleHTTPRequestHandler) -> None:
    """Until the client hangs up."""
    handler.rfile.read(1)
    handler.close_connection = True


def test_esc_ends_the_wait_for_a_silent_server(
    served: Path, serve: Callable[[Path], Server], machine: Diskless
) -> None:
    server = serve(served)
    server.lies["/models/tiny.gguf"] = _silent
    text = server.boot(machine, served, "Any key goes back to the menu.", escape_at="Esc: back to the menu.")
    assert "/models/tiny.gguf: reading was stopped by Esc" in text, text[-2000:]
    assert "does not answer" not in text


def _answer(handler: http.server.SimpleHTTPRequestHandler, size: int, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(size))
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True


@pytest.mark.parametrize(
    ("machine", "lie", "said"),
    [
        (PC, _not_found, "/models/tiny.gguf: it is not on the server (404)"),
        (PC, _refused, "/models/tiny.gguf: the server does not give it"),
        (PC, _damaged, "/models/tiny.gguf: it is damaged: its SHA-256 is "),
        (PC, _short, "/models/tiny.gguf: the connection to the server broke"),
        (PC, _smaller, "/models/tiny.gguf: it ends early"),
        (ARM, _not_found, "/models/tiny.gguf: it is not on the server (404)"),
        (ARM, _damaged, "/models/tiny.gguf: it is damaged: its SHA-256 is "),
        (ARM, _short, "/models/tiny.gguf: the connection to the server broke"),
    ],
    indirect=["machine"],
    ids=["404", "403", "damaged", "breaks off", "smaller", "aarch64 404", "aarch64 damaged", "aarch64 breaks off"],
    scope="module",
)
def test_a_server_that_lies_is_refused_in_one_line(
    served: Path, serve: Callable[[Path], Server], machine: Diskless, lie: Lie, said: str
) -> None:
    server = serve(served)
    server.lies["/models/tiny.gguf"] = lie
    text = server.boot(machine, served, "Any key goes back to the menu.")
    assert "kgpt: NOT STARTED" in text
    assert said in text, text[-2000:]
    assert "booted by" not in text
