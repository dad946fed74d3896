"""The wires between QEMU and us: the serial port, the machine channel, QEMU's monitor.

Each is made before QEMU starts and inherited by it, so there is no path to collide on, nothing to clean up, and no
moment at which a byte could be lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from dataclasses import dataclass

_PIPE_BYTES = 1 << 20  # the most that Linux lets an ordinary user ask for


@dataclass(frozen=True)
class Channels:
    """QEMU's ends, as ``-chardev`` backends without their id. ``qmp`` None: no monitor."""

    serial: str
    events: str
    qmp: str | None


SERIAL = "stdio,signal=off"

STANDALONE = Channels(serial=SERIAL, events="file,path=/dev/stderr", qmp=None)
"""For a command line that a person pastes into a shell: serial on the terminal, events on standard error."""


class Wires:
    """Our ends and QEMU's. ``close_remote`` once QEMU has inherited its own, so that its end is our end of file.

    What the guest writes comes through pipes. A pipe merges single bytes into pages: it takes a megabyte before the
    guest has to wait, and loses nothing when QEMU ends at once. A socket keeps a buffer for each byte: a few hundred
    bytes fill it, and a guest that does not wait for ever for its serial port drops the rest.
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
        """QEMU's words for its ends."""
        return Channels(SERIAL, f"file,path=/dev/fd/{self._remote_events}", f"socket,fd={self._remote_qmp}")

    def close_remote(self) -> None:
        """Leave QEMU's ends to QEMU."""
        _close_all(self._open_remote)

    def close(self) -> None:
        """Close everything; may be called again."""
        self.close_remote()
        self.qmp.close()
        _close_all(self._open)


def _output_pipe() -> tuple[int, int]:
    read, write = os.pipe()
    with contextlib.suppress(OSError):  # the user's share of pipe memory is spent: a small pipe works too
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return read, write


def _close_all(descriptors: set[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
