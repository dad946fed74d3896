"""The machine channel of docs/events.md, typed: one frozen class per event (kinds.py), made from a line of JSON."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from kgpt_build.events.event import Address as Address
from kgpt_build.events.event import BadEvent as BadEvent
from kgpt_build.events.event import Event as Event
from kgpt_build.events.event import Unknown as Unknown
from kgpt_build.events.kinds import *  # noqa: F403
from kgpt_build.events.kinds import EVENTS as EVENTS
from kgpt_build.events.kinds import Config
from kgpt_build.settings import of_groups


def parse_event(line: bytes) -> Event:
    """Parse one line of the machine channel, with or without its newline.

    Raises BadEvent if the line is not a JSON object with ``event``, or if a known event lacks a key without a default.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise BadEvent(f"the machine channel carried a line that is no JSON: {_shown(line)}") from error
    if not isinstance(data, dict) or not isinstance(data.get("event"), str):
        raise BadEvent(f"the machine channel carried a line that is no event: {_shown(line)}")
    kind = EVENTS.get(data["event"])
    if kind is None:
        return Unknown(data["event"])
    try:
        values = {name: read(data[name]) for name, read, must in _fields(kind.event) if must or name in data}
        return kind(**values, **_options(data) if kind is Config else {})
    except KeyError as error:
        raise BadEvent(f"the event {data['event']} lacks {error}: {_shown(line)}") from error
    except (TypeError, ValueError) as error:
        raise BadEvent(f"the event {data['event']} is malformed ({error}): {_shown(line)}") from error


def event_name(event: Event) -> str:
    """The name in docs/events.md: ``boot``, ``sample``, …"""
    return event.kind if isinstance(event, Unknown) else event.event


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling options in a ``config`` event. Those of language models may be missing."""
    read: dict[str, Any] = {"COUNT": _exactly(int), "DECIMAL": _number}
    table = of_groups("SAMPLING", "LM_SAMPLING")
    found = {each.name: read[each.kind](data[each.name]) for each in table if each.name in data or not each.is_for_lm}
    return {"options": found}


@functools.cache  # a training sends thousands of events a second
def _fields(name: str) -> tuple[tuple[str, Callable[[Any], Any], bool], ...]:
    """The keys of an event: name, reader of the value, and whether the key must be there."""
    kind = EVENTS[name]
    hints = get_type_hints(kind)
    return tuple(
        (field.name, _READERS[hints[field.name]], field.default is dataclasses.MISSING)
        for field in dataclasses.fields(kind)
        if field.name != "options"
    )


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # bool is an int in Python, not in JSON.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return read


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _address(value: Any) -> Address:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise TypeError(f"{value!r} is no address")
    return Address(int(value, 16))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_exactly(str)(item) for item in _exactly(list)(value))


def _wholes(value: Any) -> tuple[int, ...]:
    return tuple(_exactly(int)(item) for item in _exactly(list)(value))


def _objects(value: Any) -> tuple[Mapping[str, Any], ...]:
    return tuple(_exactly(dict)(item) for item in _exactly(list)(value))


def _addresses(value: Any) -> tuple[Address, ...]:
    return tuple(_address(item) for item in _exactly(list)(value))


def _registers(value: Any) -> dict[str, Address]:
    return {name: _address(item) for name, item in _exactly(dict)(value).items()}


_READERS: Mapping[Any, Callable[[Any], Any]] = {
    str: _exactly(str),
    int: _exactly(int),
    bool: _exactly(bool),
    float: _number,
    Address: _address,
    tuple[str, ...]: _texts,
    tuple[int, ...]: _wholes,
    tuple[Mapping[str, Any], ...]: _objects,
    tuple[Address, ...]: _addresses,
    Mapping[str, Address]: _registers,
}


def _shown(line: bytes, limit: int = 120) -> str:
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    return repr(text if len(text) <= limit else text[:limit] + "…")
