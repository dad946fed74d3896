"""Compares what kgpt computes with tests/record/record.json, or writes that: ``python tests/record/record.py --help``.

The record holds the SHA-256 of logits, texts and weights for a list of models, options and trainings. Nobody says that
these bits are right (other tests do): only that they are the ones that were there before.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent / name) for name in ("unit", "hosted", "boot", "fuzz")]

from cases import CASES, Case  # noqa: E402
from runs import Bench, Digests  # noqa: E402

RECORD = HERE / "record.json"
COMMAND = "python tests/record/record.py"


def load() -> dict[str, Any]:
    """``entries`` (by name, the digests of its parts), and ``reasons``: of each writing."""
    empty: dict[str, Any] = {"reasons": [], "entries": {}}
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else empty


def write(found: Mapping[str, Digests], reason: str) -> int:
    """Put these entries into the record; how many of them are new or others."""
    record = load()
    changed = [name for name, digests in found.items() if record["entries"].get(name) != digests]
    if changed:
        record["entries"] |= {name: found[name] for name in changed}
        record["entries"] = {name: digests for name, digests in record["entries"].items() if name in CASES}
        record["reasons"].append(f"{reason} ({len(changed)} of {len(CASES)} entries)")
    entries = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(record['entries'][name])}" for name in sorted(record["entries"])
    )
    reasons = ",\n".join(f"  {json.dumps(text)}" for text in record["reasons"])
    RECORD.write_text(f'{{"reasons": [\n{reasons}\n],\n"entries": {{\n{entries}\n}}}}\n', encoding="utf-8")
    return len(changed)


def different(case: Case, way: str, expected: Digests | None, found: Digests) -> list[str]:
    """What to say where a way to compute a case does not give what it should."""
    again = f"If that is meant: {COMMAND} --write 'WHY' --only '{case.name}'"
    if expected is None:
        return [f"{case.name} is not in the record. {again}"]
    with_what = f" with {way}" if way else ""
    wrong = [part for part in sorted(expected.keys() | found.keys()) if expected.get(part) != found.get(part)]
    return [
        f"{case.name}{with_what}: {part}: expected {expected.get(part, 'none')}, got {found.get(part, 'none')}\n"
        f"  words: {case.words}\n  {again}"
        for part in wrong
    ]


def _only(expected: Digests, found: Digests) -> Digests:
    """The parts that another way has too: of a training that goes on, its end alone."""
    return {part: expected.get(part, "none") for part in found}


def check(case: Case, bench: Bench, expected: Digests | None, *, short: bool = False) -> list[str]:
    """What is wrong with a case, each line a part of a way to compute it."""
    if not case.possible(bench):
        return []
    wrong: list[str] = []
    for way, found in case.runs(bench, short):
        wrong += different(case, way, _only(expected, found) if way and expected else expected, found)
    return wrong


def check_kernel(case: Case, bench: Bench, expected: Digests | None) -> list[str]:
    """The same of a kernel in QEMU."""
    found = case.in_kernel(bench)
    assert found, "a run that computed nothing proves nothing"
    return different(case, "the kernel in QEMU", _only(expected, found) if expected else None, found)


def chosen(pattern: str, short: bool) -> list[Case]:
    return [case for case in CASES.values() if (case.short or not short) and fnmatch(case.name, pattern)]


def _written(cases: Sequence[Case], bench: Bench, reason: str) -> Iterator[str]:
    """Write the first way of each, if all others agree with it."""
    found = {}
    for case in cases:
        if not case.possible(bench):
            yield f"{case.name}: this processor has no {case.isa}"
            continue
        (_, first), *others = case.runs(bench)
        wrong = [line for way, other in others for line in different(case, way, _only(first, other), other)]
        if not wrong:
            found[case.name] = first
        yield from wrong
    print(f"{write(found, reason)} entries written to {RECORD}")


def _checked(cases: Sequence[Case], bench: Bench, short: bool, qemu: Sequence[str]) -> Iterator[str]:
    entries = load()["entries"]
    for case in cases:
        start = time.monotonic()
        wrong = check(case, bench, entries.get(case.name), short=short)
        if case.qemu in qemu:
            wrong += check_kernel(case, bench, entries.get(case.name))
        print(f"{'DIFFERENT' if wrong else 'equal':9} {time.monotonic() - start:6.2f} s  {case.name}", flush=True)
        yield from wrong


def main() -> int:
    """1 if anything is different."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Compare logits, texts and weights with the record.")
    parser.add_argument("--write", metavar="WHY", help="write what is computed now, and why it is another")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="entries such as 'lm/gemma3*' (default: all)")
    parser.add_argument("--short", action="store_true", help="the entries that make test compares")
    parser.add_argument("--qemu", action="store_true", help="in QEMU too, where that is a part of the record")
    parser.add_argument("--toolchain", default="zig", help="zig, clang or gcc: the bits must not depend on it")
    options = parser.parse_args()
    cases = chosen(options.only, options.short)
    if not cases:
        parser.error(f"no entry is named {options.only!r}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.toolchain)
        wrong = list(
            _written(cases, bench, options.write)
            if options.write
            else _checked(
                cases,
                bench,
                options.short,
                (("short",) if options.short else ("short", "long")) if options.qemu else (),
            )
        )
    print("\n".join(wrong) or f"{len(cases)} entries: nothing moved")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
