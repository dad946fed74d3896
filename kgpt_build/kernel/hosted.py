"""Runs the hosted build, the engine as an ordinary process, and collects what it says on the machine channel."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from kgpt_build.errors import RunTimeout, ToolMissing
from kgpt_build.process import CommandFailed, describe_status, failure_text, log

REFUSED, FAILED = 1, 4  # enum kg_exit: the process ends with these, and has said why on the machine channel


def run_hosted(binary: Path, cmdline: str, *, timeout: float) -> list[bytes]:
    """The lines of the machine channel (docs/events.md) of a run with ``cmdline``; ``timeout`` is in seconds.

    A run that the engine itself ended, well or not, is the caller's to judge by its last line. Raises ToolMissing if
    ``binary`` cannot be executed, CommandFailed if it was killed or has sent nothing, RunTimeout if it did not end.
    """
    argv = [str(binary), "--cmdline", cmdline]
    with tempfile.TemporaryFile() as console:
        process, events = _start(argv, console.fileno())
        late = threading.Event()
        timer = threading.Timer(timeout, _end, (process, late))
        timer.start()
        try:
            with events:
                lines = events.readlines()
            returncode = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        console.seek(0)
        output = console.read().decode("utf-8", "replace")
    line = shlex.join(argv)
    if late.is_set():
        raise RunTimeout(f"{binary.name} did not end within {timeout:g} seconds", failure_text(line, output))
    if returncode not in (0, REFUSED, FAILED) or not lines:
        message = f"{binary.name} failed ({describe_status(returncode)})"
        raise CommandFailed(message, failure_text(line, output), output, returncode)
    return lines


def _end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _start(argv: Sequence[str], console: int) -> tuple[subprocess.Popen[bytes], io.BufferedReader]:
    """The process, and our end of its machine channel."""
    read, write = os.pipe()
    words = [*argv, "--events-fd", str(write)]
    log.info("%s", shlex.join(words))
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, pass_fds=[write]
        )
    except OSError as error:
        os.close(read)
        raise ToolMissing(f"{argv[0]} cannot be run: {error.strerror}", "build it again") from error
    finally:
        os.close(write)
    return process, os.fdopen(read, "rb")
