"""Tells where clients on this host reach a guest that serves."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

import click

from kgpt_build.errors import UsageError

if TYPE_CHECKING:
    from kgpt_build.vm.guest_run import GuestRun
    from kgpt_build.vm.settings import RunSettings


class Reach:
    """Waits for the event ``serving`` of a machine whose port is forwarded, and then tells the port of this host."""

    def __init__(self, machine: GuestRun) -> None:
        self._machine = machine
        self._seen = 0
        self._told = not any(net.forwards for net in machine.settings.nets)

    def poll(self) -> None:
        """Look at new events."""
        from kgpt_build.events import Serving

        if self._told:
            return
        events, self._seen = self._machine.events_since(self._seen)
        for event in events:
            if isinstance(event, Serving):
                self._told = True
                for url in urls(self._machine.settings, event.address):
                    click.echo(f"kgpt: clients of this host reach it at {url}/v1", err=True)


def urls(settings: RunSettings, address: str) -> list[str]:
    """Where this host reaches the guest's ``address``, which ends in its port."""
    port = int(address.rsplit(":", 1)[1])
    forwards = [forward for net in settings.nets for forward in net.forwards if forward.guest_port == port]
    return [f"http://{forward.address}:{forward.port}" for forward in forwards]


def _check_address(address: str) -> None:
    """Raise UsageError for a name, which would have to be looked up."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise UsageError(f"{address} is no IPv4 address of this host", "for example --listen 127.0.0.1") from None


def free_port(address: str) -> int:
    """A TCP port of this host that no program has now. Raises UsageError for an address that is not this host's."""
    _check_address(address)
    with socket.socket() as found:
        try:
            found.bind((address, 0))
        except OSError as error:
            raise UsageError(f"cannot listen on {address}: {error.strerror}", "leave out --listen") from error
        return int(found.getsockname()[1])


def check_port(address: str, port: int) -> None:
    """Raise UsageError if another program has the port: QEMU would end, and say less."""
    _check_address(address)
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {address}, port {port}: {error.strerror}", "choose another one: --port 0 takes any"
            ) from error
