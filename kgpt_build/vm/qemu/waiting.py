"""Room for clients that connect at the same moment to a port that QEMU forwards.

QEMU's user network listens for one client at a time (``listen(s, 1)`` in libslirp). Of several that connect at once
the others wait a second for their next SYN, and if Linux answers these with SYN cookies, it resets some connections
(RFC 4987, 3.6). A later listen() on the same socket changes the length of its queue, and pidfd_getfd(2) gives this
process a socket of its child.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from pathlib import Path

from kgpt_build.process import log

_PIDFD_GETFD = 438  # the same on all of Linux's architectures


def lengthen_queues(pid: int) -> None:
    """Let the system's most clients wait at each TCP port where the child ``pid`` listens.

    Where the system does not allow that, QEMU's queues stay as they are: before Linux 5.6, or without the right to
    trace a child.
    """
    try:
        process = os.pidfd_open(pid)
    except OSError as error:
        log.info("clients that connect at once may wait for a second: pidfd_open: %s", error.strerror)
        return
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if link.readlink().name.startswith("socket:"):
                _lengthen(process, int(link.name))
    except OSError as error:
        log.info("clients that connect at once may wait for a second: %s", error.strerror)
    finally:
        os.close(process)


def _lengthen(process: int, number: int) -> None:
    with _socket_of(process, number) as ours:
        if ours.family == socket.AF_INET and ours.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            ours.listen(socket.SOMAXCONN)


def _socket_of(process: int, number: int) -> socket.socket:
    """The same socket, as a descriptor of this process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    ours = libc.syscall(_PIDFD_GETFD, process, number, 0)
    if ours < 0:
        code = ctypes.get_errno() or errno.EPERM
        raise OSError(code, os.strerror(code))
    return socket.socket(fileno=ours)
