"""The files that the matrix boots: one kernel, and images of it whose menu boots it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kgpt_build import models, paths
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.make import ImageSettings, make
from kgpt_build.image.menu import SAFE, MenuSettings
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.loaders import multiboot1
from kgpt_build.kernel.settings import Progress
from kgpt_build.models import Model
from kgpt_build.proof.axes import Case
from kgpt_build.reference import sampler
from kgpt_build.toolchain import DEFAULT
from kgpt_build.training.corpus import read_corpus

SAMPLES, SEED = 5, 7
WORDS = f"samples={SAMPLES} seed={SEED} cpus=8"
"""The kernel's command line, the same on all machines; it uses all processors."""
PROMPT = "ka"
"""The prompt typed in the shell."""


@dataclass(frozen=True)
class Images:
    """The files to boot; an image that no case needs is not made."""

    kernel: Path
    pvh: Path
    text: Path
    """An image whose default entry has safe graphics: under a BIOS the screen stays in text mode."""
    pixels: Path

    def of(self, case: Case) -> Path:
        """The file that a case boots."""
        if case["loader"] in ("pvh", "multiboot1"):
            return self.pvh if case["loader"] == "pvh" else self.kernel
        return self.text if case["screen"] == "text" else self.pixels


@dataclass(frozen=True)
class Expected:
    """The texts that every machine must generate by the NumPy reference: at the start, and of PROMPT."""

    first: tuple[str, ...]
    answer: tuple[str, ...]


def expected() -> Expected:
    """The expected texts of the model that ships."""
    model = models.load(None)
    assert isinstance(model, Model)
    first, answer = (
        tuple(sampler.generate(model, prompt, seed=SEED, index=index).text for index in range(SAMPLES))
        for prompt in ("", PROMPT)
    )
    return Expected(first, answer)


def prepare(folder: Path, cases: Sequence[Case], progress: Progress) -> Images:
    """Build the files that ``cases`` boot. Raises KgptError, ToolMissing (for GRUB's tools, xorriso)."""
    kernel = build_cached(progress=progress)
    pvh = folder / "pvh.elf"
    paths.write_atomically(pvh, without_multiboot1(kernel.read_bytes()))
    images = Images(kernel, pvh, folder / "text.iso", folder / "pixels.iso")
    wanted = Wanted(load_models([None]), read_corpus(None).embedded(), DEFAULT)
    entry = f"{models.load(None).name}-generate"
    for image, default in ((images.text, f"{SAFE}>{SAFE}-{entry}"), (images.pixels, entry)):
        if any(images.of(case) == image for case in cases):
            make(ImageSettings("iso", image, wanted, MenuSettings(WORDS, 0, default)), progress)
    return images


def without_multiboot1(data: bytes) -> bytes:
    """The kernel without its multiboot 1 header: QEMU then boots it by its PVH note."""
    header = multiboot1(data)
    assert header is not None
    return data[: header.offset] + bytes(8) + data[header.offset + 8 :]
