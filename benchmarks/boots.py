"""Measures the time from the start of QEMU to the first line and character, and instructions from entry to ready."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.toolchain.qemu import Qemu
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import Channels
from kgpt_build.vm.settings import RunSettings

FIRST_SAMPLE = b"sample  1: "


@dataclass(frozen=True)
class Boot:
    """Times in milliseconds after the start of QEMU."""

    first_line: float
    first_character: float
    end: float


def run(image: Path, runs: int) -> None:
    """Print the table. The machines run in turn, so that other load on this machine affects all of them."""
    machines = ("pc", "q35", "microvm")
    found: dict[str, list[Boot]] = {machine: [] for machine in machines}
    for _ in range(runs):
        for machine in machines:
            found[machine].append(boot(image, machine))
    print("boot under TCG, ms from QEMU's start     first line   first character   end of 20 names")
    for machine, boots in found.items():
        line = statistics.median(one.first_line for one in boots)
        character = statistics.median(one.first_character for one in boots)
        end = statistics.median(one.end for one in boots)
        print(f"  {machine:8s}                median of {runs}: {line:8.0f} {character:14.0f} {end:17.0f}")
    print("aim: first character before 90 ms, which is KernelGPT's first line")
    for machine in machines:
        ready, token = instructions(image, machine)
        print(
            f"instructions on {machine:8s} entry to ready {ready:>9,}   generation's start to first token {token:>8,}"
        )


def boot(image: Path, machine: str) -> Boot:
    """Boot once and time the output of the serial port. Raises RuntimeError if the kernel generates nothing."""
    argv = _argv(RunSettings(image, cmdline="exit", accel="tcg", machine=machine))
    start = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        seen, line, character = b"", 0.0, 0.0
        while chunk := os.read(process.stdout.fileno(), 65536):
            seen += chunk
            elapsed = (time.monotonic() - start) * 1000
            line = line or (elapsed if b"\n" in seen else 0.0)
            character = character or (elapsed if len(seen.partition(FIRST_SAMPLE)[2]) > 0 else 0.0)
        process.wait()
    if not character:
        raise RuntimeError(f"{machine}: the kernel generated nothing: {seen[-300:]!r}")
    return Boot(line, character, (time.monotonic() - start) * 1000)


def instructions(image: Path, machine: str) -> tuple[int, int]:
    """(from entry to ready, from the start of the generation to the first token). QEMU counts: with -icount shift=0 an
    instruction is one tick.
    """
    icount = ("-icount", "shift=0,sleep=off")
    settings = RunSettings(image, cmdline="exit samples=1", accel="tcg", machine=machine, extra=icount)
    done = subprocess.run(
        _argv(settings, events="/dev/stdout", serial="null"), capture_output=True, timeout=60, check=False
    )
    events = {event["event"]: event for event in map(json.loads, done.stdout.splitlines())}
    return events["ready"]["ticks"], events["stats"]["first_token_ticks"]


def _argv(settings: RunSettings, *, serial: str = "stdio,signal=off", events: str = "/dev/null") -> list[str]:
    channels = Channels(serial=serial, events=f"file,path={events}", qmp=None)
    return qemu_argv(settings, channels, qemu=str(Qemu().find()))
