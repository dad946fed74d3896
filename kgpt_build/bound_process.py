"""Starts programs that die with the thread that started them, even if it is killed.

Linux sends SIGKILL to the child (PR_SET_PDEATHSIG), which each process must request for itself. Python code between
fork and exec (preexec_fn) may deadlock on a lock that another thread held. So a small Python program in the new
process requests the signal, and then executes the program.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

# The order matters: getppid() after prctl() detects a parent that died before the request.
_LAUNCHER = """
import ctypes, os, signal, sys
parent, report, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != parent:
    os._exit(1)
os.set_inheritable(report, False)
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
try:
    os.execvp(program[0], program)
except OSError as error:
    os.write(report, str(error.errno).encode())
    os._exit(127)
"""


def start_bound(argv: Sequence[str], *, pass_fds: Sequence[int] = (), **options: Any) -> subprocess.Popen[bytes]:
    """Start ``argv`` in a session of its own; ``options`` are those of Popen.

    Returns when the program itself runs. Raises OSError if it cannot be executed.
    """
    read, write = os.pipe()
    try:
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(write)]
        process = subprocess.Popen([*launcher, *argv], pass_fds=(*pass_fds, write), start_new_session=True, **options)
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    try:
        said = _read_all(read)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        os.close(read)
    if said:
        process.wait()
        raise OSError(int(said), os.strerror(int(said)), argv[0])
    return process


def _read_all(descriptor: int) -> bytes:
    said = b""
    while data := os.read(descriptor, 64):
        said += data
    return said
