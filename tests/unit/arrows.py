"""Which room uses which, in C and in Python, and what docs/architecture.md allows."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

Files = Mapping[str, str]
"""Texts by their paths below kernel_c or kgpt_build."""

_COMMENTS = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
_DEFINITION = re.compile(r"^(?!static\b)[A-Za-z_][\w \*]*?[ \*](kg_\w+|plat_\w+)\([^;{}]*\)\n\{", re.MULTILINE)
_WORD = re.compile(r"\b(?:kg|plat)_\w+")


@dataclass
class Arrows:
    """What a fenced block allows: pairs of rooms, and the headers whose functions are defined above them."""

    allowed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    contracts: set[str] = field(default_factory=set)

    @property
    def rooms(self) -> set[str]:
        return {*self.allowed, *(room for rooms in self.allowed.values() for room in rooms)}

    def room(self, path: str) -> str:
        """The room of a file: the longest of the block's names that its path begins with; "" if there is none."""
        fits = [room for room in self.rooms if path == room or path.startswith(f"{room}/")]
        return max(fits, key=len, default="")

    def forbids(self, user: str, used: str) -> bool:
        return user != used and used not in self.allowed[user]


def arrows(document: str, language: str) -> Arrows:
    """The block of ``document`` for ``language``. Each line is a chain: a room uses all that lies right of it, and what
    those use; rooms between commas do not use each other.
    """
    match = re.search(rf"^```arrows {language}\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    assert match, f"no arrows for {language}"
    found = Arrows()
    for line in match[1].splitlines():
        if line.startswith("contracts: "):
            found.contracts = set(line.removeprefix("contracts: ").split())
            continue
        steps = [[room.strip() for room in step.split(",")] for step in line.split("→")]
        for i, step in enumerate(steps):
            for room in step:
                found.allowed[room] |= {lower for later in steps[i + 1 :] for lower in later}
    _close(found.allowed)
    return found


def _close(allowed: dict[str, set[str]]) -> None:
    grown = True
    while grown:
        grown = False
        for room in list(allowed):
            more = {far for near in allowed[room] for far in allowed.get(near, ())} - allowed[room]
            grown = grown or bool(more)
            allowed[room] |= more


def wrong_arrows(uses: Iterable[tuple[str, str]], allowed: Arrows) -> list[str]:
    """What is wrong with these uses of one file by another."""
    found = []
    for user, used in sorted(set(uses)):
        a, b = allowed.room(user), allowed.room(used)
        if not a or not b:
            found.append(f"{user if not a else used}: in no room of docs/architecture.md")
        elif allowed.forbids(a, b):
            found.append(f"{user} uses {used}, but {a} is not above {b}")
    return found


# --- C ---


def c_uses(files: Files, contracts: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Pairs of files: a file includes a header. A public header stands for the files that define its functions; a
    contract, whose functions are defined above it, stands for itself.
    """
    where = {path: _defined(text) for path, text in files.items() if path.endswith(".c")}
    owners = {path: _definers(where, text) for path, text in files.items() if path.startswith("include/")}
    for user, text in files.items():
        for name in _INCLUDE.findall(text):
            beside = str(PurePosixPath(user).parent / name)
            used = next((path for path in (beside, name, f"include/{name}") if path in files), None)
            if used is None:
                continue  # generated
            given = [] if used.removeprefix("include/") in contracts else owners.get(used, [])
            users = owners.get(user, []) if user.removeprefix("include/") not in contracts else []
            for a in users or [user]:
                yield from ((a, b) for b in given or [used] if a != b)


def _definers(where: Mapping[str, set[str]], header: str) -> list[str]:
    """The C files that define what ``header`` declares."""
    declared = set(re.findall(r"\b(kg_\w+|plat_\w+)\(", bare(header)))
    return [path for path, defined in where.items() if declared & defined]


def bare(text: str) -> str:
    """C without comments and strings."""
    return _COMMENTS.sub("", text)


def _defined(text: str) -> set[str]:
    return set(_DEFINITION.findall(bare(text)))


def c_circles(files: Files, contracts: Iterable[str] = ()) -> list[str]:
    """Circles of C files that call each other, but for those that a header explains: its comment names all files of the
    circle behind the word "Circle:". Functions of contracts count for nothing.
    """
    sources = {path: bare(text) for path, text in files.items() if path.endswith(".c")}
    headers = {path: text for path, text in files.items() if path.endswith(".h")}
    outside = {
        name
        for path, text in headers.items()
        if path.removeprefix("include/") in contracts
        for name in _WORD.findall(bare(text))
    }
    where = {name: path for path, text in sources.items() for name in set(_DEFINITION.findall(text)) - outside}
    calls = {
        path: {where[name] for name in set(_WORD.findall(text)) if name in where} - {path}
        for path, text in sources.items()
    }
    explained = [
        set(re.findall(r"\w+\.c", match))
        for text in headers.values()
        for match in re.findall(r"Circle: ((?:\w+\.c[ ,\n*]*)+)", text)
    ]
    found = circles(calls)
    return [" ".join(sorted(c)) for c in found if not any({PurePosixPath(p).name for p in c} <= e for e in explained)]


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """The strongly connected sets of more than one node."""
    reach = {node: _reached(graph, node) for node in graph}
    found: list[set[str]] = []
    for node in sorted(graph):
        together = {other for other in reach[node] if node in reach.get(other, ())}
        if len(together) > 1 and together not in found:
            found.append(together)
    return found


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for node in graph.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


# --- Python ---


def python_uses(files: Files, package: str) -> Iterator[tuple[str, str]]:
    """Pairs of modules, as paths without ``.py``: a module imports another one, at its top or inside a function."""
    for path, text in files.items():
        user = path.removesuffix(".py").removesuffix("/__init__")
        folder = PurePosixPath(path).parent
        for node in ast.walk(ast.parse(text)):
            for name in _imported(node, package, folder):
                if name:
                    yield user, name


def _imported(node: ast.AST, package: str, folder: PurePosixPath) -> list[str]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            up = (PurePosixPath(package) / folder).parts
            base = ".".join((*up[: len(up) - node.level + 1], *filter(None, [base])))
        modules = [f"{base}.{alias.name}" for alias in node.names] if base == package else [base]
    else:
        return []
    inside = [name.removeprefix(package).lstrip(".") for name in modules if name.split(".")[0] == package]
    return [name.replace(".", "/") for name in inside]
