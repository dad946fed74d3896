"""Sizes in bytes: rounded up to a unit, and as text for a person."""

from __future__ import annotations

KIB, MIB = 1 << 10, 1 << 20
MB, GB = 10**6, 10**9


def rounded_up(size: int, unit: int) -> int:
    """The least multiple of ``unit`` that is not less than ``size``."""
    return -(-size // unit) * unit


def units_of(size: int, unit: int) -> int:
    """How many whole units hold ``size``."""
    return -(-size // unit)


def memory_text(size: int) -> str:
    """Memory, in powers of two as ``--memory`` counts it: ``12.5 MB``, or below 1 MiB ``13 KB``."""
    return f"{size / MIB:.1f} MB" if size >= MIB else f"{units_of(size, KIB)} KB"


def file_text(size: int, digits: int = 0) -> str:
    """A file, in powers of ten as disks count it: ``93 MB``, with ``digits`` behind the point."""
    return f"{size / MB:,.{digits}f} MB"
