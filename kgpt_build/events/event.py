"""What all events of the machine channel have in common."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, ClassVar

from kgpt_build.errors import MachineLost


class Address(int):
    """A number that is written as a string, ``"0x…"``."""


NO_ADDRESS = Address(0)
"""The default of a key that older kernels do not send."""


class BadEvent(MachineLost):
    """The machine channel carried a line that is not an event."""


@dataclass(frozen=True)
class Event:
    """Any event. Keys that docs/events.md does not name are dropped."""

    event: ClassVar[str] = ""


@dataclass(frozen=True)
class EventWithOptions(Event):
    """An event whose ``options`` are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["options"][name]
        except KeyError:
            raise AttributeError(f"the event {self.event} has no {name}") from None


@dataclass(frozen=True)
class Unknown(Event):
    """An event that this version does not know: a later one added it."""

    kind: str


def singles(digits: str) -> tuple[float, ...]:
    """The little-endian IEEE singles that hexadecimal ``digits`` hold."""
    return struct.unpack(f"<{len(digits) // 8}f", bytes.fromhex(digits))


def double(bits: int) -> float:
    """The IEEE double of 64 ``bits``."""
    value: float = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return value
