"""A running virtual machine: a context manager that always ends its QEMU."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgpt_build.bound_process import start_bound
from kgpt_build.errors import KgptError, MachineLost, ToolMissing
from kgpt_build.plain_names import temporary_root
from kgpt_build.process import log
from kgpt_build.vm.guest_run import GuestRun
from kgpt_build.vm.linux_files import linux_files
from kgpt_build.vm.qemu.argv import qemu_argv
from kgpt_build.vm.qemu.channels import Wires
from kgpt_build.vm.qemu.keys import keys_of
from kgpt_build.vm.qemu.link import Link, Listener
from kgpt_build.vm.qemu.plain import with_plain_names
from kgpt_build.vm.qemu.waiting import lengthen_queues
from kgpt_build.vm.settings import RunSettings
from kgpt_build.vm.verdict import Observed, Verdict, judge
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.vm.picture import Picture
    from kgpt_build.vm.screen import Glyphs, Screen

MONITOR_SECONDS = 20.0
_KEY_HOLD_MS = 10
_KEY_SECONDS = 60.0
_NO_DEVICE = 0xFF
_STOPPED_BY_QEMU = ("internal-error", "io-error", "guest-panicked")


class Machine(GuestRun):
    """QEMU running ``settings``, whose accelerator must be resolved.

    The same thread must enter and leave the ``with`` block: QEMU ends with that thread.
    """

    def __init__(self, settings: RunSettings, *, qemu: str, symbols: Path | None = None) -> None:
        """``symbols``: an ELF file to look up the addresses of a panic; without it they stay numbers."""
        super().__init__(settings, symbols=symbols)
        self.qmp_events: list[Mapping[str, Any]] = []
        self._qemu = qemu
        self._wires = Wires()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Link | None = None
        self._broken = ""
        self._staging: AbstractContextManager[RunSettings] | None = None

    def start(self) -> None:
        """Start QEMU. Raises ToolMissing if it cannot be executed."""
        self._staging = linux_files(self.settings)
        argv = qemu_argv(with_plain_names(self._staging.__enter__()), self._wires.channels, qemu=self._qemu)
        log.info("%s", shlex.join(argv))
        try:
            self._process = start_bound(  # Ctrl-C on the terminal must not reach QEMU
                argv,
                stdin=self._wires.remote_stdin,
                stdout=self._wires.remote_stdout,
                stderr=self._stderr,
                pass_fds=self._wires.remote,
            )
        except OSError as error:
            install = self.settings.arch.qemu.install
            raise ToolMissing(f"{self._qemu} cannot be run: {error.strerror}", install) from error
        self._wires.close_remote()
        self._begin_time_limit()
        listener = Listener(
            ready=self._make_ready,
            console=self._feed_console,
            events=self._feed_events,
            qmp=self._feed_qmp,
            ended=self._feed_end,
        )
        self._link = Link(self._wires, listener, go=not self.settings.gdb)
        self._link.start()

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        assert self._process is not None, "the machine was not started"
        return self._process.pid

    def stderr(self) -> str:
        """QEMU's standard error."""
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace")

    def send(self, data: bytes) -> None:
        """Type ``data`` on the guest's serial port."""
        assert self._link is not None, "the machine was not started"
        self._link.send(data)

    def catch_up(self) -> None:
        """Return when console and events have all that QEMU wrote before this call.

        They come through two pipes, so one may be behind the other: an event that was sent before a line is perhaps
        not there yet when the line is.
        """
        if self._link is not None:
            self._link.catch_up()

    def type_text(self, text: str) -> None:
        """Type ``text`` on the guest's serial port, or without one on its keyboard."""
        if self.settings.serial:
            self.send(text.encode())
        else:
            self.type_keys(text)

    def type_keys(self, text: str) -> None:
        """Type ``text`` on the machine's keyboard, as fast as the guest reads; returns when the last key is up.

        ``text`` as for keys.keys_of. Raises UsageError for a character without a key, KgptError if the guest does not
        read its keyboard.
        """
        for keys in list(keys_of(text)):
            self._wait_for_keyboard()
            arguments: dict[str, Any] = {"keys": [{"type": "qcode", "data": key} for key in keys]}
            self.execute("send-key", **arguments, **{"hold-time": _KEY_HOLD_MS})
            time.sleep(2 * len(keys) * _KEY_HOLD_MS / 1000)  # each key goes down, then up, and is held for this time

    def _wait_for_keyboard(self) -> None:
        """Wait until the guest has read the controller's buffer of 16 bytes: a full buffer drops keys."""
        if self.settings.arch.qemu.keyboard_status is None:
            return
        port, full = self.settings.arch.qemu.keyboard_status
        end = time.monotonic() + _KEY_SECONDS
        while True:
            # The monitor reads the status port like a processor; reading it has no side effect.
            said = self._ask_monitor(f"i /xb {port:#x}")
            status = int(said.rpartition("=")[2], 16)
            if status == _NO_DEVICE or not status & full:
                return
            if time.monotonic() > end:
                raise KgptError(f"the guest has not read its keyboard for {counted(_KEY_SECONDS, 'second')}")
            time.sleep(_KEY_HOLD_MS / 1000)

    def _ask_monitor(self, line: str) -> str:
        """The answer of QEMU's human monitor (HMP)."""
        arguments: dict[str, Any] = {"command-line": line}
        return str(self.execute("human-monitor-command", **arguments))

    def execute(self, command: str, timeout: float = MONITOR_SECONDS, **arguments: object) -> Any:
        """Run a QMP command; returns its answer. Raises KgptError if QEMU refuses it, MachineLost if QEMU has ended."""
        assert self._link is not None, "the machine was not started"
        return self._link.execute(command, arguments, timeout)

    def picture(self) -> Picture:
        """A picture of the current screen. Raises KgptError if the machine has no screen."""
        from kgpt_build.vm.picture import read_picture

        with tempfile.TemporaryDirectory(prefix="kgpt-", dir=temporary_root()) as folder:
            path = Path(folder) / "screen.ppm"
            self.execute("screendump", filename=str(path))
            return read_picture(path.read_bytes())

    def screendump(self, path: Path) -> None:
        """Write the screen to ``path``, atomically: as PNG if it ends with .png, else as PPM."""
        from kgpt_build.vm.picture import write_picture

        write_picture(path, self.picture())

    def screen(self, glyphs: Glyphs) -> Screen:
        """The characters on the current screen: pixels in the font ``glyphs``, or VGA text in the BIOS's font.

        Raises KgptError if the machine has no screen.
        """
        from kgpt_build.vm.screen import is_vga_text, read_pixels, read_vga_font, read_vga_text

        picture = self.picture()
        font = self.settings.arch.qemu.text_font
        if font is None or not is_vga_text(picture):
            return read_pixels(picture, glyphs)
        return read_vga_text(picture, read_vga_font(self.physical_memory(*font)))

    def physical_memory(self, address: int, size: int) -> bytes:
        """``size`` bytes of the guest's memory."""
        with tempfile.TemporaryDirectory(prefix="kgpt-", dir=temporary_root()) as folder:
            path = Path(folder) / "memory"
            self.execute("pmemsave", val=address, size=size, filename=str(path))
            return path.read_bytes()

    def quit(self) -> None:
        """End QEMU now."""
        self._quit = True
        with contextlib.suppress(MachineLost):
            self.execute("quit", timeout=2.0)
        self._kill()

    def close(self) -> None:
        """End QEMU if it still runs, and release all resources. May be called again."""
        self._kill()
        if self._link is not None:
            self._link.join(timeout=10)
        self._wires.close()
        self._stderr.close()
        if self._staging is not None:
            self._staging.__exit__(None, None, None)
            self._staging = None

    def _judge(self, timed_out: bool) -> Verdict:
        assert self._process is not None
        assert self._link is not None
        status = self._process.wait()
        self._link.join(timeout=10)
        shutdown = next((event for event in self.qmp_events if event.get("event") == "SHUTDOWN"), None)
        seen = Observed(
            status=status,
            events=tuple(self.events),
            shutdown=shutdown["data"].get("reason", "") if shutdown else "",
            broken=self._broken,
            garbage=self._channel.broken,
            timed_out=(self.settings.timeout or 0.0) if timed_out else 0.0,
            quit=self._quit,
            stderr=self.stderr(),
            tail=self.console.tail(),
            started=bool(self.qmp_events) or bool(self.events) or bool(self.console.text),
            powers_off=not self.settings.arch.qemu.exit_device,
            describe_panic=self._describe_panic,
        )
        return judge(seen)

    def _kill(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _make_ready(self) -> None:
        if any(net.forwards for net in self.settings.nets):
            lengthen_queues(self.pid)

    def _feed_qmp(self, event: Mapping[str, Any]) -> None:
        with self.changed:
            self.qmp_events.append(event)
            self.changed.notify_all()
        if event.get("event") == "STOP":
            # The query needs the link's thread, which runs this function.
            threading.Thread(target=self._why_stopped, daemon=True).start()

    def _why_stopped(self) -> None:
        with contextlib.suppress(MachineLost):
            state = self.execute("query-status").get("status", "")
            if state in _STOPPED_BY_QEMU:
                self._broken = state
                self._kill()

    def _feed_end(self, failure: BaseException | None) -> None:
        if failure is not None and not self._broken:
            self._broken = f"its monitor failed: {failure}"
        self._feed_end_of_run()
        if failure is not None:
            self._kill()
