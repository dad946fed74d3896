"""Compare what kgpt computes with tests/record/record.json, or write it: ``python tests/record/record.py --help``.

The record has the SHA-256 of logits, texts and weights for a list of models, options and trainings. It shows that a
change of the code moved no bit. Other tests show that the bits are right.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent / name) for name in ("unit", "hosted", "boot", "fuzz")]

from cases import CASES, Case  # noqa: E402
from runs import Bench, Digests, Failed  # noqa: E402

from kgpt_build.arch import DEFAULT, of_name  # noqa: E402

RECORD = HERE / "record.json"
COMMAND = "python tests/record/record.py"


def load() -> dict[str, Any]:
    """Read the record: ``entries`` (hashes of the parts, by name) and ``reasons`` (one for each write)."""
    empty: dict[str, Any] = {"reasons": [], "entries": {}}
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else empty


def write(found: Mapping[str, Digests], reason: str) -> int:
    """Add or replace entries, and drop those without a case; the number of changed entries."""
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


def different(case: Case, variant: str, expected: Digests, found: Digests) -> list[str]:
    """A message for each part of a variant whose hash is not the expected one. A variant may have fewer parts."""
    parts = found.keys() if variant else expected.keys() | found.keys()
    return [
        f"{case.name}{f' with {variant}' if variant else ''}: {part}: "
        f"expected {expected.get(part, 'none')}, got {found.get(part, 'none')}\n  words: {case.words}"
        for part in sorted(parts)
        if expected.get(part) != found.get(part)
    ]


def check(case: Case, bench: Bench, entries: Mapping[str, Digests], *, short: bool = False) -> list[str]:
    """Messages about the variants of a case that differ from the record."""
    return _against_record(case, case.runs(bench, short), entries)


def check_kernel(case: Case, bench: Bench, entries: Mapping[str, Digests]) -> list[str]:
    """Messages about what the kernel in QEMU computes, where it differs from the record."""
    found = case.in_kernel(bench)
    assert found, "the kernel sent nothing to compare"
    return _against_record(case, [("the kernel in QEMU", found)], entries)


def _against_record(case: Case, runs: Iterable[tuple[str, Digests]], entries: Mapping[str, Digests]) -> list[str]:
    again = f"If the change is meant: {COMMAND} --write 'WHY' --only '{case.name}'"
    if case.name not in entries:
        return [f"{case.name} is not in the record. {again}"]
    wrong = [line for variant, found in runs for line in different(case, variant, entries[case.name], found)]
    return [*wrong, f"  {again}"] if wrong else []


def chosen(pattern: str, short: bool) -> list[Case]:
    """The cases whose names match; ``short``: those of make test."""
    return [case for case in CASES.values() if (case.short or not short) and fnmatch(case.name, pattern)]


def written(cases: Sequence[Case], bench: Bench, reason: str) -> Iterator[str]:
    """Write the entries whose variants all agree; messages about the others."""
    found = {}
    for case in cases:
        (_, first), *others = case.runs(bench)
        wrong = [line for variant, other in others for line in different(case, variant, first, other)]
        if wrong:
            yield from [*wrong, f"  {case.name} is not written: its variants do not agree"]
        else:
            found[case.name] = first
    print(f"{write(found, reason)} entries written to {RECORD}")


def checked(cases: Sequence[Case], bench: Bench, short: bool, qemu: Sequence[str]) -> Iterator[str]:
    """Print a line for each case; messages about the differences."""
    entries = load()["entries"]
    for case in cases:
        start = time.monotonic()
        try:
            wrong = check(case, bench, entries, short=short)
            if case.qemu in qemu:
                wrong += check_kernel(case, bench, entries)
        except Failed as error:
            wrong = [f"{case.name}: {error}"]
        print(f"{'DIFFERENT' if wrong else 'equal':9} {time.monotonic() - start:6.2f} s  {case.name}", flush=True)
        yield from wrong


def main() -> int:
    """Exit code 1 if anything differs."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Compare logits, texts and weights with the record.")
    parser.add_argument("--write", metavar="WHY", help="write new hashes, with the reason why they changed")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="entries such as 'lm/gemma3*' (default: all)")
    parser.add_argument("--short", action="store_true", help="the entries that make test compares")
    parser.add_argument("--qemu", action="store_true", help="also boot kernels in QEMU")
    parser.add_argument("--arch", default=DEFAULT.name, help="the architecture of the programs (the same bits)")
    parser.add_argument("--toolchain", default="zig", help="zig, clang or gcc (the bits must be the same)")
    options = parser.parse_args()
    cases = chosen(options.only, options.short)
    if not cases:
        parser.error(f"no entry is named {options.only!r}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.toolchain, of_name(options.arch))
        missing = {case.name: case.missing(bench) for case in cases}
        possible = [case for case in cases if not missing[case.name]]
        qemu = ("short",) if options.short else ("short", "long")
        wrong = list(
            written(possible, bench, options.write)
            if options.write
            else checked(possible, bench, options.short, qemu if options.qemu else ())
        )
    for name, what in missing.items():
        print(f"{name} was left out: {what}\n" if what else "", end="")
    print("\n".join(wrong) or f"{len(possible)} entries: nothing moved")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
