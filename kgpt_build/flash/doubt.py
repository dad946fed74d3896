"""What a disk that does not hold what was written to it suffers from, as far as its content tells."""

from __future__ import annotations

import mmap
from pathlib import Path

from kgpt_build.errors import KgptError

PAGE = 4096
_MANY = 16
"""Fewer pages than this at the end say nothing about the disk's size."""


class Comparison:
    """What was written beside what is there, from the beginning on, in pages."""

    def __init__(self) -> None:
        self.first: int | None = None
        """The first byte that differs."""
        self.wrong = 0
        self.right_after = 0
        """Pages after the first wrong one that are as written; blank ones are not counted, as they may be by chance."""
        self.sample: tuple[int, bytes] | None = None
        """The first wrong page that is not blank, and its place."""

    def add(self, offset: int, expected: bytes, found: bytes) -> None:
        """The next piece."""
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
    """The error for a comparison that found a difference; ``size`` is what the disk says it holds."""
    assert comparison.first is not None
    first = comparison.first
    what = f"{name} does not hold what was written to it, from byte {first:,} on"
    fake = "such a stick is sold as larger than it is, and is of no use for this image: take another one"
    if wrap := _wrapped(comparison, image):
        return KgptError(
            f"{what}: what belongs elsewhere is there, as it holds no more than {wrap:,} of the {size:,} bytes "
            "that it says, and begins again after these",
            fake,
        )
    if comparison.wrong >= _MANY and not comparison.right_after:
        return KgptError(
            f"{what}: nothing after that was kept, so it holds about {_round(first):,} bytes, and not the {size:,} "
            "that it says",
            fake,
        )
    return KgptError(
        f"{what}: {comparison.wrong:,} pages of {PAGE:,} bytes differ, and others after that do not",
        "the stick, its port or a hub is faulty: try another port, then another stick",
    )


def _wrapped(comparison: Comparison, image: Path) -> int:
    """How far from its place in the image the wrong page was written, or 0 if it is nowhere in it."""
    if comparison.sample is None:
        return 0
    offset, page = comparison.sample
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(page)
        while place >= 0 and place % PAGE:
            place = data.find(page, place + 1)
    return abs(place - offset) if place >= 0 else 0


def _round(offset: int) -> int:
    """Blocks are not erased in less than a few KB, so the difference may be found a little later than it is."""
    return offset // PAGE * PAGE


def _pages(data: bytes) -> list[tuple[int, bytes]]:
    return [(at, data[at : at + PAGE]) for at in range(0, len(data), PAGE)]


def _is_blank(page: bytes) -> bool:
    return page == page[:1] * len(page)
