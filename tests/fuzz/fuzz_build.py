"""A fuzz target, and how it is compiled."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.headers import font, page, unicode

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
"""A folder of small inputs for each target."""
SHELL_MODELS = ROOT / "tests" / "fuzz" / "shell"
"""Two tiny models for the target "shell"."""
VECTORS = {
    "_avx2.c": ["-mavx2", "-mf16c"],
    "_avxvnni.c": ["-mavx2", "-mf16c", "-mavxvnni"],
    "_avx512vnni.c": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma"],
    "_clmul.c": ["-mpclmul", "-msse4.1"],
    "_sha.c": ["-msha", "-mssse3", "-msse4.1"],
    "_avx512.c": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
}
"""Sources that need more of a processor than the others; they are linked, but not run, and so compiled in no time."""
NOT_RUN = ["-O0", "-fno-sanitize=all", "-Wno-unused-command-line-argument", "-Wno-error"]
ONCE = {"kernel_c/infer/chat/loaded.c": [f"-Dkg_{name}_open=opened_{name}" for name in ("gguf", "vocab", "lm")]}
"""What opens models asks tests/fuzz/opened.h for them."""

FLAGS = ["-std=gnu11", "-g", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-omit-frame-pointer", "-D_GNU_SOURCE"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
INCLUDES = [f"-I{folder}" for folder in ("kernel_c/include", "kernel_c", "tests/fuzz")]


@dataclass(frozen=True)
class Target:
    """An entry point. ``max_len``: bytes of the longest input that the fuzzer tries; ``macros`` as after -D."""

    name: str
    sources: tuple[str, ...]
    max_len: int
    macros: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """What inputs are made of, for the fuzzer's dictionary; C escapes."""
    unwatched: tuple[str, ...] = ()
    """Sources, with wildcards, whose branches are no news to the fuzzer; the sanitizers watch them all the same."""

    @property
    def corpus(self) -> Path:
        """Its folder of inputs."""
        return CORPUS / self.name


def build(target: Target, program: Path, compiler: Sequence[str], main: str | None = None) -> None:
    """Compile ``target`` into ``program``: its entry point, its sources, and ``main``, which a fuzzer has itself.

    The headers that come from no model are written beside it.
    """
    for header in (unicode, font, page):
        (program.parent / header.NAME).write_text(header.text("fuzz"), encoding="utf-8")
    macros = [f"-I{program.parent}", *(f"-D{macro}" for macro in target.macros)]
    words = [*compiler, *FLAGS, *WARNINGS, *INCLUDES, *macros]
    inputs = [f"tests/fuzz/fuzz_{target.name}.c"]
    for source in target.sources:
        vectors = next(([*flags, *NOT_RUN] for end, flags in VECTORS.items() if source.endswith(end)), [])
        own = [*ONCE.get(source, []), *vectors]
        inputs.append(str(program.parent / f"{Path(source).stem}.o") if own else source)
        if own:
            subprocess.run([*words, *own, "-c", source, "-o", inputs[-1]], cwd=ROOT, check=True)
    inputs += [main] if main else []
    subprocess.run([*words, *inputs, "-lm", "-o", str(program)], cwd=ROOT, check=True)
