"""The tokenizer of a running text, as GGUF fields."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import refused
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.errors import KgptError
from kgpt_build.models.char_fields import char_fields

CHARS = ["\n", "\t", "b", "a", "é", "€", "😀", "\x00", " "]
NO_BOS = {"tokenizer.ggml.bos_token_id": None, "tokenizer.ggml.eos_token_id": None, "tokenizer.ggml.merges": None}
NO_BOS |= {"tokenizer.ggml.pre": None, "tokenizer.ggml.token_type": None, "tokenizer.chat_template": None}


def test_any_characters_in_any_order() -> None:
    fields = char_fields(CHARS)
    assert fields["tokenizer.ggml.tokens"] == CHARS
    assert fields["tokenizer.ggml.add_bos_token"] is False
    assert not [key for key in fields if "token_id" in key]


@pytest.mark.parametrize("arch", ["nanogpt", "microgpt", "llama"])
def test_a_model_of_a_running_text_is_read(tmp_path: Path, arch: str) -> None:
    """A microgpt too, which then is one for the engine for language models."""
    path = write_lm(tmp_path / "m.gguf", arch, fields={**NO_BOS, **char_fields(CHARS)})
    model = models.load(path)
    assert isinstance(model, models.GgufModel)
    assert (model.vocabulary.model, list(model.vocabulary.tokens), dict(model.vocabulary.special)) == (
        "kgpt-char",
        CHARS,
        {},
    )


def test_without_bos_the_file_must_say_so(tmp_path: Path) -> None:
    fields = {**NO_BOS, **char_fields(CHARS), "tokenizer.ggml.add_bos_token": None}
    with refused(KgptError, "tokenizer.ggml.bos_token_id missing begin"):
        models.load(write_lm(tmp_path / "m.gguf", "nanogpt", fields=fields))


@pytest.mark.parametrize(
    ("chars", "words"),
    [
        ([], "0 characters"),
        (["a"], "1 characters"),
        (["a", "b", "a"], "'a' twice"),
        (["a", "bc"], "'bc' one character"),
        (["a", ""], "'' one character"),
        (["a", "\ud800"], "surrogate"),
    ],
)
def test_what_cannot_be_a_vocabulary(chars: list[str], words: str) -> None:
    with refused(KgptError, words):
        char_fields(chars)
