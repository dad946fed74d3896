"""What every event of the machine channel is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kgpt_build.errors import MachineLost


class Address(int):
    """A number that is written ``"0x…"``."""


class BadEvent(MachineLost):
    """The machine channel carried a line that is no event."""


@dataclass(frozen=True)
class Event:
    """Any event. Keys that docs/events.md does not name are in the line, not here."""

    event: ClassVar[str] = ""


@dataclass(frozen=True)
class Unknown(Event):
    """An event of a later version."""

    kind: str
