"""A pytest plugin: boot an image, type to it, expect lines and events.

It is loaded wherever kgpt is installed::

    def test_names(kgpt_machine):
        guest = kgpt_machine("build/kernel.elf", cmdline="samples=3 seed=7")
        guest.expect(r"sample  1: \\w+")
        guest.expect_event("shell")
        guest.send_line("halt")
        assert guest.wait().ok

Every machine ends with its test. A failed test shows the end of each console.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from kgpt_build.arch import ALL, Arch, of_host, of_name

if TYPE_CHECKING:
    from kgpt_build.events import Event
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.screen import Screen
    from kgpt_build.vm.verdict import Verdict

TIMEOUT = 30.0
"""Seconds for a machine's whole life, and for one expectation; multiplied under TCG (vm.settings.default_timeout)."""

T = TypeVar("T")
_guests = pytest.StashKey[list["Guest"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kgpt-image``, ``--kgpt-arch`` and ``--kgpt-accel``."""
    group = parser.getgroup("kgpt", "bootable images")
    group.addoption("--kgpt-image", type=Path, metavar="FILE", help="what kgpt_machine boots by default")
    group.addoption(
        "--kgpt-arch",
        choices=[arch.name for arch in ALL],
        help="the processor architecture of machines; default: that of the kernel, else of this machine",
    )
    group.addoption(
        "--kgpt-accel",
        choices=["auto", "kvm", "tcg"],
        default="auto",
        help="QEMU's accelerator; auto: KVM if a short boot under it succeeds (default)",
    )


class Guest:
    """A running machine in a test."""

    def __init__(self, machine: Machine, timeout: float) -> None:
        self.machine = machine
        self._timeout = timeout

    def expect(self, pattern: str, timeout: float | None = None) -> re.Match[str]:
        """Wait until the regular expression matches the console behind the last match; returns the match.

        ``^`` and ``$`` match at line ends. Fails the test, showing the console, if it does not come in ``timeout``
        seconds or before the guest ends.
        """
        __tracebackhide__ = True
        return self._seen(lambda: self.machine.console.expect(pattern, timeout or self._timeout))

    def expect_event(self, name: str, timeout: float | None = None, **fields: Any) -> Event:
        """Wait for the first event of this name (docs/events.md) with these values; past events count, too.

        Fails the test like `expect`.
        """
        from kgpt_build.events import EVENTS

        __tracebackhide__ = True

        def fits(event: Event) -> bool:
            return all(getattr(event, field) == value for field, value in fields.items())

        kind = EVENTS[name]
        return self._seen(lambda: self.machine.expect_event(kind, timeout or self._timeout, fits))

    def send_line(self, text: str) -> None:
        """Type ``text`` and Enter."""
        self.send(text + "\r")

    def send(self, text: str) -> None:
        """Type ``text`` unchanged; ``"\\x03"`` is Ctrl-C."""
        self.machine.send(text.encode())

    def press(self, text: str) -> None:
        """Type ``text`` on the machine's keyboard (pc and q35 have one); ``"\\n"`` is Enter, ``"\\x03"`` Ctrl-C."""
        self.machine.type_keys(text)

    def screen(self) -> Screen:
        """The characters on the current screen: its ``lines``, ``text`` and ``status`` line."""
        from kgpt_build.headers.font import readable

        return self.machine.screen(readable())

    def wait(self) -> Verdict:
        """Wait for the guest's end or the time limit; returns the verdict: ``assert guest.wait().ok``."""
        return self.machine.wait()

    @property
    def console(self) -> str:
        """The guest's whole output on the console, as plain text."""
        self.machine.catch_up()
        return self.machine.console.text

    @property
    def events(self) -> list[Event]:
        """All events so far, with those that the guest sent before the last thing that was seen of it."""
        self.machine.catch_up()
        return list(self.machine.events)

    def _seen(self, look: Callable[[], T]) -> T:
        from kgpt_build.vm.transcript import NotSeen

        __tracebackhide__ = True
        try:
            return look()
        except NotSeen as error:
            raise pytest.fail.Exception(error.message) from None


@pytest.fixture(scope="session")
def kgpt_image(request: pytest.FixtureRequest) -> Path:
    """The kernel or image of ``--kgpt-image``; by default the kernel of the model that ships, from the cache.

    That one is for the architecture of ``--kgpt-arch``.
    """
    given = request.config.getoption("--kgpt-image")
    if given is not None:
        return Path(given)
    from kgpt_build.kernel.build import build_cached

    with _failing():
        return build_cached(arch=_asked(request.config) or of_host())


@pytest.fixture
def kgpt_machine(request: pytest.FixtureRequest) -> Iterator[Callable[..., Guest]]:
    """A factory of running machines: ``kgpt_machine(image=None, *, timeout=None, **settings)`` -> Guest.

    ``image`` None is the fixture ``kgpt_image``. ``settings`` are the fields of ``kgpt_build.vm.settings.RunSettings``:
    cmdline, cpus, memory, cpu, machine, serial, … ``timeout``: seconds for the whole run.
    """
    from kgpt_build.toolchain.qemu import Qemu
    from kgpt_build.vm.qemu.accel import resolve
    from kgpt_build.vm.qemu.machine import Machine
    from kgpt_build.vm.settings import RunSettings, default_timeout

    guests: list[Guest] = []
    request.node.stash[_guests] = guests

    def boot(image: Path | str | None = None, *, timeout: float | None = None, **settings: Any) -> Guest:
        path = Path(image) if image is not None else request.getfixturevalue("kgpt_image")
        with _failing():
            _require_image(path)
            own = _arch_of(path, settings.get("arch") or _asked(request.config))
            given = {"accel": request.config.getoption("--kgpt-accel"), **settings, "arch": own}
            wanted = RunSettings(image=path, **given)
            qemu = str(Qemu(wanted.arch).find())
            wanted = resolve(wanted, qemu, lambda line: None)
            limit = timeout or default_timeout(TIMEOUT, wanted.accel)
            symbols = path if wanted.medium == "kernel" else None
            machine = Machine(replace(wanted, timeout=limit), qemu=qemu, symbols=symbols)
            guest = Guest(machine, limit)
            guests.append(guest)
            machine.__enter__()
        return guest

    yield boot
    for guest in guests:
        guest.machine.close()


@contextmanager
def _failing() -> Iterator[None]:
    """Turn an error of kgpt into a failed test with its message, without a traceback through kgpt."""
    from kgpt_build.errors import KgptError

    try:
        yield
    except KgptError as error:
        message = "\n  ".join([f"kgpt: {error.message}", *error.hint.splitlines()])
        raise pytest.fail.Exception(message, pytrace=False) from None


def _asked(config: pytest.Config) -> Arch | None:
    """The architecture of ``--kgpt-arch``."""
    name = config.getoption("--kgpt-arch")
    return of_name(name) if name else None


def _arch_of(path: Path, asked: Arch | None) -> Arch:
    """The architecture of the machine for ``path``: that of the file, else ``asked``, else this machine's.

    Raises UsageError if the file is for another one than ``asked``.
    """
    from kgpt_build.errors import UsageError
    from kgpt_build.media import arch_of_file

    own = arch_of_file(path)
    if own and asked and own is not asked:
        raise UsageError(f"{path} is for {own.title}, not for {asked.title}", "leave out --kgpt-arch")
    return own or asked or of_host()


def _require_image(path: Path) -> None:
    """Raise KgptError for a missing or empty file, with which QEMU would start a machine without any output."""
    from kgpt_build.errors import KgptError

    hint = "kgpt build makes one; give it as --kgpt-image FILE, or to kgpt_machine"
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        raise KgptError(f"cannot read the image {path}: {error.strerror}", hint) from error
    if is_empty:
        raise KgptError(f"the image {path} is empty", hint)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the consoles of a failed test."""
    report = yield
    if report.failed:
        guests: list[Guest] = item.stash.get(_guests, [])
        for number, guest in enumerate(guests, 1):
            report.sections.append((f"kgpt console {number}", guest.machine.console.tail()))
    return report
