"""Machines that the kernel must refuse, with the right message on all outputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from kgpt_build.errors import REFUSED, KgptError
from kgpt_build.events import Error, Exit
from kgpt_build.proof.axes import AXES, Case
from kgpt_build.proof.drive import PATIENCE, Result, settings_of, until
from kgpt_build.proof.images import Images
from kgpt_build.proof.matrix import Job
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings

NO_64_BITS = "this processor has no 64-bit mode with NX"


@dataclass(frozen=True)
class Refusal:
    """A machine of the matrix with an unsupported processor, and the kernel's message."""

    loader: str
    machine: str
    cpu: str
    message: str

    @property
    def case(self) -> Case:
        """The machine of the matrix, in text mode."""
        plain = {axis: values[0] for axis, values in AXES.items()}
        return Case({**plain, "loader": self.loader, "machine": self.machine, "screen": "text", "memory": "512"})

    @property
    def name(self) -> str:
        """``refused: pvh pc qemu32``."""
        return f"refused: {self.loader} {self.machine} {self.cpu}"

    def settings(self, images: Images) -> RunSettings:
        """The machine's settings; it stays after its end, so that its screen can be read."""
        return replace(settings_of(self.case, images), cpu=self.cpu, keeps_screen=True)


REFUSALS = (
    Refusal("pvh", "pc", "qemu32", NO_64_BITS),
    Refusal("multiboot1", "q35", "qemu64,nx=off", NO_64_BITS),
    Refusal("grub-bios", "pc", "qemu32", NO_64_BITS),
)


def refusal_jobs(images: Images, qemu: str, chosen: Sequence[Refusal]) -> list[Job]:
    """A job for each of ``chosen``."""
    return [(refusal.name, partial(run, refusal, images, qemu)) for refusal in chosen]


def run(refusal: Refusal, images: Images, qemu: str) -> Result:
    """Boot the machine; it passes if the kernel refuses it by event, on the serial port and on the screen."""
    begun = time.monotonic()
    failures: list[str] = []
    with Machine(refusal.settings(images), qemu=qemu) as machine:
        try:
            failures += _failures(machine, refusal.message)
        except KgptError as error:
            failures.append(error.message)
        seen = "serial, screen 80×25"
        return Result(refusal.name, tuple(failures), time.monotonic() - begun, seen, machine.console.tail())


def _failures(machine: Machine, message: str) -> list[str]:
    end = machine.expect_event(Exit, PATIENCE)
    said = [event.message for event in machine.events if isinstance(event, Error)]
    line = f"kgpt: error: {message}"
    text = until(lambda: machine.console.text, lambda text: line in text)
    screen = until(lambda: machine.screen({}).text, lambda text: line in text)
    found = {
        f"it ended with code {end.code}": end.code == REFUSED,
        f"it said {said}": said == [message],
        "it is not said on the serial port": line in text,
        f"it is not said on the screen:\n{screen}": line in screen,
    }
    return [failure for failure, good in found.items() if not good]
