"""Processes as /proc has them, for tests that ask what is left behind."""

from __future__ import annotations

from pathlib import Path


def runs(pid: int) -> bool:
    """There is such a process, and it is no zombie, which nobody may have waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The processes that the main thread of ``pid`` has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
