"""A headless Chromium, driven by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pace
import pytest
from hosted import SECONDS


class Browser:
    """One page. Messages are JSON, ended by NUL, on descriptors 3 and 4 of the process."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._left, self._number, self.complaints = b"", 0, list[str]()
        (target,) = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    _session: str | None = None

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            data = os.read(self._read, 65536)
            assert data, "the browser has ended"
            self._left += data
        message, self._left = self._left.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a call. What the page complains about meanwhile is kept."""
        self._number += 1
        call: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            call["sessionId"] = self._session
        os.write(self._write, json.dumps(call).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            entry = message.get("params", {}).get("entry", {})
            if message.get("method") == "Runtime.exceptionThrown" or entry.get("level") in ("error", "warning"):
                self.complaints.append(json.dumps(message["params"]))

    def run(self, script: str) -> Any:
        """What an expression gives."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def waits_for(self, script: str) -> Any:
        """What an expression gives when it is true."""
        end = time.monotonic() + pace.limit(SECONDS)
        while not (found := self.run(script)):
            assert time.monotonic() < end, script
            time.sleep(0.05)
        return found

    def press(self, key: str, text: str = "") -> None:
        """Press and release a key."""
        more = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=KEYS[key], **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    def type(self, text: str) -> None:
        """Type into the field that has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Write a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36}
KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe")
MOVE = """import fcntl, os, sys
pipes = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
for fd, pipe in zip((3, 4), pipes):
    os.dup2(pipe, fd)
os.execv(sys.argv[3], sys.argv[3:])"""
"""Makes the pipes descriptors 3 and 4 of the program."""


@contextmanager
def browsing(folder: Path, size: str = "900,700") -> Iterator[Browser]:
    """A browser while the block runs. Without Chromium the test is skipped."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium")
    (theirs, ours), (heard, told) = os.pipe(), os.pipe()
    words = [program, *OPTIONS, f"--user-data-dir={folder}", f"--window-size={size}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", MOVE, str(theirs), str(told), *words],
        pass_fds=[theirs, told],
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    os.close(told)
    try:
        yield Browser(ours, heard)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(heard)
