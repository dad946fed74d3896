"""Counts properties of the sources: ``python -m benchmarks.house [COMMIT or FOLDER …]``, a column for each.

It prints sizes of rooms (folders), files and functions, names that two files share, circles of includes, and long
lines. It builds nothing and asserts nothing.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "unit"))
from arrows import arrows, c_circles, circles  # noqa: E402

SOURCES = (".c", ".h", ".S", ".def", ".py", ".ld", ".mk")
GENERATED = ("dmath_tables.h",)
"""Generated tables, whose length is not counted."""
SOURCE_COLUMNS, PROSE_COLUMNS = 120, 110
Graph = Mapping[str, set[str]]

_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
_NAME = re.compile(r"(\w+)\s*\(")


@dataclass(frozen=True)
class Function:
    """A function's definition; ``lines`` counts from its first word to its last brace."""

    name: str
    path: str
    lines: int
    static: bool

    def __str__(self) -> str:
        return f"{self.lines} {self.name} ({self.path})"


class House:
    """The sources of one commit or folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> dict[str, str]:
        """Path -> text of each source in the folders of the project."""
        found = {}
        for top in ("kernel_c", "boot", "linker", "kgpt_build", "tests", "benchmarks", "scripts"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in SOURCES and path.is_file() and "__pycache__" not in path.parts:
                    found[str(path.relative_to(self.root))] = path.read_text(encoding="utf-8", errors="replace")
        return found

    def of(self, top: str, *suffixes: str) -> dict[str, str]:
        """The sources below ``top`` with one of ``suffixes``."""
        return {path: text for path, text in self.files.items() if path.startswith(top) and path.endswith(suffixes)}

    def rooms(self, top: str) -> Counter[str]:
        """The number of files in each folder, without self-tests (_test.c)."""
        return Counter(str(Path(path).parent) for path in self.of(top, *SOURCES) if not path.endswith("_test.c"))

    def lengths(self, top: str, *suffixes: str) -> Counter[str]:
        """The number of lines of each file, without generated files."""
        return Counter(
            {path: text.count("\n") for path, text in self.of(top, *suffixes).items() if not path.endswith(GENERATED)}
        )

    @cached_property
    def c_functions(self) -> list[Function]:
        """The functions of the kernel."""
        return [one for path, text in self.of("kernel_c", ".c", ".h").items() for one in _c_functions(path, text)]

    @cached_property
    def python_functions(self) -> list[Function]:
        """The functions of the package kgpt_build."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [
            Function(node.name, path, (node.end_lineno or node.lineno) - node.lineno + 1, static=False)
            for path, text in self.of("kgpt_build", ".py").items()
            for node in ast.walk(ast.parse(text))
            if isinstance(node, kinds)
        ]

    @cached_property
    def shared_statics(self) -> dict[str, set[str]]:
        """Names of static functions in more than one file -> these files."""
        found: dict[str, set[str]] = defaultdict(set)
        for function in self.c_functions:
            if function.static and function.path.endswith(".c"):
                found[function.name].add(function.path)
        return {name: paths for name, paths in sorted(found.items()) if len(paths) > 1}

    @cached_property
    def includes(self) -> Graph:
        """The graph of includes between files of the kernel."""
        files = self.of("kernel_c", ".c", ".h", ".S", ".def")
        graph: dict[str, set[str]] = {path: set() for path in files}
        for path, text in files.items():
            for name in _INCLUDE.findall(text):
                near = (Path(path).parent / name, Path("kernel_c/include") / name, Path("kernel_c") / name)
                graph[path] |= {str(place) for place in near[:1] if str(place) in files} or {
                    str(place) for place in near[1:] if str(place) in files
                }
        return graph

    @cached_property
    def room_includes(self) -> Graph:
        """The graph of includes between rooms of the kernel, without the common headers of kernel_c/include."""
        graph: dict[str, set[str]] = defaultdict(set)
        for path, others in self.includes.items():
            room = str(Path(path).parent)
            graph[room] |= {str(Path(other).parent) for other in others} - {room}
        return {room: {other for other in others if "/include" not in other} for room, others in graph.items()}

    def call_circles(self) -> list[str]:
        """Circles of calls between C files, found like the test of the arrows; not circles that a header explains."""
        contracts = arrows((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), "C").contracts
        kernel = {path.removeprefix("kernel_c/"): text for path, text in self.of("kernel_c", ".c", ".h").items()}
        return c_circles(kernel, contracts)

    def long_lines(self) -> list[str]:
        """Source lines longer than SOURCE_COLUMNS."""
        return [
            f"{path}:{number}"
            for path, text in self.files.items()
            for number, line in enumerate(text.splitlines(), 1)
            if len(line) > SOURCE_COLUMNS
        ]

    def long_prose(self) -> Counter[str]:
        """Lines of documents longer than PROSE_COLUMNS, without tables and code."""
        found: Counter[str] = Counter()
        for path in [*sorted(self.root.glob("*.md")), *sorted(self.root.glob("docs/*.md"))]:
            fenced = False
            for line in path.read_text(encoding="utf-8").splitlines():
                fenced ^= line.lstrip().startswith("```")
                if not fenced and not line.startswith("|") and len(line) > PROSE_COLUMNS:
                    found[str(path.relative_to(self.root))] += 1
        return found


