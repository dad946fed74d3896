"""Diagnoses a disk that does not hold the data that was written to it: too small, wrapping around, or faulty."""

from __future__ import annotations

import mmap
from pathlib import Path

from kgpt_build.errors import KgptError

PAGE = 4096
_MANY = 16
"""Fewer wrong pages than this do not prove that the disk is smaller than it claims."""


class Comparison:
    """Compares the written data with the data read back, page by page from the beginning."""

    def __init__(self) -> None:
        self.first: int | None = None
        """Offset of the first byte that differs."""
        self.wrong = 0
        self.right_after = 0
        """Correct pages after the first wrong one, without blank pages, which may be correct by chance."""
        self.sample: tuple[int, bytes] | None = None
        """The first wrong page that is not blank: its offset and its content."""

    def add(self, offset: int, expected: bytes, found: bytes) -> None:
        """Compare the next piece."""
        if expected == found:
            if self.first is not None:
                self.right_after += sum(not _is_blank(page) for _, page in _pages(expected))
            return
        for (at, wanted), (_, page) in zip(_pages(expected), _pages(found), strict=True):
            self._add_page(offset + at, wanted, page)

    def _add_page(self, offset: int, wanted: bytes, page: bytes) -> None:
        if wanted == page:
            self.right_after += self.first is not None and not _is_blank(wanted)
            return
        if self.first is None:
            self.first = offset + next(i for i, (a, b) in enumerate(zip(wanted, page, strict=True)) if a != b)
        self.wrong += 1
        if self.sample is None and len(page) == PAGE and not _is_blank(page):
            self.sample = offset, page


def diagnose(comparison: Comparison, image: Path, name: str, size: int) -> KgptError:
    """The error for a comparison that found a difference; ``size`` is the size that the disk claims."""
    assert comparison.first is not None
    first = comparison.first
    what = f"{name} does not hold what was written to it, from byte {first:,} on"
    fake = "the stick is smaller than its label says, and too small for this image: take another one"
    if wrap := _wrapped(comparison, image):
        return KgptError(
            f"{what}: the data there belongs to another offset; the disk holds no more than {wrap:,} of the {size:,} "
            "bytes that it claims, and wraps around behind them",
            fake,
        )
    if comparison.wrong >= _MANY and not comparison.right_after:
        return KgptError(
            f"{what}: the disk has kept nothing from there on; it holds about {_round(first):,} bytes, not the "
            f"{size:,} that it claims",
            fake,
        )
    return KgptError(
        f"{what}: {comparison.wrong:,} pages of {PAGE:,} bytes differ, and later pages do not",
        "the stick, its port or a hub is faulty: try another port, then another stick",
    )


def _wrapped(comparison: Comparison, image: Path) -> int:
    """Distance in bytes between the wrong page's offset and its place in the image; 0: it is no page of the image."""
    if comparison.sample is None:
        return 0
    offset, page = comparison.sample
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(page)
        while place >= 0 and place % PAGE:
            place = data.find(page, place + 1)
    return abs(place - offset) if place >= 0 else 0


def _round(offset: int) -> int:
    """Round down: flash memory is erased in blocks of a few KB, so data can differ earlier than it is found."""
    return offset // PAGE * PAGE


def _pages(data: bytes) -> list[tuple[int, bytes]]:
    return [(at, data[at : at + PAGE]) for at in range(0, len(data), PAGE)]


def _is_blank(page: bytes) -> bool:
    return page == page[:1] * len(page)
