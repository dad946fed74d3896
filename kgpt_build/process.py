"""Run a program: shown as a line that can be pasted into a shell, and, when it fails, with the end of what it said."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import io
import logging
import os
import select
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kgpt_build.errors import KgptError, RunTimeout, ToolMissing
from kgpt_build.words import counted

log = logging.getLogger("kgpt")

TAIL_LINES = 20
_CHUNK = 1 << 20
_FIRST_PAUSE = 0.0005
SIGNAL_SECONDS = 0.2
"""A signal that comes just before a call that waits is heard only after it: so nobody waits longer at a time."""


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
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
    lines = _Lines(on_line)
    try:
        for data in _pieces(process, said, timeout):
            lines.add(decoder.decode(data))
        lines.add(decoder.decode(b"", final=True))
        lines.end()
    except TimeoutError:
        raise RunTimeout(
            f"{words[0]} did not end within {counted(timeout or 0, 'second')}", f"the command was: {line}"
        ) from None
    finally:
        returncode = kill_group(process)
        said.close()
    if returncode:
        raise _failed(line, lines.text, returncode)
    return Completed(lines.text)


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
            yield from _pieces(process, out, None)
        finally:
            returncode = kill_group(process)
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


def kill_group(process: subprocess.Popen[bytes]) -> int:
    """End ``process``, which leads its own process group, with all its children; its exit status.

    Also where it ended before its children. Until this collects its status the group cannot be another one: so nobody
    else may poll or wait for it.
    """
    if process.returncode is None:
        _kill(process)
    return process.wait()


def _pieces(process: subprocess.Popen[bytes], out: IO[bytes], timeout: float | None) -> Iterator[bytes]:
    """What ``process`` writes to ``out``, until it has ended, whoever else still holds the other end.

    Raises TimeoutError after ``timeout`` seconds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    poller = select.poll()
    poller.register(out, select.POLLIN)
    is_open = True
    pause = _FIRST_PAUSE
    while not _has_ended(process):
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError
        left = SIGNAL_SECONDS if deadline is None else min(SIGNAL_SECONDS, deadline - time.monotonic())
        if not is_open:  # it says nothing more, and ends soon
            time.sleep(max(0.0, min(left, pause)))
            pause *= 2
        elif poller.poll(max(0.0, left) * 1000):
            data = os.read(out.fileno(), _CHUNK)
            is_open = bool(data)
            if data:
                yield data
    _kill(process)
    if data := _rest_of(out):
        yield data


def _rest_of(out: IO[bytes]) -> bytes:
    """What is in the pipe ``out`` already: a process that left the group may go on to write to it for ever."""
    os.set_blocking(out.fileno(), False)
    try:
        return os.read(out.fileno(), fcntl.fcntl(out.fileno(), fcntl.F_GETPIPE_SZ))
    except BlockingIOError:
        return b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Is it a zombie? It stays one, which keeps its number from others."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # SIGCHLD is ignored: the system itself collects children
        return True


class _Lines:
    """A text that comes in pieces, handed on in lines."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._parts: list[str] = []
        self._rest = ""
        self._on_line = on_line

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._parts) + self._rest

    def add(self, text: str) -> None:
        """The next piece."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._parts.append(line + "\n")
            if self._on_line:
                self._on_line(line)

    def end(self) -> None:
        """A last line without an end is one too."""
        if self._rest and self._on_line:
            self._on_line(self._rest)


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
