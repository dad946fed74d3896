"""The hosted program with connections that come through our own network stack, and Linux's TCP as its clients."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, SOCK_STREAM
from socket import socket as Socket
from unittest.mock import patch

import pace
import pytest
from hosted import Hosted
from native import ROOT
from net_linux import OURS, namespace
from serving import Server, Wire, serving

from kgpt_build import paths
from kgpt_build.kernel import sources
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL

PORT = 8080
SECONDS = 120.0


def build_over_tap(folder: Path) -> Hosted:
    """Built from a copy of the sources in ``folder``, in which tests/hosted/tap_network.c is in place of sockets.c."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made")
    if not Path("/dev/net/tun").exists():
        pytest.skip("there are no TAP devices")
    tests, root = ROOT / "tests" / "hosted", folder / "sources"
    for name in paths.SOURCE_FOLDERS:
        shutil.copytree(ROOT / name, root / name)
    link = root / "kernel_c" / "app" / "server" / "link"
    assert (link / "sockets.c").is_file()
    shutil.copy(tests / "tap_network.c", link / "sockets.c")
    for name in ("net_tap.h", "net_impair.h"):
        shutil.copy(tests / name, link)
    with patch.object(sources, "root_for_make", return_value=root.resolve()):
        return Hosted(build_cached(NO_MODEL, target="hosted"))


class TapWire(Wire):
    """A connection to the server from Linux's side of its namespace."""

    def __init__(self, server: Server) -> None:
        with namespace(server.process.pid):
            self.socket = Socket(AF_INET, SOCK_STREAM)
        self.socket.settimeout(pace.limit(SECONDS))
        self.socket.connect((OURS, PORT))
        self.left = b""


def retransmitted(server: Server) -> int:
    """Segments that Linux has sent again in the server's namespace."""
    text = Path(f"/proc/{server.process.pid}/net/snmp").read_text(encoding="ascii")
    names, values = (line.split() for line in text.splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


@contextmanager
def serving_over_tap(program: Hosted, modules: tuple[str, ...], words: str = "", wire: str = "") -> Iterator[Server]:
    """The server while the block runs; ``wire`` is what happens to frames (tests/hosted/net_impair.h)."""
    with serving(program, modules, words, port=PORT, env={"NET_WIRE": wire}) as server:
        yield server
