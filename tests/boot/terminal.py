"""A pseudo terminal with a program on it, to be typed at and read from as a person would."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pace

from kgpt_build.vm.transcript import PlainText

SECONDS = 60.0


class Terminal:
    """A program that has a terminal of its own as standard input, output and error.

    ``columns``: how wide it is; 0: it does not say.
    """

    def __init__(
        self, words: list[str], env: Mapping[str, str], cwd: Path, columns: int = 0, pass_fds: tuple[int, ...] = ()
    ) -> None:
        self.ours, self.theirs = pty.openpty()
        if columns:
            termios.tcsetwinsize(self.theirs, (24, columns))
        os.set_blocking(self.ours, False)
        self._plain = PlainText()
        self._seen = 0
        self.text = ""
        self.raw = b""
        self.process = subprocess.Popen(
            words,
            env=dict(env),
            cwd=cwd,
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
            pass_fds=pass_fds,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)

    def type(self, text: str) -> None:
        """Press these keys, or paste them. What is echoed meanwhile is read, so that neither waits for the other."""
        data, end = text.encode(), time.monotonic() + pace.limit(SECONDS)
        while data:
            assert time.monotonic() < end, f"it does not read what is typed:\n{self.text}"
            readable, writable, _ = select.select([self.ours], [self.ours], [], 0.1)
            if readable:
                self._read(0)
            if writable:
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(self.ours, data) :]

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait for the pattern after what was expected before."""
        expression = re.compile(pattern, re.MULTILINE)
        end = time.monotonic() + pace.limit(SECONDS)
        while True:
            if match := expression.search(self.text, self._seen):
                self._seen = match.end()
                return match
            if time.monotonic() > end or (not self._read(0.1) and self.process.poll() is not None):
                self._read(0)
                assert expression.search(self.text, self._seen), f"/{pattern}/ is not in:\n{self.text}"

    def wait(self) -> int:
        """The exit status, after all output was read."""
        end = time.monotonic() + pace.limit(SECONDS)
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        data = b""
        with contextlib.suppress(OSError):
            data = os.read(self.ours, 65536)
        self.raw += data
        self.text += self._plain.feed(data)
        return bool(data)
