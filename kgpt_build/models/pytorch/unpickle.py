"""Reads a pickle from a stranger without running anything: a machine for pickle's instructions that builds data only.

``pickletools.genops`` cuts the bytes into instructions and checks their lengths. Instructions that are not in the table
below, and names of functions and classes that the caller does not list, are refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kgpt_build.errors import KgptError

MOST_BYTES, MOST_STEPS = 8 << 20, 2_000_000
"""A checkpoint of GPT-2 XL with its optimizer has 0.6 MB of pickle; each step makes at most one object."""

_DAMAGED = "the file is damaged, or is not what its name says"
_LARGEST = 1 << 63


@dataclass(frozen=True)
class Known:
    """A function or class that a pickle may name. ``call`` gives the value of a call; None: it may only be named."""

    name: str
    call: Callable[..., Any] | None = None


class _Mark:
    """The beginning of a list of values on the stack."""


_MARK = _Mark()


def unpickle(
    data: bytes, what: str, known: Mapping[str, Known] | None = None, stored: Callable[[Any], Any] | None = None
) -> Any:
    """The value in ``data``: dicts, lists, tuples, texts, bytes, numbers, and what calls of ``known`` return.

    ``known``: by "module.name". ``stored`` makes a value of a persistent id. ``what`` names the pickle in messages.
    Raises KgptError for anything else.
    """
    if len(data) > MOST_BYTES:
        raise KgptError(f"{what} has {len(data):,} bytes, more than the {MOST_BYTES:,} that are read", _DAMAGED)
    machine = _Machine(what, known or {}, stored)
    try:
        return machine.run(data)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise KgptError(f"{what} is no valid pickle: {error or type(error).__name__}", _DAMAGED) from None


class _Machine:
    """The stack and the memo of a pickle. Its methods raise KeyError, IndexError… where the pickle is damaged."""

    def __init__(self, what: str, known: Mapping[str, Known], stored: Callable[[Any], Any] | None) -> None:
        self._what, self._known, self._stored = what, known, stored
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        """Run the instructions up to STOP; the value on the stack."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if step > MOST_STEPS:
                raise KgptError(f"{self._what} has more than {MOST_STEPS:,} instructions", _DAMAGED)
            if opcode.name == "STOP":
                break
            if opcode.name in _VALUES:
                self._stack.append(_plain(argument))
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            elif opcode.name not in _IGNORED:
                raise KgptError(
                    f"{self._what} holds the pickle instruction {opcode.name}, which plain data does not need",
                    "it is not run: save the weights alone, with torch.save(model.state_dict(), PATH)",
                )
        value = self.take()
        if self._stack:
            raise ValueError("values are left over")
        return value

    def _cut(self) -> list[Any]:
        """The values behind the last mark, which leave the stack."""
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark before a list of values")
        values = self._stack[at + 1 :]
        del self._stack[at:]
        return values

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def take(self) -> Any:
        if self._stack[-1] is _MARK:
            raise ValueError("a mark where a value belongs")
        return self._stack.pop()

    def tuple_of(self, count: int | None) -> None:
        values = self._cut() if count is None else [self.take() for _ in range(count)][::-1]
        self.push(tuple(values))

    def append(self, several: bool) -> None:
        values = self._cut() if several else [self.take()]
        of = self._stack[-1]
        if not isinstance(of, list):
            raise ValueError("values are appended to what is no list")
        of.extend(values)

    def set_items(self, several: bool) -> None:
        values = self._cut() if several else [self.take(), self.take()][::-1]
        of = self._stack[-1]
        if not isinstance(of, dict):
            raise ValueError("items are set of what is no dict")
        of.update(_pairs(values))

    def recall(self, at: int) -> None:
        self.push(self._memo[at])

    def memorize(self, at: int | None) -> None:
        self._memo[len(self._memo) if at is None else at] = self._stack[-1]

    def name(self, full: str | None) -> None:
        """Push what a pickle names: "module name" of GLOBAL, or two texts on the stack."""
        if full is None:
            name, module = self.take(), self.take()
        else:
            module, name = full.split(" ", 1)
        found = self._known.get(f"{module}.{name}")
        if found is None:
            raise KgptError(
                f"{self._what} wants {f'{module}.{name}'[:96]!r}, which could run code",
                "nothing of it is run: save the weights alone, with torch.save(model.state_dict(), PATH)",
            )
        self.push(found)

    def call(self, _: None) -> None:
        arguments, of = self.take(), self.take()
        if not isinstance(of, Known) or of.call is None or not isinstance(arguments, tuple):
            raise ValueError(f"a call of {of.name if isinstance(of, Known) else type(of).__name__}")
        self.push(of.call(*arguments))

    def build(self, _: None) -> None:
        """Attributes of a dict (state_dict() has _metadata) are dropped."""
        self.take()
        if not isinstance(self._stack[-1], dict):
            raise ValueError(f"attributes of a {type(self._stack[-1]).__name__}")

    def load_stored(self, _: None) -> None:
        if self._stored is None:
            raise ValueError("a reference to data outside it")
        self.push(self._stored(self.take()))


def _plain(value: Any) -> Any:
    """A number or text, numbers within 64 bits."""
    if isinstance(value, int) and not -_LARGEST <= value < 2 * _LARGEST:
        raise ValueError("a whole number of more than 64 bits")
    return value


def _pairs(values: Sequence[Any]) -> dict[Any, Any]:
    """Keys and values in turn. Keys are texts and numbers: no long chain of tuples is hashed."""
    keys = values[::2]
    if len(values) % 2 or not all(isinstance(key, str | int | float) for key in keys):
        raise ValueError("a key that is neither a text nor a number")
    return dict(zip(keys, values[1::2], strict=True))


_VALUES = frozenset(
    """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
    """.split()  # noqa: SIM905 - a list in quotes would take a page
)
"""Instructions that push their argument."""

_IGNORED = frozenset({"PROTO", "FRAME"})

_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine.push(_MARK),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "DICT": lambda machine, _: machine.push(_pairs(machine._cut())),
    "LIST": lambda machine, _: machine.push(machine._cut()),
    "TUPLE": lambda machine, _: machine.tuple_of(None),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.append(several=False),
    "APPENDS": lambda machine, _: machine.append(several=True),
    "SETITEM": lambda machine, _: machine.set_items(several=False),
    "SETITEMS": lambda machine, _: machine.set_items(several=True),
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "PUT": _Machine.memorize,
    "BINPUT": _Machine.memorize,
    "LONG_BINPUT": _Machine.memorize,
    "MEMOIZE": _Machine.memorize,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.load_stored,
}
