"""What the network, HTTP and the API take in a kernel: docs/network.md#size."""

from __future__ import annotations

from pathlib import Path

from native import ROOT

from benchmarks import sizes

MOST = {"stack": 27_500, "HTTP and API": 42_700}
"""Bytes of code. Who adds a feature raises this, and the table in docs/network.md."""


def test_the_code_of_the_network_does_not_grow_unseen(kernel_without_model: Path) -> None:
    found = sizes.measure(kernel_without_model)
    code = {group: sum(found[group, part]["code"] for part in parts) for group, parts in sizes.GROUPS.items()}
    assert all(found[key].total() for key in found), "a part of the table has no bytes"
    assert {group: code[group] for group in MOST if not MOST[group] * 0.9 < code[group] <= MOST[group]} == {}


def test_every_file_of_the_network_belongs_to_a_part() -> None:
    folder = ROOT / "kernel_c"
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*.c")]
    assert len([file for file in files if file.startswith(sizes.ROOMS) and sizes.part_of(file)]) > 70
    named = {place for parts in sizes.GROUPS.values() for places in parts.values() for place in places.split()}
    assert [place for place in named if not list(folder.glob(place))] == []
