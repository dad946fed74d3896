"""Settings of language models become words of the kernel's command line, or are refused."""

from __future__ import annotations

from typing import Any

import pytest

from kgpt_build.errors import UsageError
from kgpt_build.settings.lm import LmSettings


def test_words() -> None:
    settings = LmSettings(
        system="Be brief.", ctx=512, kv="q8", frequency_penalty=-0.5, logit_bias=("15-inf", "3+2.5"), stop=("a b", "\n")
    )
    assert settings.cmdline_words() == [
        'system="Be brief."', "ctx=512", "kv=q8", "frequency_penalty=-0.5", "logit_bias=15-inf", "logit_bias=3+2.5",
        'stop="a b"', r'stop="\n"',
    ]  # fmt: skip
    assert settings.given == ["system", "ctx", "kv", "frequency_penalty", "logit_bias", "stop"]


def test_nothing_given() -> None:
    assert LmSettings().cmdline_words() == LmSettings().given == []


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"ctx": -1}, "ctx"),
        ({"ctx": 1 << 25}, "ctx"),
        ({"typical_p": 0.0}, "typical_p"),
        ({"repeat_penalty": 0.0}, "repeat_penalty"),
        ({"repeat_last_n": -1}, "repeat_last_n"),
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"presence_penalty": float("nan")}, "presence_penalty"),
        ({"logprobs": 21}, "logprobs"),
        ({"system": "x" * 2048}, "2,048 bytes"),
        ({"system": "\x07"}, "control character"),
        ({"stop": ("",)}, "empty"),
        ({"stop": ("x" * 64,)}, "64 bytes"),
        ({"stop": ("a",) * 5}, "5 stop strings"),
        ({"logit_bias": ("15",)}, "ID+BIAS"),
        ({"logit_bias": ("99999999999+1",)}, "ID+BIAS"),
        ({"logit_bias": ("1+1",) * 33}, "33 logit biases"),
    ],
)
def test_refused(bad: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        LmSettings(**bad)
    assert word in caught.value.message
