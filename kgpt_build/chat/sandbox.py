"""Jinja's sandbox for untrusted templates, with limits on steps and on the size of values.

Steps and sizes are counted instead of time, so that a template gets the same result on every machine. A single endless
operation in C is not counted; the limits of the process end it: see ``worker``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_STEPS = 50_000
"""Rounds of loops and calls of macros in one rendering; public templates need fewer than 1,000."""
MAX_SIZE = 1 << 20
"""Characters or elements of a value that an operator or a call returns."""

_STEPS, _STEP = "kgpt_steps", "kgpt_step"


class OutOfBounds(SecurityError):
    """The template has exceeded a limit."""


class _Generation(Extension):
    """``{% generation %}`` marks text for training; its content is rendered normally."""

    tags = {"generation"}  # noqa: RUF012 the base class has it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of transformers, with limits. ``begin`` starts the count of a rendering."""

    intercepted_binops = frozenset(["*", "**", "+", "%"])

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.steps = 0
        self.globals |= {_STEPS: self._count, _STEP: self._step}

    def begin(self) -> None:
        """Start the count of a new rendering."""
        self.steps = 0

    def counted(self, source: str) -> nodes.Template:
        """The tree of ``source``, in which every loop and macro counts its rounds. Raises TemplateSyntaxError."""
        try:
            tree = self.parse(source)
        except RecursionError:
            raise TemplateSyntaxError("it is nested too deeply", 1) from None
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Call(nodes.Name(_STEPS, "load"), [loop.iter], [], None, None)
            if loop.recursive:
                loop.body.insert(0, _one_step())
        macros, calls = tree.find_all(nodes.Macro), tree.find_all(nodes.CallBlock)
        for body in (*(macro.body for macro in macros), *(call.body for call in calls)):
            body.insert(0, _one_step())
        tree.set_environment(self)
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator, unless its result is too large."""
        if operator == "*":
            _check_size(_size(left) * right if isinstance(right, int) else 0)
            _check_size(_size(right) * left if isinstance(left, int) else 0)
        elif operator == "**":
            _check_size(abs(right) if isinstance(right, (int, float)) else 0)
        return _checked(super().call_binop(context, operator, left, right))

    def call(self, context: Context, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function, unless a number among its arguments or its result is too large."""
        for argument in (*args, *kwargs.values()):
            if isinstance(argument, int):
                _check_size(abs(argument))
        return _checked(super().call(context, function, *args, **kwargs))

    def _count(self, items: Iterable[Any]) -> Iterable[Any]:
        """``items`` with counted rounds; a collection keeps its length, which ``loop.length`` needs."""
        return _CountedItems(items, self._step) if hasattr(items, "__len__") else self._count_each(items)

    def _count_each(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self._step()
            yield item

    def _step(self) -> str:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise OutOfBounds(f"it takes more than {MAX_STEPS:,} steps for one conversation")
        return ""


class _CountedItems:
    """A collection that counts the items taken out of it."""

    def __init__(self, items: Any, step: Any) -> None:
        self._items, self._step = items, step

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self._step()
            yield item


def _one_step() -> nodes.Stmt:
    """``{% do kgpt_step() %}``."""
    return nodes.ExprStmt(nodes.Call(nodes.Name(_STEP, "load"), [], [], None, None))


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes, list, tuple)) else 0


def _check_size(size: float) -> None:
    if size > MAX_SIZE:
        raise OutOfBounds(f"it makes a value of more than {MAX_SIZE:,} characters or elements")


def _checked(value: Any) -> Any:
    _check_size(_size(value))
    if isinstance(value, int):
        _check_size(value.bit_length())
    return value


def constants(environment: Environment, source: str) -> set[str]:
    """The string constants in the expressions of ``source``."""
    found = environment.parse(source).find_all(nodes.Const)
    return {node.value for node in found if isinstance(node.value, str)}