def _c_functions(path: str, text: str) -> Iterator[Function]:
    """Find functions by clang-format's style: the braces of a body are alone at the beginning of a line."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if line != "{":
            continue
        first = at
        while first and lines[first - 1] and not re.search(r"[;}]$|\*/$|^#|\\$", lines[first - 1]):
            first -= 1
        signature = " ".join(lines[first:at])
        end = next((i for i in range(at, len(lines)) if lines[i].startswith("}")), len(lines) - 1)
        signature = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", signature)
        name = _NAME.search(signature)
        if name:
            yield Function(name[1], path, end - first + 1, signature.startswith("static "))


def _most(counted: Counter[str], n: int = 3) -> list[str]:
    return [f"{count} {name}" for name, count in counted.most_common(n)]


def _longest(functions: Iterable[Function], n: int = 3) -> list[str]:
    return [str(one) for one in sorted(functions, key=lambda one: -one.lines)[:n]]


def _numbered(found: Iterable[str]) -> list[str]:
    lines = list(found)
    return [str(len(lines)), *lines]


ROWS: dict[str, Callable[[House], list[str]]] = {
    "files in a room, C": lambda house: _most(house.rooms("kernel_c")),
    "files in a room, Python": lambda house: _most(house.rooms("kgpt_build")),
    "files in a room, tests": lambda house: _most(house.rooms("tests")),
    "lines of a C file": lambda house: _most(house.lengths("kernel_c", ".c", ".h")),
    "C files over 500 lines": lambda house: _above(house.lengths("kernel_c", ".c", ".h"), 500),
    "lines of a Python file": lambda house: _most(house.lengths("kgpt_build", ".py")),
    "Python files over 400 lines": lambda house: _above(house.lengths("kgpt_build", ".py"), 400),
    "lines of a C function": lambda house: _longest(house.c_functions),
    "C functions over 60 lines": lambda house: [str(sum(one.lines > 60 for one in house.c_functions))],
    "lines of a Python function": lambda house: _longest(house.python_functions),
    "Python functions over 60 lines": lambda house: [str(sum(one.lines > 60 for one in house.python_functions))],
    "names of statics in several files": lambda house: _numbered(
        f"{name} ({len(paths)})" for name, paths in house.shared_statics.items()
    ),
    "circles of files by includes": lambda house: _numbered(
        " ".join(sorted(group)) for group in circles(house.includes)
    ),
    "circles of rooms by includes": lambda house: _numbered(
        " ".join(sorted(group)) for group in circles(house.room_includes)
    ),
    "circles of C files by calls": lambda house: _numbered(house.call_circles()),
    f"source lines over {SOURCE_COLUMNS} columns": lambda house: [str(len(house.long_lines()))],
    f"prose lines over {PROSE_COLUMNS} columns": lambda house: [
        str(house.long_prose().total()),
        *_most(house.long_prose()),
    ],
}
"""The rows of the table: the first line is the number, the others are the list for --list."""


def _above(counted: Counter[str], most: int) -> list[str]:
    return _numbered(f"{count} {name}" for name, count in counted.most_common() if count > most)


def counted(what: str) -> dict[str, list[str]]:
    """The rows for a folder or a commit."""
    if Path(what).is_dir():
        house = House(Path(what))
        return {row: count(house) for row, count in ROWS.items()}
    archive = subprocess.run(["git", "archive", what], cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory(prefix="kgpt-house-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return counted(folder)


def main() -> None:
    """Print the table; with --list also the counted items."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("what", nargs="*", default=["."], metavar="COMMIT|FOLDER", help="default: this folder")
    parser.add_argument("--list", action="store_true", help="print what was counted too")
    options = parser.parse_args()
    columns = {what: counted(what) for what in options.what}
    width = max(map(len, ROWS))
    print(f"{'':{width}}  " + "  ".join(f"{what:>48}" for what in columns))
    for row in ROWS:
        print(f"{row:{width}}  " + "  ".join(f"{values[row][0][-48:]:>48}" for values in columns.values()))
    for what, values in columns.items() if options.list else ():
        for row, (_, *others) in values.items():
            print("\n".join([f"\n{what}: {row}", *others]) if others else "", end="")
        print()


if __name__ == "__main__":
    main()
