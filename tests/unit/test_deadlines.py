"""Deadlines of the tests grow with how slow and how busy the machine is: they come from pace.limit()."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MOST = 5.0
"""A time up to this is one that is meant to pass: a test of what happens then, or a look that is repeated."""
BY_KEYWORD = {"run", "check_output", "check_call", "communicate", "wait", "run_hosted", "HostedProcess", "urlopen"}
"""Functions that take ``timeout=`` as it is. Others, as the fixture ``boot``, stretch it themselves."""
WAITS = ("process", "machine", "thread", "worker")
"""What ends: ``process.wait(30)``. A simulated network has a ``wait``, too."""


def _constants(tree: ast.Module) -> dict[str, float]:
    """Numbers that the file names."""
    found = {}
    for line in tree.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int() | float() as number)):
                found[name] = float(number)
    return found


def _seconds(node: ast.expr, names: dict[str, float]) -> float:
    """The number that ``node`` says without a call; 0: it says none."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name():
            return names.get(node.id, 0.0)
        case ast.BinOp(op=ast.Mult()):
            return _seconds(node.left, names) * _seconds(node.right, names)
        case _:
            return 0.0


def _waits(node: ast.AST) -> Iterator[ast.expr]:
    """The times that ``node`` itself waits for."""
    match node:
        case ast.BinOp(op=ast.Add(), left=ast.Call(func=ast.Attribute(attr="monotonic" | "perf_counter"))):
            yield node.right
        case ast.Call(func=ast.Attribute(attr="settimeout" | "timeout"), args=[first]):
            yield first
        case ast.Call(func=ast.Attribute(attr="wait" | "join", value=what), args=[first]):
            if ast.unparse(what).split(".")[-1] in WAITS:
                yield first
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in BY_KEYWORD:
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "timeout")


def fixed_deadlines(source: str) -> list[int]:
    """Lines with a deadline that is the same on every machine."""
    tree = ast.parse(source)
    names = _constants(tree)
    return [each.lineno for node in ast.walk(tree) for each in _waits(node) if _seconds(each, names) > MOST]


def test_no_deadline_is_fixed() -> None:
    """What is enough on a quiet machine is not on a busy one: say pace.limit(SECONDS)."""
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in fixed_deadlines(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("subprocess.run(x, timeout=60)", [1]),
        ("SECONDS = 240.0\nend = time.monotonic() + SECONDS", [2]),
        ("S = 60\nrun_hosted(x, timeout=2 * S)", [2]),
        ("peer.process.wait(30)", [1]),
        ("server.settimeout(60)", [1]),
        ("@pytest.mark.timeout(3600)\ndef test() -> None: ...", [1]),
        ("subprocess.run(x, timeout=pace.limit(60))", []),
        ("end = time.monotonic() + pace.limit(SECONDS)", []),
        ("process.run(x, timeout=0.5)\nwire.socket.settimeout(0.1)", []),
        ("stack.wait(40_000)\nboot(image=image, timeout=240)", []),
    ],
)
def test_a_fixed_deadline_is_seen(source: str, lines: list[int]) -> None:
    assert fixed_deadlines(source) == lines
