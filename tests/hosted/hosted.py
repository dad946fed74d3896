"""The hosted program as the tests use it: run it with a command line and standard input, and read all it said."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pace

from kgpt_build.kernel.hosted import emulator_for
from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes

Event = dict[str, Any]
SECONDS = 60.0


@dataclass(frozen=True)
class Run:
    """What a run of the hosted program left."""

    returncode: int
    console: str
    events: list[Event]

    def of(self, name: str) -> list[Event]:
        """The events of one kind, in order."""
        return [event for event in self.events if event["event"] == name]

    def one(self, name: str) -> Event:
        """The only event of its kind."""
        (event,) = self.of(name)
        return event

    def samples(self) -> list[str]:
        """The texts of the documents."""
        return [event["text"] for event in self.of("sample")]

    def logits(self) -> list[tuple[int, int, int, bytes]]:
        """(sample, position, token fed in, the logits' bytes) of every forward step."""
        return [(e["sample"], e["pos"], e["id"], bytes.fromhex(e["f32"])) for e in self.of("logits")]


@dataclass(frozen=True)
class Hosted:
    """A hosted program."""

    path: Path

    def argv(self, cmdline: str, events: int, *options: str) -> list[str]:
        """Its words: ``events`` is the file descriptor of the machine channel."""
        return [*emulator_for(self.path), str(self.path), "--cmdline", cmdline, "--events-fd", str(events), *options]

    def run(self, cmdline: str, stdin: bytes = b"", options: tuple[str, ...] = ()) -> Run:
        """Run it to its end."""
        with tempfile.TemporaryFile() as channel:
            done = subprocess.run(
                self.argv(cmdline, channel.fileno(), *options),
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[channel.fileno()],
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
                timeout=pace.limit(SECONDS),
                check=False,
            )
            channel.seek(0)
            events = [json.loads(line) for line in channel]
        return Run(done.returncode, done.stdout.decode(), events)


def random_model(
    chars: str, *, n_ctx: int, n_embd: int, n_layer: int, n_head: int, n_ff: int, name: str = "random"
) -> Model:
    """A model with random weights of a trained model's magnitude."""
    tokenizer = CharTokenizer(tuple(sorted(chars)))
    hparams = Hyperparameters(tokenizer.n_vocab, n_ctx, n_embd, n_layer, n_head, n_head, n_ff)
    rng = np.random.default_rng(5)
    tensors = {key: rng.normal(0, 0.3, shape).astype(np.float32) for key, shape in tensor_shapes(hparams).items()}
    return Model(name, "microgpt", hparams, tokenizer, tensors)


def floats(data: bytes) -> npt.NDArray[np.float32]:
    """Little-endian singles."""
    return np.frombuffer(data, dtype="<f4")
