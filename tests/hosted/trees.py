"""Writes flattened device trees (Devicetree Specification 0.4, chapter 5), and that of a machine like QEMU's virt."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Value: TypeAlias = "bytes | str | Sequence[int] | Sequence[str]"
Node: TypeAlias = Mapping[str, Any]
"""Values, and nodes, by their names."""

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROPERTY, NOTHING, END = 1, 2, 3, 4, 9
GIC, GPIO = 0x8001, 0x8002
KEY_POWER = 116


def cells(*numbers: int) -> bytes:
    """Numbers of 32 bits."""
    return struct.pack(f">{len(numbers)}I", *numbers)


def wide(*numbers: int) -> bytes:
    """Numbers of 64 bits: two cells each."""
    return struct.pack(f">{len(numbers)}Q", *numbers)


def tree(root: Node, reservations: Sequence[tuple[int, int]] = (), version: int = 17, padding: int = 0) -> bytes:
    """The blob. Values are bytes, texts, lists of texts, or lists of cells."""
    names = bytearray()
    tokens = _node("", root, names) + cells(END)
    reserved = b"".join(wide(*pair) for pair in (*reservations, (0, 0)))
    at_tokens = 40 + len(reserved)
    at_names = at_tokens + len(tokens)
    total = at_names + len(names) + padding
    header = cells(MAGIC, total, at_tokens, at_names, 40, version, 16, 0, len(names), len(tokens))
    return header + reserved + tokens + bytes(names) + bytes(padding)


def _node(name: str, node: Node, names: bytearray) -> bytes:
    made = cells(BEGIN_NODE) + _padded(name.encode() + b"\0")
    for key, value in node.items():
        if not isinstance(value, Mapping):
            data = _value(value)
            made += cells(PROPERTY, len(data), _name(key, names)) + _padded(data)
    made += cells(NOTHING)
    for key, value in node.items():
        if isinstance(value, Mapping):
            made += _node(key, value, names)
    return made + cells(END_NODE)


def _name(key: str, names: bytearray) -> int:
    at = names.find(key.encode() + b"\0")
    if at < 0:
        at = len(names)
        names += key.encode() + b"\0"
    return at


def _value(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode() + b"\0"
    return b"".join(cells(one) if isinstance(one, int) else one.encode() + b"\0" for one in value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def device(kind: str, *ranges: int, **more: Any) -> dict[str, Any]:
    """A node with ``reg`` of 64 bits."""
    return {"compatible": kind, "reg": wide(*ranges), **more}


def virt(gic: int = 2, **changes: Any) -> dict[str, Any]:
    """The root of a tree like that of QEMU's virt with two processors; ``changes`` replace nodes."""
    controllers = {
        2: device("arm,cortex-a15-gic", 0x8000000, 0x10000, 0x8010000, 0x10000),
        3: device("arm,gic-v3", 0x8000000, 0x10000, 0x80A0000, 0xF60000),
    }
    pci = {
        "compatible": "pci-host-ecam-generic",
        "device_type": "pci",
        "#address-cells": [3],
        "#size-cells": [2],
        "bus-range": [0, 255],
        "dma-coherent": b"",
        "reg": wide(0x4010000000, 0x10000000),
        "ranges": cells(0x1000000) + wide(0, 0x3EFF0000, 0x10000)
        + cells(0x2000000) + wide(0x10000000, 0x10000000, 0x2EFF0000)
        + cells(0x3000000) + wide(0x8000000000, 0x8000000000, 0x8000000000),
    }  # fmt: skip
    root: dict[str, Any] = {
        "#address-cells": [2],
        "#size-cells": [2],
        "compatible": "linux,dummy-virt",
        "interrupt-parent": [GIC],
        "psci": {"compatible": ["arm,psci-1.0", "arm,psci-0.2", "arm,psci"], "method": "hvc"},
        "memory@40000000": {"device_type": "memory", "reg": wide(0x40000000, 0x8000000)},
        "platform@c000000": {"#address-cells": [1], "#size-cells": [1], "ranges": [0, 0, 0xC000000, 0x2000000]},
        "pl011@9000000": device(
            "arm,pl011", 0x9000000, 0x1000, interrupts=[0, 1, 4], **{"clock-names": ["uartclk", "apb_pclk"]}
        ),
        "pl031@9010000": device("arm,pl031", 0x9010000, 0x1000, interrupts=[0, 2, 4]),
        "intc@8000000": controllers[gic],
        "fw-cfg@9020000": device("qemu,fw-cfg-mmio", 0x9020000, 0x18),
        "pl061@9030000": device("arm,pl061", 0x9030000, 0x1000, interrupts=[0, 7, 4], phandle=[GPIO]),
        "gpio-keys": {"compatible": "gpio-keys", "poweroff": {"gpios": [GPIO, 3, 0], "linux,code": [KEY_POWER]}},
        "pcie@10000000": pci,
        "virtio_mmio@a000000": device("virtio,mmio", 0xA000000, 0x200, interrupts=[0, 16, 1]),
        "virtio_mmio@a000200": device("virtio,mmio", 0xA000200, 0x200, interrupts=[0, 17, 1]),
        "timer": {
            "compatible": ["arm,armv8-timer", "arm,armv7-timer"],
            "interrupts": [1, 13, 0x104, 1, 14, 0x104, 1, 11, 0x104, 1, 10, 0x104],
        },
        "cpus": {
            "#address-cells": [1],
            "#size-cells": [0],
            **{f"cpu@{i}": {"device_type": "cpu", "enable-method": "psci", "reg": [i]} for i in range(2)},
        },
        "chosen": {"stdout-path": "/pl011@9000000", "bootargs": "seed=7 exit"},
    }
    return {**root, **changes}
