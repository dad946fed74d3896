"""Fuzzes each target for some time with libFuzzer under sanitizers: ``make fuzz``.

What a run learns stays in build/fuzz/NAME/corpus, and the next one goes on from there. A finding is kept as a file in
build/fuzz/NAME, and ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from targets import ROOT, TARGETS, Target, build

FOLDER = ROOT / "build" / "fuzz"
FLAGS = [
    *("-O2", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"),
    # Dictionaries do for comparisons, and inputs are tried three times as fast; the others tell what edges tell.
    "-fno-sanitize-coverage=trace-cmp,indirect-calls,stack-depth",
]
# Where memory comes from is seldom the question, all of it is written before it is read, and an input frees little.
ASAN_OPTIONS = "malloc_context_size=1:max_malloc_fill_size=0:quarantine_size_mb=8"
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": ASAN_OPTIONS}
SLOW_S = 10  # an input that takes so long is a finding
EXECUTIONS = re.compile(r"stat::number_of_executed_units: +(\d+)")
RATE = re.compile(r"stat::average_exec_per_sec: +(\d+)")
COVERAGE = re.compile(r"cov: (\d+)")


def main() -> int:
    """Parse the command line; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz targets under sanitizers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--runs", type=int, default=-1, help="stop a target after so many executions")
    options = parser.parse_args()
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"unknown target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    found = [name for name in names if not fuzz(TARGETS[name], options.seconds, options.runs)]
    return 1 if found else 0


def fuzz(target: Target, seconds: int, runs: int) -> bool:
    """Fuzz one target and print one line about it; False if something was found, which is printed whole."""
    folder = FOLDER / target.name
    learnt = folder / "corpus"
    learnt.mkdir(parents=True, exist_ok=True)
    program, words, unwatched = folder / "fuzz", folder / "words", folder / "unwatched"
    unwatched.write_text("".join(f"src:{name}\n" for name in target.unwatched), encoding="utf-8")
    build(target, program, ["clang", *FLAGS, f"-fsanitize-coverage-ignorelist={unwatched}"])
    words.write_text("".join(f'"{word}"\n' for word in target.words), encoding="utf-8")
    command = [
        str(program),
        f"-max_total_time={seconds}",
        f"-runs={runs}",
        f"-max_len={target.max_len}",
        f"-timeout={SLOW_S}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/found-",
        *("-print_final_stats=1", "-verbosity=1"),
        *(str(path) for path in (learnt, target.corpus)),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", env=ENVIRONMENT, check=False)
    if ran.returncode:
        print(ran.stderr[-6000:])
        print(f"fuzz {target.name}: something was found, after {summary(ran.stderr)}; to see it again: {program} FILE")
        return False
    print(f"fuzz {target.name}: nothing was found in {summary(ran.stderr)}", flush=True)
    return True


def summary(log: str) -> str:
    """The figures of a run."""
    executions, rate = EXECUTIONS.search(log), RATE.search(log)
    if not executions or not rate:
        return "a run without figures"
    coverage = COVERAGE.findall(log)
    edges = f", {coverage[-1]} edges covered" if coverage else ""
    return f"{int(executions[1]):,} executions ({int(rate[1]):,}/s{edges})"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
