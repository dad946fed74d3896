"""``kgpt serve``: `kgpt run` with mode=serve."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from kgpt_build.cli.shared.hosted import QEMU_ONLY
from kgpt_build.cli.talk import chat, run
from kgpt_build.cli.talk.reach import check_port, free_port
from kgpt_build.errors import UsageError
from kgpt_build.settings import SERVE_SLOTS, quoted
from kgpt_build.vm.nets import CARDS, Forward, Net

_MACHINE = ("accel", "cpu", "machine")
"""Options of `kgpt run` for QEMU that `--target bare` takes."""
_GUEST_ADDRESS = "10.0.2.15/24,gw=10.0.2.2"
"""On QEMU's user network: DHCP would give the same, half a second later."""
_GUEST_PORT = 8080
"""Where the kernel listens. --port is the port of this host."""
_GUEST_MODBUS_PORT = 502
_NOT_SERVED: dict[str, Any] = {
    **{name: value for name, value in QEMU_ONLY.items() if name not in (*_MACHINE, "nets")},
    "default": False,
    "prompt": None,
    "mode": "serve",
    "models": (),
    "files": (),
    "grammar_file": None,
    "json_schema": None,
    "keymap": None,
    "keeps": False,
    "store": None,
    "as_json": False,
    "timeout": None,
    "samples": None,
    "seed": None,
    "stop": (),
    "logit_bias": (),
    "logprobs": None,
    "on_overflow": None,
    "rng": None,
}
"""Options of `kgpt run` that a server does not have, and their values."""
_OURS = {*_NOT_SERVED, "nets", "target", "cmdline", "slots", "secure_boot"}


def _serve(
    named: Path | None,
    target: str,
    port: int,
    address: str,
    queue: int,
    client_timeout: int,
    alias: str | None,
    key_file: Path | None,
    slots: int,
    card: str | None,
    modbus: bool,
    modbus_port: int,
    labels: str | None,
    **options: Any,
) -> None:
    """Serve a language model to clients of OpenAI's API, until Ctrl-C.

    MODEL is a file, a name (kgpt pull lists them; it is downloaded if needed), or a program of kgpt build --target
    hosted. Without it, kgpt serve takes the language model in ./build, else smollm2-135m. Clients reach it at
    http://127.0.0.1:8080/v1, or where --listen and --port say. docs/api.md lists the endpoints and their fields.
    There is no TLS: put a proxy before a server that others reach.

    --target bare boots the kernel in QEMU with a network card, and forwards the port to it.

    The sampling options are defaults for requests that do not name them.
    """
    bare = target == "bare"
    _check_address(address)
    if named is None and not chat.is_in_build():
        named = Path(chat.MODEL)
    if card and not bare:
        raise UsageError("--card is for QEMU, and this runs as a Linux process", "give --target bare, too")
    if modbus != bool(labels):
        raise UsageError("--modbus and --labels belong together", "give both: --modbus --labels ok,warn,alarm")
    ports = [(port, _GUEST_PORT), *([(modbus_port, _GUEST_MODBUS_PORT)] if modbus else [])]
    nets = (_net(card or "virtio", address, ports),) if bare else ()
    where = [f"port={_GUEST_PORT}", f"ip={_GUEST_ADDRESS}"] if bare else [f"port={port}"]
    words = [*where, f"queue={queue}", f"timeout={client_timeout}"]
    if modbus:
        own = _GUEST_MODBUS_PORT if bare else modbus_port
        words += ["modbus=on", f"modbus_port={own}", f"labels={quoted(labels or '')}"]
    name = alias or (named.name if named is not None and not named.is_file() else None)
    assert run.command.callback is not None
    run.command.callback(
        named=named,
        target=target,
        nets=nets,
        slots=slots,
        cmdline=" ".join([*words, *([f"alias={quoted(name)}"] if name else [])]),
        listen=address,
        key_file=key_file,
        **_NOT_SERVED,
        **options,
    )


def _check_address(address: str) -> None:
    """Raises UsageError now, not when the model is loaded."""
    try:
        ip_address(address)
    except ValueError as error:
        raise UsageError(
            f"--listen {address}: this is not an address of IPv4 or IPv6",
            "give a numeric address of this host: 127.0.0.1, or 0.0.0.0 for all",
        ) from error


def _net(card: str, address: str, ports: list[tuple[int, int]]) -> Net:
    """A card whose connections come from this host: ``ports`` of it, and of the guest. The kernel reaches nothing."""
    forwards = []
    for port, guest_port in ports:
        if port == 0:
            port = free_port(address)
        else:
            check_port(address, port)
        forwards.append(Forward(port, guest_port, address))
    return Net(card, tuple(forwards), restrict=True)


_OWN = [
    click.Option(
        ["--target"], type=click.Choice(["bare", "hosted"]), default="hosted", show_default=True,
        help="hosted: a Linux process. bare: the kernel in QEMU, with a network card.",
    ),
    click.Option(["--card"], type=click.Choice(tuple(CARDS)), metavar="CARD",
                 help=f"With --target bare the network card: {', '.join(CARDS)}. [default: virtio]"),
    click.Option(["--port"], type=click.IntRange(0, 65535), default=8080, show_default=True, metavar="N",
                 help="The TCP port; 0: any that is free."),
    click.Option(["--listen", "address"], default="127.0.0.1", show_default=True, metavar="ADDRESS",
                 help="The address of this host that clients reach; 0.0.0.0: all of them."),
    click.Option(["--slots"], type=click.IntRange(1, 64), default=SERVE_SLOTS, show_default=True, metavar="N",
                 help="Replies that are computed at once, in one pass over the weights; each has a context."),
    click.Option(["--queue"], type=click.IntRange(0, 1024), default=16, show_default=True, metavar="N",
                 help="Requests that may wait for a slot; a further one is refused with 503."),
    click.Option(["--client-timeout"], type=click.IntRange(1, 3600), default=10, show_default=True, metavar="S",
                 help="Seconds that a client has for the head of a request, or may stall."),
    click.Option(["--alias"], metavar="NAME",
                 help="The model's name for clients. [default: MODEL, or that in its file]"),
    click.Option(["--key-file"], type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
                 help="Requests must bring the API key that is the first line of FILE."),
    click.Option(["--modbus"], is_flag=True, help="Answer controllers by Modbus/TCP, too: docs/modbus.md."),
    click.Option(["--modbus-port"], type=click.IntRange(0, 65535), default=502, show_default=True, metavar="N",
                 help="With --modbus the TCP port; 0: any that is free."),
    click.Option(["--labels"], metavar="TEXT",
                 help="With --modbus what an answer may be: ok,warn,alarm; a slash begins another set."),
]  # fmt: skip

command = click.Command(
    "serve",
    callback=_serve,
    params=[
        *_OWN,
        *(p for p in run.command.params if p.name not in _OURS),
    ],
    help=_serve.__doc__,
)
