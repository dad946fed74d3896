"""Things that break on purpose: the verdict, the panic event, and nothing after it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time

import pace
import pytest
from hosted import Hosted

from kgpt_build.events import event_name
from kgpt_build.events.framing import ChannelReader

FAULTS = {
    "ud": (6, "#UD"),
    "null": (14, "#PF"),
    "text": (14, "#PF"),
    "exec": (14, "#PF"),
    "stack": (14, "#PF"),
    "div": (0, "#DE"),
    "panic": (-1, "check"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_a_panic(hosted: Hosted, kind: str) -> None:
    run = hosted.run(f"fault={kind}")
    vector, name = FAULTS[kind]
    assert run.returncode == 4
    panic = run.one("panic")
    assert (panic["vector"], panic["name"]) == (vector, name)
    assert int(panic["rip"], 16) > 0
    assert f"kgpt: panic: {name} " in run.console
    assert run.events[-1] == {"event": "exit", "code": 4, "reason": "panic"}
    assert not run.of("sample")


def test_a_reset_leaves_no_verdict(hosted: Hosted) -> None:
    run = hosted.run("fault=reset")
    assert run.returncode == -signal.SIGKILL
    assert not run.of("exit")


def test_a_hang_hangs(hosted: Hosted) -> None:
    process = subprocess.Popen([hosted.path, "--cmdline", "fault=hang"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"memory" in b"".join(process.stdout.readline() for _ in range(3))
        time.sleep(0.3)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_panic_ends_the_line_that_it_interrupts(hosted: Hosted) -> None:
    """The line of ``boot`` (8,000 bytes) is longer than the pipe holds: the signal arrives in the middle of it."""
    readable, writable = os.pipe()
    fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, 4096)
    words = hosted.argv("prompt=" + '"' * 4000, writable)
    process = subprocess.Popen(words, pass_fds=[writable], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writable)
    with os.fdopen(readable, "rb") as channel:
        for _ in pace.attempts(60, 0.05):
            if _bytes_in(readable) > 3000:
                break
        process.send_signal(signal.SIGSEGV)
        reader = ChannelReader()
        reader.feed(channel.read())
        reader.feed(b"")
    assert process.wait(pace.limit(60)) == 4
    assert reader.broken == ""
    assert [event_name(event) for event in reader.events] == ["panic", "exit"]


def _bytes_in(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)
