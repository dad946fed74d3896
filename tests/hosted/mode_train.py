"""A training of the hosted program as the tests use it: run to its end, with all that it said and sent."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pace
from hosted import Hosted

from kgpt_build.events import Event
from kgpt_build.events.framing import Blob, ChannelReader

TEXT = "".join(f"{name}\n" for name in ("anna", "bob", "carla", "dan", "élan", "frieda", "gus", "hanna", "ida", "jo"))


@dataclass(frozen=True)
class Training:
    """What a training left."""

    returncode: int
    console: str
    lines: list[bytes]
    """The machine channel as it came, without the blobs."""
    events: list[Event]
    blobs: list[Blob]

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def blob(self, name: str) -> bytes:
        """The last of that name."""
        return [blob.data for blob in self.blobs if blob.name == name][-1]


def train(program: Hosted, tmp_path: Path, cmdline: str, *modules: bytes | str, stdin: bytes = b"") -> Training:
    """``modules``: what is in the file, or the option as it is: a path, and words."""
    options: list[str] = []
    for i, module in enumerate(modules):
        if isinstance(module, bytes):
            (tmp_path / f"module{i}").write_bytes(module)
            module = str(tmp_path / f"module{i}")
        options += ["--module", module]
    with (tmp_path / "channel").open("w+b") as channel:
        done = subprocess.run(
            program.argv(cmdline, channel.fileno(), *options),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[channel.fileno()],
            timeout=pace.limit(60),
            check=False,
        )
        channel.seek(0)
        reader = ChannelReader()
        reader.feed(channel.read())
    assert not reader.broken
    return Training(done.returncode, done.stdout.decode(), reader.lines, reader.events, reader.blobs)
