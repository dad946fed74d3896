"""Runs a guest, in QEMU or as a Linux process, shows it as the user wishes, and judges its end."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import click

from kgpt_build.cli.shared.hosted import HostedMachine
from kgpt_build.cli.shared.lm import is_language_model
from kgpt_build.cli.shared.machines import resolve_accel
from kgpt_build.cli.shared.options import is_verbose
from kgpt_build.cli.talk.endless import Endless
from kgpt_build.cli.talk.printers import EventPrinter, LinePrinter
from kgpt_build.cli.talk.reach import Reach
from kgpt_build.cli.talk.request import Wishes
from kgpt_build.kernel.hosted import hosted_argv
from kgpt_build.vm.settings import RunSettings

if TYPE_CHECKING:
    from kgpt_build.vm.guest_run import GuestRun
    from kgpt_build.vm.verdict import Verdict


def run_hosted(settings: RunSettings, wishes: Wishes, *, dry_run: bool) -> None:
    """Run the engine as a process; ``cpus=`` limits its threads. Raises the KgptError of a bad end."""
    if settings.cpus > 1 or is_language_model(settings.image):
        settings = dataclasses.replace(settings, cmdline=f"cpus={settings.cpus} {settings.cmdline}".rstrip())
    if dry_run:
        line = hosted_argv(
            settings.image,
            settings.cmdline,
            modules=settings.modules,
            memory=settings.memory,
            store=settings.store,
            listen=settings.listen,
        )
        click.echo(shlex.join(line))
        return
    with HostedMachine(settings, symbols=settings.image) as program:
        verdict = watch(program, wishes, "program")
    _raise_failure(verdict)


def boot(settings: RunSettings, qemu: str, wishes: Wishes, *, dry_run: bool) -> None:
    """Boot ``settings`` in QEMU. Raises the KgptError of a bad end."""
    is_slow = settings.accel == "auto"
    settings = resolve_accel(settings, qemu)
    is_slow = is_slow and settings.accel == "tcg" and settings.medium == "kernel"
    if is_slow and wishes.interactive and is_language_model(settings.image):
        click.echo("kgpt: without KVM this is slow; kgpt chat is the same engine at full speed, without QEMU", err=True)
    if dry_run:
        from kgpt_build.vm.linux_files import linux_files
        from kgpt_build.vm.qemu.argv import qemu_argv
        from kgpt_build.vm.qemu.channels import STANDALONE
        from kgpt_build.vm.qemu.plain import with_plain_names

        with linux_files(settings, keep=True) as staged:
            click.echo(shlex.join(qemu_argv(with_plain_names(staged), STANDALONE, qemu=qemu)))
        return
    _run(settings, qemu, wishes)


def _run(settings: RunSettings, qemu: str, wishes: Wishes) -> None:
    from kgpt_build.vm.qemu.machine import Machine

    symbols = settings.image if settings.medium == "kernel" else None
    with Machine(settings, qemu=qemu, symbols=symbols) as machine:
        if settings.gdb:
            from kgpt_build.vm.qemu.argv import GDB_PORT

            line = shlex.join(["gdb", str(settings.image), "-ex", f"target remote localhost:{GDB_PORT}"])
            click.echo(f"kgpt: the machine waits for: {line}", err=True)
        verdict = watch(machine, wishes, "machine")
    _raise_failure(verdict)


def _raise_failure(verdict: Verdict) -> None:
    error = verdict.error()
    if error is not None:
        raise error


def watch(machine: GuestRun, wishes: Wishes, what: str) -> Verdict:
    """Show the run, ``what`` (machine, program), as ``wishes`` say.

    The verdict has no console tail where the console was shown anyway.
    """
    with Endless(machine, told=wishes.shows_console) as endless:
        return _watch(machine, wishes, what, endless)


def _watch(machine: GuestRun, wishes: Wishes, what: str, endless: Endless) -> Verdict:
    from kgpt_build.vm.console import all_of, leaver, stream

    poll = all_of(endless.poll, Reach(machine).poll)
    if wishes.interactive:
        from kgpt_build.vm.console import LEAVE_NAME, interact

        menu = "" if machine.settings.medium == "kernel" else "; until the kernel speaks, any key shows the boot menu"
        click.echo(f"kgpt: {LEAVE_NAME} leaves the {what}{menu}", err=True)
        return interact(machine, also=poll)
    leave = None if wishes.typed_to else leaver(machine)
    if wishes.as_json or wishes.one_shot or not wishes.serial:
        printer = (
            LinePrinter(machine) if wishes.as_json else EventPrinter(machine, short=wishes.one_shot, stats=is_verbose())
        )
        return machine.wait(all_of(poll, printer.poll, leave))
    return stream(machine, lambda text: click.echo(text, nl=False), all_of(poll, leave))
