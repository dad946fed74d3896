"""The thread that serves QEMU's connections: it reads console and machine channel, writes to the console, and speaks
QMP. The rest of the package is blocking code that waits for this thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kgpt_build.errors import KgptError, MachineLost
from kgpt_build.vm.qemu.channels import PIPE_BYTES, Wires
from kgpt_build.words import counted

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

_READ_BYTES = 1 << 16
_QMP_DRAIN_SECONDS = 2.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Listener:
    """Functions that the link's thread calls with the data that arrives."""

    ready: Callable[[], None]
    """Called once QEMU has made the machine, before its first instruction."""
    console: Callable[[bytes], None]
    """Gets bytes of the serial port; empty at its end."""
    events: Callable[[bytes], None]
    """Gets bytes of the machine channel; empty at its end."""
    qmp: Callable[[Mapping[str, Any]], None]
    """Gets each QMP event."""
    ended: Callable[[BaseException | None], None]
    """Called when QEMU has closed its ends, or the link has failed."""


class Link(threading.Thread):
    """Serves one QEMU until it closes its ends."""

    def __init__(self, wires: Wires, listener: Listener, *, go: bool) -> None:
        """``go``: continue the machine when the monitor is connected."""
        super().__init__(name="kgpt-link", daemon=True)
        self._wires = wires
        self._listener = listener
        self._go = go
        self._loop = asyncio.new_event_loop()
        self._outgoing = bytearray()
        self._readers: list[Callable[[], bool]] = []
        """For console and machine channel: reads a piece, and tells whether there was one."""
        self._qmp: QMPClient | None = None
        self._connected: concurrent.futures.Future[None] = concurrent.futures.Future()

    def run(self) -> None:
        failure: BaseException | None = None
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # after any failure, waiting threads must learn that nothing more arrives
            failure = error
        finally:
            if not self._connected.done():
                self._connected.set_exception(failure or MachineLost("QEMU ended before its monitor answered"))
            self._loop.close()
            self._listener.ended(failure)

    def send(self, data: bytes) -> None:
        """Queue ``data`` for the serial port; the guest reads it when it wants. Dropped after the end."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._enqueue, data)

    def catch_up(self) -> None:
        """Return when the listener has all that QEMU wrote before this call."""
        catching_up = self._catch_up()
        try:
            done = asyncio.run_coroutine_threadsafe(catching_up, self._loop)
        except RuntimeError:  # the loop is closed: all has arrived
            catching_up.close()
            return
        while self.is_alive() and not done.done():  # the loop may end before it runs this
            concurrent.futures.wait([done], _LOOK_SECONDS)

    def execute(self, command: str, arguments: Mapping[str, object], timeout: float) -> Any:
        """Run a QMP command and return its answer. Raises KgptError if QEMU refuses it, MachineLost if it is gone."""
        from qemu.qmp import QMPError

        try:
            self._connected.result(timeout)
            assert self._qmp is not None
            request = self._qmp.execute(command, dict(arguments))
            try:
                answer = asyncio.run_coroutine_threadsafe(request, self._loop)
            except RuntimeError:  # the loop is closed
                request.close()
                raise
            return answer.result(timeout)
        except TimeoutError as error:
            raise MachineLost(f"QEMU's monitor did not answer {command} within {counted(timeout, 'second')}") from error
        except (QMPError, RuntimeError, EOFError, OSError, concurrent.futures.CancelledError) as error:
            if type(error).__name__ == "ExecuteError":
                raise KgptError(f"QEMU refuses {command}: {error}") from error
            raise MachineLost(f"QEMU is gone: {command} was not answered") from error

    async def _catch_up(self) -> None:
        for read in self._readers:
            for _ in range(PIPE_BYTES // _READ_BYTES + 1):  # no more was in the pipe: a guest may write for ever
                if not read():
                    break

    async def _serve(self) -> None:
        os.set_blocking(self._wires.serial_input, False)
        console = self._watch(self._wires.serial_output, self._listener.console)
        events = self._watch(self._wires.events, self._listener.events)
        monitor = asyncio.create_task(self._monitor())
        # If the monitor fails while QEMU lives, end at once: the machine may never have been continued.
        await asyncio.wait({monitor, console, events}, return_when=asyncio.FIRST_EXCEPTION)
        if monitor.done():
            monitor.result()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(monitor, _QMP_DRAIN_SECONDS)

    def _watch(self, fd: int, sink: Callable[[bytes], None]) -> asyncio.Future[None]:
        """Pass all bytes from ``fd`` to ``sink``; the future is done at the end of file."""
        os.set_blocking(fd, False)
        ended: asyncio.Future[None] = self._loop.create_future()

        def read() -> bool:
            if ended.done():
                return False
            try:
                data = os.read(fd, _READ_BYTES)
            except BlockingIOError:
                return False
            if not data:
                self._loop.remove_reader(fd)
                ended.set_result(None)
            sink(data)
            return bool(data)

        self._readers.append(read)
        self._loop.add_reader(fd, read)
        return ended

    async def _monitor(self) -> None:
        """Connect to QMP, continue the machine, and pass on its events until QEMU ends."""
        # Imported here, while QEMU starts in parallel: the import takes longer.
        from qemu.qmp import EventListener, QMPClient, QMPError, Runstate

        client = QMPClient("kgpt")
        # Keep the library from reporting QEMU's exit as an error on the user's terminal.
        client.logger.addHandler(logging.NullHandler())
        client.logger.propagate = False
        listener = EventListener()
        client.register_listener(listener)
        with contextlib.suppress(QMPError, EOFError, OSError):  # QEMU has exited; its status is the better report
            await client.connect(self._wires.qmp)
            self._qmp = client
            self._listener.ready()
            if self._go:
                await client.execute("cont")
            self._connected.set_result(None)
            passing = asyncio.create_task(self._pass_events(listener))
            while client.runstate is Runstate.RUNNING:
                await client.runstate_changed()
            passing.cancel()
        for event in listener.clear():
            self._listener.qmp(event)
        with contextlib.suppress(QMPError, EOFError, OSError):
            await client.disconnect()

    async def _pass_events(self, listener: Any) -> None:
        async for event in listener:
            self._listener.qmp(event)

    def _enqueue(self, data: bytes) -> None:
        self._outgoing += data
        self._write()

    def _write(self) -> None:
        fd = self._wires.serial_input
        try:
            sent = os.write(fd, self._outgoing) if self._outgoing else 0
        except BlockingIOError:
            sent = 0
        except OSError:  # QEMU is gone
            sent = len(self._outgoing)
        del self._outgoing[:sent]
        if self._outgoing:
            self._loop.add_writer(fd, self._write)
        else:
            self._loop.remove_writer(fd)
