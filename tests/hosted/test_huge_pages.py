"""A hosted model lies in huge pages where Linux has them, and the program's memory comes into being when it is used."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pace
import pytest
from hosted import Hosted
from tiny_lm import write_lm

from kgpt_build.kernel.build import build_cached
from kgpt_build.models import load_lm

N_FF = 16384
"""Three matrices of 32 x 16,384 in each of two layers, in F32: 12 MB."""
KV_MB = 64
"""Two layers of keys and values, 32 wide, of 4 bytes: of a context of 131,072."""
HUGE = 2 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    rng = np.random.default_rng(1)
    shapes = {"ffn_gate": (N_FF, 32), "ffn_up": (N_FF, 32), "ffn_down": (32, N_FF)}
    tensors = {
        f"blk.{layer}.{name}.weight": (rng.standard_normal(shape) / 100).astype(np.float32)
        for layer in range(2)
        for name, shape in shapes.items()
    }
    fields = {"llama.context_length": 1 << 17, "llama.feed_forward_length": N_FF}
    return write_lm(tmp_path_factory.mktemp("large") / "large.gguf", fields=fields, tensors=tensors, kind="F16")


def resident(program: Path, *options: str) -> tuple[int, int]:
    """(resident bytes, bytes of them in huge pages) when the shell waits."""
    read, write = os.pipe()
    cmdline = "mode=shell kv=f32 ctx=131072 cpus=1"
    words = [str(program), "--cmdline", cmdline, "--events-fd", str(write), *options]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[write]) as process:
        os.close(write)
        with os.fdopen(read, "rb") as events:
            for line in events:
                if line.startswith(b'{"event":"shell"'):
                    break
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            assert process.stdin is not None
            process.stdin.write(b"halt\n")
            process.stdin.close()
            events.read()
        assert process.wait(pace.limit(60)) == 0
    found = {name: int(kb) * 1024 for name, kb in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return found["Rss"], found["AnonHugePages"]


def has_huge_pages() -> bool:
    try:
        enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return False
    return "[never]" not in enabled


def test_an_embedded_model(large: Path) -> None:
    model = load_lm(large)
    rss, huge = resident(build_cached(model, target="hosted"), "--arena-mb", "512")
    assert rss < model.size + (20 << 20) < model.size + (KV_MB << 20)
    if has_huge_pages():
        assert model.size - 2 * HUGE <= huge <= model.size


def test_a_model_that_is_brought(without_model: Hosted, large: Path) -> None:
    model = load_lm(large)
    rss, huge = resident(without_model.path, "--arena-mb", "512", "--module", str(large))
    assert rss < model.size + (20 << 20)
    if has_huge_pages():
        assert model.size - HUGE <= huge <= model.size + HUGE
