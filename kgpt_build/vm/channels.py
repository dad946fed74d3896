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


STANDALONE = Channels(serial="stdio,signal=off", events="file,path=/dev/stderr", qmp=None)
"""For a command line that a person pastes into a shell: serial on the terminal, events on standard error."""


class Wires:
    """Our ends and QEMU's. ``close_remote`` once QEMU has inherited its own, so that its end is our end of file."""

    def __init__(self) -> None:
        self.serial, serial_remote = socket.socketpair()
        self.qmp, qmp_remote = socket.socketpair()
        # A pipe merges the guest's single bytes into pages; a socket keeps a buffer for each (and is half as fast).
        read, write = os.pipe()
        with contextlib.suppress(OSError):  # the user's share of pipe memory is spent: a small pipe works too
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.events = read
        self._remote: list[int] = [serial_remote.detach(), qmp_remote.detach(), write]
        self._open = True

    @property
    def remote(self) -> tuple[int, ...]:
        """The descriptors to hand to QEMU."""
        return tuple(self._remote)

    @property
    def channels(self) -> Channels:
        serial, qmp, events = self._remote
        return Channels(serial=f"socket,fd={serial}", events=f"file,path=/dev/fd/{events}", qmp=f"socket,fd={qmp}")

    def close_remote(self) -> None:
        while self._remote:
            os.close(self._remote.pop())

    def close(self) -> None:
        """Close everything; may be called again."""
        self.close_remote()
        if self._open:
            self._open = False
            self.serial.close()
            self.qmp.close()
            os.close(self.events)
