"""Sizes in bytes: rounding up to units, and texts for messages."""

from __future__ import annotations

KIB, MIB = 1 << 10, 1 << 20
MB, GB = 10**6, 10**9


def rounded_up(size: int, unit: int) -> int:
    """The least multiple of ``unit`` that is not less than ``size``."""
    return -(-size // unit) * unit


def units_of(size: int, unit: int) -> int:
    """The least number of units that hold ``size`` bytes."""
    return -(-size // unit)


def memory_text(size: int) -> str:
    """A size of memory in powers of two, as ``--memory`` counts: ``12.5 MB``, or below 1 MiB ``13 KB``."""
    return f"{size / MIB:.1f} MB" if size >= MIB else f"{units_of(size, KIB)} KB"


def file_text(size: int, digits: int = 0) -> str:
    """A size of a file in powers of ten, as disks count: ``93 MB``, with ``digits`` behind the point."""
    return f"{size / MB:,.{digits}f} MB"
