"""Network cards of a virtual machine. Each is wired to a network of its own inside QEMU, whose gateway is this host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kgpt_build.errors import UsageError

CARDS = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e"}
"""QEMU's devices on a PCI bus."""
SMALL_CARDS = {"virtio": "virtio-net-device"}
"""Those of a machine without a PCI bus."""
MODERN = "virtio-mmio.force-legacy=false"
"""Without a PCI bus QEMU's virtio devices speak version 0.9 unless they are told."""
LOOPBACK = "127.0.0.1"
_FORWARD = re.compile(r"(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})")
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", re.IGNORECASE)


@dataclass(frozen=True)
class Forward:
    """TCP connections to ``port`` of this host go to ``guest_port`` of the machine."""

    port: int
    guest_port: int
    address: str = LOOPBACK
    """Of this host. Only programs on this host reach the loopback address."""


@dataclass(frozen=True)
class Net:
    """A network card on QEMU's user network: no rights are needed, and the host is 10.0.2.2 there."""

    card: str = "virtio"
    """One of CARDS."""
    forwards: tuple[Forward, ...] = ()
    restrict: bool = False
    """The machine reaches nothing outside of QEMU; only forwarded connections come in."""
    mac: str = ""
    """Empty: QEMU's own."""


def parse_net(text: str) -> Net:
    """``user[,card=CARD][,hostfwd=[ADDRESS:]PORT:GUESTPORT]…[,mac=MAC][,restrict]``. Raises UsageError."""
    kind, *words = text.split(",")
    if kind != "user":
        raise UsageError(f"--net {text}: there is no network {kind}", "give --net user, perhaps with ,card=e1000")
    card, mac, restrict = "virtio", "", False
    forwards: list[Forward] = []
    for word in words:
        name, _, value = word.partition("=")
        if name == "card" and value in CARDS:
            card = value
        elif name == "hostfwd":
            forwards.append(_parse_forward(text, value))
        elif name == "mac" and _MAC.fullmatch(value):
            mac = value
        elif word == "restrict":
            restrict = True
        else:
            known = f"card={'|'.join(CARDS)}, hostfwd=[ADDRESS:]PORT:GUESTPORT, mac=ADDRESS of one card, restrict"
            raise UsageError(f"--net {text}: there is no {word}", f"behind user: {known}")
    return Net(card, tuple(forwards), restrict, mac)


def _parse_forward(text: str, value: str) -> Forward:
    match = _FORWARD.fullmatch(value)
    if match:
        address, port, guest_port = match[1] or LOOPBACK, int(match[2]), int(match[3])
        good = all(int(part) < 256 for part in address.split("."))
        if good and 0 < port < 1 << 16 and 0 < guest_port < 1 << 16:
            return Forward(port, guest_port, address)
    raise UsageError(f"--net {text}: {value} is no pair of ports", "for example hostfwd=8080:80")


def check_nets(nets: Sequence[Net], *, small: bool, machine: str) -> None:
    """Raise UsageError for cards that the machine cannot have; ``small``: it has no PCI bus."""
    if len(nets) > 8:
        raise UsageError(f"there are {len(nets)} network cards", "at most 8 fit")
    for net in nets:
        if small and net.card not in SMALL_CARDS:
            raise UsageError(f"{machine} has no card {net.card}", "leave out --machine, or take card=virtio")
    addresses = [(forward.address, forward.port) for net in nets for forward in net.forwards]
    for address, port in addresses:
        if addresses.count((address, port)) > 1:
            raise UsageError(f"port {port} of {address} is forwarded twice", "give each forward a port of its own")


def net_words(nets: Sequence[Net], *, small: bool) -> list[str]:
    """QEMU's words for ``nets``; ``small``: the machine has no PCI bus."""
    words = ["-global", MODERN] if small and nets else []
    for i, net in enumerate(nets):
        backend = ["user", f"id=net{i}", *(["restrict=on"] if net.restrict else [])]
        backend += [f"hostfwd=tcp:{each.address}:{each.port}-:{each.guest_port}" for each in net.forwards]
        device = [(SMALL_CARDS if small else CARDS)[net.card], f"netdev=net{i}"]
        device += [f"mac={net.mac}"] if net.mac else []
        # Without its ROM the firmware does not try to boot from the network.
        device += [] if small else ["romfile="]
        words += ["-netdev", ",".join(backend), "-device", ",".join(device)]
    return words
