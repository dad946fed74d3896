"""What one core of this machine can do at most: bytes read from memory, and multiplications with addition."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.c_library import ZIG
from benchmarks.inference import bandwidth
from benchmarks.machine import cpu_flags

_NEEDS = {
    "int-avx2": {"avx2"},
    "int-avx512": {"avx512f", "avx512bw"},
    "vnni-256": {"avx512vl", "avx512_vnni"},
    "vnni-avx": {"avx_vnni"},
    "vnni-512": {"avx512f", "avx512_vnni"},
    "float-avx2": {"avx2"},
    "float-avx512": {"avx512f"},
}
"""Each peak of peaks.c -> the features that it needs, as Linux names them."""

_INTEGER = {
    "avx2": "int-avx2",
    "avxvnni": "vnni-avx",
    "evex": "vnni-256",
    "avx512": "int-avx512",
    "avx512vnni": "vnni-512",
}
"""A slot of the library -> the peak of its integer products; a slot that is not here (plain words) has none."""


@dataclass(frozen=True)
class Roofline:
    """Bytes per second that one core reads, and MACs per second by peak."""

    bandwidth: float
    peaks: Mapping[str, float]

    def peak(self, slot: str, *, is_float: bool) -> float | None:
        """MACs per second that bound products of this slot; None if no peak of it was measured."""
        if is_float:
            name = "float-avx512" if slot.startswith("avx512") else "float-avx2" if slot != "swar" else ""
        else:
            name = _INTEGER.get(slot, "")
        return self.peaks.get(name)


def measure(folder: Path) -> Roofline:
    """Compile the loops into ``folder`` and run those for which this processor has the instructions."""
    program = folder / "peaks"
    subprocess.run([*ZIG, "-O2", "-o", str(program), str(Path(__file__).with_name("peaks.c"))], check=True)
    flags = cpu_flags()
    names = [name for name, needed in _NEEDS.items() if needed <= flags]
    found = {name: float(subprocess.check_output([program, name], text=True)) for name in names}
    return Roofline(bandwidth.measure(bandwidth.build(folder), 1), found)
