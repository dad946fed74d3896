"""Runs programs. Errors show the command, quoted for a shell, and the end of its output."""

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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
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
"""The longest single wait: Python handles a signal that arrives just before a blocking call only after the call."""


class CommandFailed(KgptError):
    """A program ended with a status other than 0; ``output`` is all its output."""

    def __init__(self, message: str, hint: str, output: str, returncode: int) -> None:
        super().__init__(message, hint)
        self.output = output
        self.returncode = returncode


@dataclass(frozen=True)
class Completed:
    """The result of a program that ended with 0: its standard output and error together, as text."""

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
    Raises ToolMissing if the program is missing or cannot be executed, CommandFailed if it fails, RunTimeout if it
    does not end in time. No child process is left behind in any case.
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


def stream(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> Generator[bytes]:
    """The standard output of ``argv`` in pieces, for output that does not fit memory; ``env`` as in run.

    Raises ToolMissing; at the end CommandFailed. Closing the generator ends the program.
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


def feed(
    argv: Sequence[str | Path], pieces: Iterator[bytes], *, cwd: Path, env: Mapping[str, str] | None = None
) -> None:
    """Run ``argv`` to its end, with ``pieces`` as its standard input. Raises CommandFailed, OSError."""
    line = shlex.join(str(word) for word in argv)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said, stderr=said, cwd=cwd, env=env)
        assert process.stdin is not None
        try:
            for piece in pieces:
                process.stdin.write(piece)
            process.stdin.close()
        except BrokenPipeError:
            pass  # its exit status says more
        except BaseException:
            _kill(process)
            raise
        if process.wait():
            said.seek(0)
            raise _failed(line, said.read().decode("utf-8", "replace"), process.returncode)


def _failed(line: str, output: str, returncode: int) -> CommandFailed:
    name = Path(shlex.split(line)[0]).name
    return CommandFailed(
        f"{name} failed ({describe_status(returncode)})", failure_text(line, output), output, returncode
    )


def failure_text(line: str, output: str) -> str:
    """The command and the last lines of its output, for a hint."""
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
    """Kill the process group of ``process``, its leader, also if it has ended before its children; returns its status.

    Until its status is collected here, its group id cannot be reused: so no other code may poll or wait for it.
    """
    if process.returncode is None:
        _kill(process)
    return process.wait()


def _pieces(process: subprocess.Popen[bytes], out: IO[bytes], timeout: float | None) -> Iterator[bytes]:
    """The output of ``process`` on ``out`` until the process ends, even if others still hold the pipe open.

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
        if not is_open:  # it has closed its output, and ends soon
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
    """The bytes already in the pipe ``out``, no later ones: a process outside the group may write to it for ever."""
    os.set_blocking(out.fileno(), False)
    try:
        return os.read(out.fileno(), fcntl.fcntl(out.fileno(), fcntl.F_GETPIPE_SZ))
    except BlockingIOError:
        return b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Has ``process`` ended? Its status is not collected: a zombie's id is not reused."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # SIGCHLD is ignored, so the system has collected the child
        return True


class _Lines:
    """Splits a text that arrives in pieces into lines."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._parts: list[str] = []
        self._rest = ""
        self._on_line = on_line

    @property
    def text(self) -> str:
        """The whole text so far."""
        return "".join(self._parts) + self._rest

    def add(self, text: str) -> None:
        """Add a piece."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._parts.append(line + "\n")
            if self._on_line:
                self._on_line(line)

    def end(self) -> None:
        """Report the last line if it has no line feed."""
        if self._rest and self._on_line:
            self._on_line(self._rest)


def _start(
    words: list[str], cwd: Path | None, env: Mapping[str, str] | None, errors: int | IO[bytes]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start the program; its standard error goes to ``errors``; returns it with its standard output."""
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
