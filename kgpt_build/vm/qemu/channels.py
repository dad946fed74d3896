"""The connections between QEMU and kgpt: the serial port, the machine channel, QEMU's monitor (QMP).

QEMU inherits them as open descriptors: so there are no paths that collide or stay behind, and no byte is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from dataclasses import dataclass

PIPE_BYTES = 1 << 20  # the largest size that Linux allows an ordinary user


@dataclass(frozen=True)
class Channels:
    """QEMU's ends as ``-chardev`` backends, without ids. ``qmp`` None: no monitor."""

    serial: str
    events: str
    qmp: str | None


SERIAL = "stdio,signal=off"

STANDALONE = Channels(serial=SERIAL, events="file,path=/dev/stderr", qmp=None)
"""Connections for a command line to paste into a shell: serial on the terminal, events on standard error."""


class Wires:
    """Both ends of each connection. Call ``close_remote`` when QEMU has inherited its ends: then its exit is EOF here.

    The guest's output comes through pipes. A pipe merges single bytes into pages: it holds a megabyte before the guest
    must wait, and loses nothing when QEMU ends. A socket keeps a buffer for each byte, so a few hundred bytes fill it,
    and a guest with a time-out for its serial port drops the rest.
    """

    def __init__(self) -> None:
        self.remote_stdin, self.serial_input = os.pipe()
        self.serial_output, self.remote_stdout = _output_pipe()
        self.events, self._remote_events = _output_pipe()
        self.qmp, qmp_remote = socket.socketpair()
        self._remote_qmp = qmp_remote.detach()
        self._open = {self.serial_input, self.serial_output, self.events}
        self._open_remote = {self.remote_stdin, self.remote_stdout, self._remote_events, self._remote_qmp}

    @property
    def remote(self) -> tuple[int, ...]:
        """The descriptors that QEMU inherits besides its standard input and output."""
        return (self._remote_events, self._remote_qmp)

    @property
    def channels(self) -> Channels:
        """QEMU's ends, for its command line."""
        return Channels(SERIAL, f"file,path=/dev/fd/{self._remote_events}", f"socket,fd={self._remote_qmp}")

    def close_remote(self) -> None:
        """Close our copies of QEMU's ends."""
        _close_all(self._open_remote)

    def close(self) -> None:
        """Close everything; may be called again."""
        self.close_remote()
        self.qmp.close()
        _close_all(self._open)


def _output_pipe() -> tuple[int, int]:
    read, write = os.pipe()
    with contextlib.suppress(OSError):  # the user's limit of pipe memory is reached: a small pipe works, too
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return read, write


def _close_all(descriptors: set[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
