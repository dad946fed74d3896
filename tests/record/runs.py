"""Run hosted programs and kernels, and hash what they computed.

Only events (docs/events.md) and blobs are hashed. Messages on the console are not: their wording may change.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import mode_train
import numpy as np
import pace
from boots import ENVIRONMENT
from hosted import Hosted, random_model

from kgpt_build.arch import DEFAULT, Arch
from kgpt_build.headers import Corpus
from kgpt_build.kernel.build import BuildSettings, build, build_cached
from kgpt_build.models import NO_MODEL, Model

Event = dict[str, Any]
Digests = dict[str, str]

PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "logits": {"logits": ("sample", "pos", "id", "f32"), "fed": ("sample", "pos", "u32")},
    "layers": {"layer": ("what", "layer", "f32")},
    "texts": {"token": ("sample", "pos", "id", "text"), "sample": ("index", "text", "tokens", "reason")},
    "logprobs": {"logprobs": ("sample", "pos", "id", "logprob", "top")},
    "losses": {"step": ("step", "loss_bits", "lr"), "eval": ("step", "loss")},
    "previews": {"preview": ("step", "text")},
}
"""The parts of an entry. Each part hashes these keys of these events, in the order of the channel."""


def even_model() -> Model:
    """A microgpt with eight equally likely tokens: samplers meet ties, and sums equal to top_p."""
    model = random_model("abcdefg", n_ctx=12, n_embd=8, n_layer=1, n_head=2, n_ff=8, name="even")
    return replace(model, tensors={**model.tensors, "lm_head": np.zeros_like(model.tensors["lm_head"])})


IMAGES: dict[str, Any] = {
    "micro": {},
    "odd": {"model": lambda: random_model("abé€😀 \n\"'", n_ctx=21, n_embd=30, n_layer=3, n_head=5, n_ff=67)},
    "even": {"model": even_model},
    "lm": {"model": lambda: NO_MODEL},
    "train": {"corpus": lambda: Corpus("some names", mode_train.TEXT.encode())},
}
"""Hosted programs and kernels by name, with the arguments that build them."""


def sha256(parts: Iterable[bytes]) -> str:
    """SHA-256 of the concatenated parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def digests(lines: Sequence[bytes], blobs: Sequence[tuple[str, int, bytes]] = ()) -> Digests:
    """Hash each part of a run: ``lines`` of its machine channel, ``blobs`` as (name, step, bytes)."""
    events = [json.loads(line) for line in lines]
    found: Digests = {}
    for part, kinds in PARTS.items():
        chosen = [
            [event["event"], *(event[key] for key in kinds[event["event"]])]
            for event in events
            if event["event"] in kinds
        ]
        if chosen:
            found[part] = sha256(json.dumps(fields).encode() + b"\n" for fields in chosen)
    for part, names in (("weights", ("best", "last")), ("state", ("state",))):
        kept = [f"{name} {step} ".encode() + data for name, step, data in blobs if name in names]
        if kept:
            found[part] = sha256(kept)
    return found


class Failed(Exception):
    """A run ended with an error."""


ISA_OF_ANOTHER = {"avx2": "neon", "avx512": "all"}
"""What computes the same as x86's instruction sets: fused products in fast training begin with AVX2, and with NEON."""


class Bench:
    """Builds programs with one compiler for one architecture, and keeps the files of the boot modules in one folder."""

    def __init__(self, folder: Path, toolchain: str = "zig", arch: Arch = DEFAULT) -> None:
        self.folder, self.toolchain, self.arch = folder, toolchain, arch
        self._files: dict[str, Path] = {}
        self._images: dict[tuple[str, str], Path] = {}

    def image(self, name: str, target: str = "hosted") -> Path:
        """Build a program or kernel of IMAGES, once."""
        if (name, target) not in self._images:
            what = {key: make() for key, make in IMAGES[name].items()}
            self._images[name, target] = build_cached(target=target, toolchain=self.toolchain, arch=self.arch, **what)
        return self._images[name, target]

    def file(self, name: str, write: Callable[[Path], object]) -> Path:
        """Write the file of this name, once; its path."""
        if name not in self._files:
            path = self.folder / f"{len(self._files)}-{name.replace(' ', '-').replace(',', '')}"
            write(path)
            self._files[name] = path
        return self._files[name]

    def put(self, name: str, data: bytes) -> Path:
        """Write these bytes to a file; its path."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    def holding(self, model: Path) -> Path:
        """Build a hosted program with this model inside: the build interleaves the matrices for the kernel."""
        out = self.folder / f"{model.name}-image"
        settings = BuildSettings(model, out, toolchain=self.toolchain, target="hosted", arch=self.arch)
        return settings.out / "kgpt-hosted" if settings.out.exists() else build(settings).output

    def hosted(self, program: Path, words: str, modules: Sequence[str] = (), typed: str = "") -> mode_train.Training:
        """Run the hosted program until it exits with code 0. A module is a path, and perhaps words (kind=file)."""
        if self.arch is not DEFAULT:
            for name, own in ISA_OF_ANOTHER.items():
                words = re.sub(rf"\bcpumask={name}\b", f"cpumask={own}", words)
        run = mode_train.train(Hosted(program), self.folder, words, *modules, stdin=typed.encode())
        if run.returncode:
            raise Failed(f"{words!r} with {modules} ended with {run.returncode}: {run.console[-2000:]}")
        return run

    def qemu(self, image: Path, words: str, models: Sequence[str] = ()) -> list[bytes]:
        """Boot the kernel in QEMU until it exits with code 0; the lines of the machine channel."""
        options = [f"--model={path}" for path in models]
        command = ["run", str(image), "--json", "--accel=tcg", f"--cmdline={words}", *options]
        done = subprocess.run(
            [sys.executable, "-m", "kgpt_build", *command],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=pace.limit(120),
            check=False,
        )
        if done.returncode:
            raise Failed(f"QEMU, {words!r} with {models}: {done.returncode}: {done.stderr.decode()[-2000:]}")
        return done.stdout.splitlines()

    @cached_property
    def isa(self) -> str:
        """The instruction set that the engine chooses on this processor."""
        events = [json.loads(line) for line in self.hosted(self.image("micro"), "exit samples=1").lines]
        return str(next(event["isa"] for event in events if event["event"] == "cpu"))
