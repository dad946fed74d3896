"""Run a program: shown as a line that can be pasted into a shell, and, when it fails, with the end of what it said."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kgpt_build.errors import KgptError, RunTimeout, ToolMissing

log = logging.getLogger("kgpt")

TAIL_LINES = 20
_CHUNK = 1 << 20
SIGNAL_SECONDS = 0.2
"""A signal that comes just before a call that waits is heard only after it: so nobody waits longer at a time."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with(parent: int) -> None:
    """For a child before it becomes another program: have the system kill it when its parent dies, however that does.

    More exactly, when the thread that made it ends.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


class CommandFailed(KgptError):
    """A program ended with a status other than 0; ``output`` is all it said."""

    def __init__(self, message: str, hint: str, output: str, returncode: int) -> None:
        super().__init__(message, hint)
        self.output = output
        self.returncode = returncode


@dataclass(frozen=True)
class Completed:
    """A program that ended well: its standard output and error together, as text."""

    output: str


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run ``argv`` to its end, without a shell and without standard input.

    ``env`` replaces the environment; ``timeout`` is in seconds; ``on_line`` is called with each line as it is printed.
    Raises ToolMissing if the program is not there or cannot be executed, CommandFailed if it fails, RunTimeout if it
    did not end in time. Whatever happens, no process of it is left behind.
    """
    words = [str(word) for word in argv]
    line = shlex.join(words)
    log.info("%s%s", f"cd {shlex.quote(str(cwd))} && " if cwd else "", line)
    process, said = _start(words, cwd, env, subprocess.STDOUT)
    lines: list[str] = []
    try:
        with _Alarm(process, timeout) as alarm:
            for text in io.TextIOWrapper(said, encoding="utf-8", errors="replace"):
                lines.append(text)
                if on_line:
                    on_line(text.rstrip("\n"))
            returncode = process.wait()
    except BaseException:
        kill_group(process)
        raise
    output = "".join(lines)
    if alarm.rang:
        raise RunTimeout(f"{words[0]} did not end within {timeout:g} seconds", f"the command was: {line}")
    if returncode:
        raise _failed(line, output, returncode)
    return Completed(output)


def stream(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """The standard output of ``argv`` as it comes, which may be more than memory holds; ``env`` as in run.

    Raises ToolMissing, or at its end CommandFailed. A generator that is closed early ends the program.
    """
    words = [str(word) for word in argv]
    line = shlex.join(words)
    log.info("%s", line)
    with tempfile.TemporaryFile() as errors:
        process, out = _start(words, None, env, errors)
        try:
            while data := out.read(_CHUNK):
                yield data
            returncode = process.wait()
        finally:
            kill_group(process)
            out.close()
        if returncode:
            errors.seek(0)
            raise _failed(line, errors.read().decode("utf-8", "replace"), returncode)


def _failed(line: str, output: str, returncode: int) -> CommandFailed:
    name = Path(shlex.split(line)[0]).name
    return CommandFailed(
        f"{name} failed ({describe_status(returncode)})", failure_text(line, output), output, returncode
    )


def failure_text(line: str, output: str) -> str:
    """The command and the last lines of its output, for a person."""
    tail = output.rstrip("\n").splitlines()
    shown = tail[-TAIL_LINES:]
    left_out = [f"… {len(tail) - len(shown)} lines before"] if len(shown) < len(tail) else []
    return "\n".join(["the command was: " + line, *left_out, *shown])


def describe_status(returncode: int) -> str:
    """``exit status 2`` or ``killed by SIGKILL``."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End ``process``, which leads its own process group, with all its children."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
    process.wait()


def _start(
    words: list[str], cwd: Path | None, env: Mapping[str, str] | None, errors: int | IO[bytes]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """The program, which says what goes wrong to ``errors``, and its standard output."""
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise KgptError(f"cannot run {words[0]} in {cwd}: there is no such folder") from error
        raise ToolMissing(f"the program {words[0]} is not there", "kgpt doctor says how to install it") from error
    except OSError as error:
        raise ToolMissing(
            f"the program {words[0]} cannot be run: {error.strerror}", "kgpt doctor says how to install it"
        ) from error
    assert process.stdout is not None
    return process, process.stdout


class _Alarm:
    """Kills a process group when the time is up, so that reading its output ends too."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float | None) -> None:
        self.rang = False
        self._process = process
        self._timer = threading.Timer(seconds, self._ring) if seconds is not None else None

    def _ring(self) -> None:
        self.rang = True
        kill_group(self._process)

    def __enter__(self) -> _Alarm:
        if self._timer:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
