"""What QEMU has written is there when somebody looks, whichever of its two pipes it came through."""

from __future__ import annotations

import os

from kgpt_build.vm.qemu.channels import Wires
from kgpt_build.vm.qemu.link import Link, Listener


def test_catching_up_brings_all_that_was_written() -> None:
    wires = Wires()
    console, events = bytearray(), bytearray()
    listener = Listener(
        ready=lambda: None,
        console=console.extend,
        events=events.extend,
        qmp=lambda event: None,
        ended=lambda error: None,
    )
    link = Link(wires, listener, go=True)  # no QEMU answers: it waits for the monitor
    link.start()
    line = b"x" * 200_000
    for n in range(1, 51):
        os.write(wires.remote[0], line)
        os.write(wires.remote_stdout, b"y")
        link.catch_up()
        assert (len(events), len(console)) == (n * len(line), n)
    wires.close_remote()
    link.join()
    link.catch_up()  # after the end it returns at once
    wires.close()
