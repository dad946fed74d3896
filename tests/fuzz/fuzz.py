"""Fuzzes each target for some time with libFuzzer under sanitizers: ``make fuzz``.

What a run learns stays in build/fuzz/NAME/corpus, and the next one goes on from there. A finding is kept as a file in
build/fuzz/NAME, and ends the run with exit code 1.

``fuzz.py --keep NAME`` fuzzes nothing: it copies a few of the inputs that were learnt to tests/fuzz/corpus, which
together reach every edge, so that tests and other machines begin there.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from fuzz_build import ROOT, Target, build
from targets import TARGETS

FOLDER = ROOT / "build" / "fuzz"
FLAGS = [
    *("-O2", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"),
    # Dictionaries do for comparisons, and inputs are tried three times as fast; the others tell what edges tell.
    "-fno-sanitize-coverage=trace-cmp,indirect-calls,stack-depth",
]
# Where memory comes from is seldom the question, all of it is written before it is read, and an input frees little.
ASAN_OPTIONS = "malloc_context_size=1:max_malloc_fill_size=0:quarantine_size_mb=8"
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": ASAN_OPTIONS}
SLOW_S = 60  # an input that takes so long is a finding; of the clock, which goes on while others have the processor
INTERRUPTED = 72  # libFuzzer's exit code after SIGINT or SIGTERM
INPUTS = re.compile(r"stat::number_of_executed_units: +(\d+)")
COVERAGE = re.compile(r"cov: (\d+)")


def main() -> int:
    """Parse the command line; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz targets under sanitizers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, help="for each target (default: 60, or no limit with --runs)")
    parser.add_argument("--runs", type=int, default=-1, help="stop a target after so many inputs")
    parser.add_argument("--keep", action="store_true", help="keep what was learnt in tests/fuzz/corpus; fuzz nothing")
    options = parser.parse_args()
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"unknown target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    if options.keep:
        for name in names:
            keep(TARGETS[name])
        return 0
    seconds = options.seconds if options.seconds is not None else 60 if options.runs < 0 else 0
    found = [name for name in names if not fuzz(TARGETS[name], seconds, options.runs)]
    return 1 if found else 0


def made(target: Target) -> Path:
    """Build the program of a target."""
    folder = FOLDER / target.name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    program, unwatched = folder / "fuzz", folder / "unwatched"
    unwatched.write_text("".join(f"src:{name}\n" for name in target.unwatched), encoding="utf-8")
    build(target, program, ["clang", *FLAGS, f"-fsanitize-coverage-ignorelist={unwatched}"])
    return program


def fuzz(target: Target, seconds: int, runs: int) -> bool:
    """Fuzz one target and print one line about it; False if something was found, which is printed whole.

    0 seconds are no limit.
    """
    folder = FOLDER / target.name
    learnt = folder / "corpus"
    program, words = made(target), folder / "words"
    words.write_text("".join(f'"{word}"\n' for word in target.words), encoding="utf-8")
    command = [
        str(program),
        f"-max_total_time={seconds}",
        f"-runs={runs}",
        f"-max_len={target.max_len}",
        f"-timeout={SLOW_S}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/found-",
        "-entropic=0",  # to choose by how rare what an input reaches is takes a fifth of the time, and reaches no more
        *("-print_final_stats=1", "-verbosity=1"),
        *(str(path) for path in (learnt, target.corpus)),
    ]
    began, used = time.monotonic(), processor_seconds()
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", env=ENVIRONMENT, check=False)
    figures = summary(ran.stderr, time.monotonic() - began, processor_seconds() - used)
    if ran.returncode == INTERRUPTED:
        print(f"fuzz {target.name}: stopped; nothing was found in {figures}", flush=True)
        return True
    if ran.returncode:
        print(ran.stderr[-6000:])
        print(f"fuzz {target.name}: something was found, after {figures}; to see it again: {program} FILE")
        return False
    print(f"fuzz {target.name}: nothing was found in {figures}", flush=True)
    return True


def keep(target: Target) -> None:
    """Copy the fewest learnt inputs that reach every edge, beside the seeds, to tests/fuzz/corpus as learnt-NN."""
    program, learnt = made(target), FOLDER / target.name / "corpus"
    with tempfile.TemporaryDirectory() as chosen:
        for path in target.corpus.iterdir():
            shutil.copy(path, chosen)
        merge = ["-merge=1", "-set_cover_merge=1", "-use_counters=0", f"-max_len={target.max_len}"]
        command = [str(program), *merge, chosen, str(learnt)]
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", env=ENVIRONMENT, check=False)
        if ran.returncode:
            raise SystemExit(ran.stderr[-2000:])
        old = {path.name for path in target.corpus.iterdir()}
        new = sorted(path for path in Path(chosen).iterdir() if path.name not in old)
        free = (name for i in range(10000) if (name := f"learnt-{i:02}") not in old)
        for path, name in zip(new, free, strict=False):
            shutil.copy(path, target.corpus / name)
    print(f"fuzz {target.name}: {len(new)} inputs kept in {target.corpus}", flush=True)


def processor_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(log: str, seconds: float, processor: float) -> str:
    """The figures of a run. Its rate is that of a processor of its own: others may have had it most of the time."""
    inputs, coverage = INPUTS.search(log), COVERAGE.findall(log)
    if not inputs or not coverage:
        return "a run without figures"
    rate = int(inputs[1]) / max(processor, 0.01)
    return (
        f"{int(inputs[1]):,} inputs in {seconds:,.0f} s ({processor:,.0f} s of a processor, {rate:,.0f} inputs/s of it;"
        f" {coverage[-1]} edges covered)"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
