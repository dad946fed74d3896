"""``kgpt serve --target bare``: what it refuses before anything is built, and which port of this host it takes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from refusals import refused

from kgpt_build import cli
from kgpt_build.cli.talk.reach import check_port, free_port, urls
from kgpt_build.errors import UsageError
from kgpt_build.vm.nets import Forward, Net
from kgpt_build.vm.settings import RunSettings


def test_a_card_without_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["serve", "--card", "e1000"]) == 2
    assert "--card is for QEMU" in capsys.readouterr().err


def test_an_aarch64_machine_has_no_pc_keyboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The options fit it: only the model is missing."""
    assert cli.invoke(["serve", str(tmp_path / "no.gguf"), "--target", "bare", "--arch", "aarch64", "--port", "0"]) == 1
    assert "no.gguf" in capsys.readouterr().err


def test_a_port_that_another_program_has() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with refused(UsageError, f"cannot listen 127.0.0.1 port {port} in use"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", free_port("127.0.0.1"))


@pytest.mark.parametrize("address", ["192.0.2.1", "300.1.1.1", "localhost", "::1", ""])
def test_an_address_that_is_not_this_hosts(address: str) -> None:
    with refused(UsageError, address):
        free_port(address)
    with refused(UsageError, address):
        check_port(address, 8080)


def test_where_clients_reach_it() -> None:
    nets = (Net(forwards=(Forward(5000, 80), Forward(5001, 81), Forward(5002, 80, "192.0.2.1"))), Net())
    settings = RunSettings(Path("k.elf"), nets=nets)
    assert urls(settings, "10.0.2.15:80") == ["http://127.0.0.1:5000", "http://192.0.2.1:5002"]
    assert urls(settings, "10.0.2.15:82") == []
