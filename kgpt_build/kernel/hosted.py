"""Runs the hosted program, the engine as a Linux process, and reads its machine channel."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from kgpt_build.arch import Arch, of_elf_machine, of_host
from kgpt_build.boot_modules import BootModule
from kgpt_build.bound_process import start_bound
from kgpt_build.errors import FAILED, OK, REFUSED, RunTimeout, ToolMissing
from kgpt_build.media import elf_machine
from kgpt_build.process import SIGNAL_SECONDS, CommandFailed, describe_status, failure_text, log
from kgpt_build.toolchain import QemuUser
from kgpt_build.words import counted

MEMORY_MB = 16384
"""MiB of memory that the process may use besides its own file; it allocates only what it needs."""
_READ_BYTES = 1 << 16


def run_hosted(
    binary: Path, cmdline: str, *, timeout: float, modules: Sequence[BootModule] = (), memory: int | None = None
) -> list[bytes]:
    """Run with ``cmdline`` to the end; returns the lines of the machine channel (docs/events.md).

    ``timeout`` is in seconds; ``modules`` and ``memory`` are those of HostedProcess. The caller judges by the last
    line whether the engine ended well. Raises ToolMissing if ``binary`` cannot be executed, CommandFailed if it was
    killed or has sent nothing, RunTimeout if it did not end.
    """
    with HostedProcess(binary, cmdline, modules=modules, memory=memory, timeout=timeout) as process:
        process.end_input()
        lines = b"".join(process.pieces()).splitlines(keepends=True)
        process.check(has_spoken=bool(lines))
    return lines


def same_instructions(arch: Arch, isa: str) -> list[str]:
    """Words with which a process of this machine uses the instruction set that a kernel for ``arch`` told as ``isa``.

    None for a kernel of another architecture, whose instruction sets have other names: then each takes its best one.
    """
    return [f"cpumask={isa}"] if arch is of_host() else []


def emulator_for(binary: Path) -> list[str]:
    """What runs a program of another processor than this one's. Raises ToolMissing if it is not installed."""
    try:
        arch = of_elf_machine(elf_machine(binary) or 0)
    except OSError:
        return []  # starting it says why
    return [] if arch is None or arch is of_host() else [str(QemuUser(arch).require())]


def hosted_argv(
    binary: Path,
    cmdline: str,
    *,
    modules: Sequence[BootModule] = (),
    memory: int | None = None,
    store: Path | None = None,
    listen: str = "",
) -> list[str]:
    """The command line of the process; the others are those of HostedProcess. Raises ToolMissing."""
    words = [*emulator_for(binary), str(binary), "--cmdline", cmdline]
    for module in modules:
        words += ["--module", module.line]
    if store is not None:
        words += ["--memory", str(store)]
    if listen:
        words += ["--listen", listen]
    return words if memory is None else [*words, "--arena-mb", str(memory)]


class HostedProcess:
    """The running hosted program: its machine channel is read as it arrives, its console is kept, its input is ours.

    A context manager, which leaves no process behind; the process also ends with the thread that started it. Raises
    ToolMissing if ``binary`` cannot be executed.
    """

    def __init__(
        self,
        binary: Path,
        cmdline: str,
        *,
        modules: Sequence[BootModule] = (),
        memory: int | None = None,
        store: Path | None = None,
        listen: str = "",
        timeout: float | None = None,
        console: int | None = None,
    ) -> None:
        """``modules``: the files that a kernel gets as boot modules. ``memory`` is in MiB; ``timeout`` in seconds.

        ``store``: the file of the memory that lasts (kgpt memory make).

        ``listen``: the address of this host where it serves clients.

        ``console``: a descriptor for the console's output, which is then not kept.
        """
        words = hosted_argv(binary, cmdline, modules=modules, memory=memory, store=store, listen=listen)
        self._line = shlex.join(words)
        self._name = binary.name
        self._timeout = timeout
        self._late = threading.Event()
        self._console = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        try:
            self._process, self._events = _start(words, self._console.fileno() if console is None else console)
        except BaseException:
            self._console.close()
            raise
        self._timer = threading.Timer(timeout, self._end) if timeout is not None else None
        if self._timer:
            self._timer.daemon = True
            self._timer.start()

    def __enter__(self) -> HostedProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()
        self._process.kill()
        self._process.wait()
        self.end_input()
        os.close(self._events)
        self._console.close()

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the machine channel, as they arrive, until it is closed."""
        while True:
            if not select.select([self._events], [], [], SIGNAL_SECONDS)[0]:
                continue
            if not (data := os.read(self._events, _READ_BYTES)):
                return
            yield data

    def send(self, data: bytes) -> None:
        """Type ``data`` on the console; dropped if the process has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), data)

    def end_input(self) -> None:
        """Close the input; may be called again."""
        if self._process.stdin:
            self._process.stdin.close()

    def console(self) -> str:
        """The output on the console, after the end."""
        self._console.seek(0)
        return self._console.read().decode("utf-8", "replace")

    def kill(self) -> None:
        """Kill the process if it still runs."""
        self._process.kill()

    def wait(self) -> int:
        """Wait for the end; returns the exit status, negative for a signal."""
        return self._process.wait()

    def check(self, *, has_spoken: bool) -> int:
        """Wait for the end; returns OK, REFUSED or FAILED. ``has_spoken``: the process has sent an event.

        Raises CommandFailed for another status or without an event, RunTimeout after the time limit.
        """
        returncode = self._process.wait()
        if self._late.is_set():
            message = f"{self._name} did not end within {counted(self._timeout or 0, 'second')}"
            raise RunTimeout(message, failure_text(self._line, self.console()))
        if returncode not in (OK, REFUSED, FAILED) or not has_spoken:
            output = self.console()
            message = f"{self._name} failed ({describe_status(returncode)})"
            raise CommandFailed(message, failure_text(self._line, output), output, returncode)
        return returncode

    def _end(self) -> None:
        self._late.set()
        self._process.kill()


def _start(argv: Sequence[str], console: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process; returns it and our end of its machine channel."""
    read, write = os.pipe()
    words = [*argv, "--events-fd", str(write)]
    log.info("%s", shlex.join(words))
    try:
        process = start_bound(  # Ctrl-C on the terminal reaches only kgpt, which passes it on
            words,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=console,
            stderr=subprocess.STDOUT,
            pass_fds=[write],
        )
    except OSError as error:
        os.close(read)
        raise ToolMissing(f"{argv[0]} cannot be run: {error.strerror}", "build it again") from error
    finally:
        os.close(write)
    return process, read
