from __future__ import annotations

from typing import Any

import pytest
from refusals import refused

from kgpt_build.errors import UsageError
from kgpt_build.settings import Settings, quoted


def test_what_is_not_given_is_left_to_the_kernel() -> None:
    assert Settings().cmdline_words() == []


def test_all_words() -> None:
    settings = Settings(
        prompt="ka", samples=5, max_tokens=0, seed=(1 << 64) - 1, temperature=0.7, top_k=40, top_p=0.95, min_p=0.05
    )
    assert settings.cmdline_words() == [
        "prompt=ka",
        "samples=5",
        "max_tokens=0",
        "seed=18446744073709551615",
        "temperature=0.7",
        "top_k=40",
        "top_p=0.95",
        "min_p=0.05",
    ]
    assert Settings(seed="random").cmdline_words() == ["seed=random"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("plain", "plain"),
        ("é中", "é中"),
        ("a=b", "a=b"),
        ("", '""'),
        ("two words", '"two words"'),
        ('say "x"', r'"say \"x\""'),
        ("a\\b", r'"a\\b"'),
        ("a\nb\tc", r'"a\nb\tc"'),
        ('\\"', r'"\\\""'),
    ],
)
def test_quoted(text: str, word: str) -> None:
    assert quoted(text) == word
    assert Settings(prompt=text).cmdline_words() == [f"prompt={word}"]


@pytest.mark.parametrize(
    ("value", "word"),
    [(0.0, "0.0"), (-0.0, "0.0"), (1, "1"), (1e-7, "0.0000001"), (100.0, "100.0"), (0.1 + 0.2, "0.30000000000000004")],
)
def test_decimals_have_no_exponent_and_no_sign(value: float, word: str) -> None:
    assert Settings(temperature=value).cmdline_words() == [f"temperature={word}"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"samples": 0}, "samples 0"),
        ({"samples": 1_000_001}, "samples 1000001"),
        ({"samples": True}, "samples True"),
        ({"max_tokens": -1}, "max_tokens -1"),
        ({"top_k": 1 << 32}, f"top_k {1 << 32}"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 1 << 64}, f"seed {1 << 64}"),
        ({"seed": "dice"}, "seed 'dice'"),
        ({"temperature": -0.1}, "temperature -0.1"),
        ({"temperature": 100.5}, "temperature 100.5"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"temperature": 1e-40}, "temperature 1e-40"),
        ({"top_p": 0}, "top_p 0"),
        ({"top_p": 1.1}, "top_p 1.1"),
        ({"min_p": float("inf")}, "min_p inf"),
        ({"prompt": "a\0b"}, "prompt control character"),
        ({"prompt": "a\x1bb"}, "prompt control character"),
        ({"prompt": "\udc80"}, "prompt UTF-8"),
        ({"prompt": "é" * 2000}, "prompt 4,000 bytes"),
    ],
)
def test_refused(values: dict[str, Any], message: str) -> None:
    with refused(UsageError, message) as caught:
        Settings(**values)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_words_of_language_models() -> None:
    settings = Settings(
        system="Be brief.", ctx=512, kv="q8", frequency_penalty=-0.5, logit_bias=("15-inf", "3+2.5"), stop=("a b", "\n")
    )
    assert settings.cmdline_words() == [
        'system="Be brief."', "ctx=512", "kv=q8", "frequency_penalty=-0.5", "logit_bias=15-inf", "logit_bias=3+2.5",
        'stop="a b"', r'stop="\n"',
    ]  # fmt: skip
    assert settings.for_lm == ["system", "ctx", "kv", "frequency_penalty", "logit_bias", "stop"]


def test_nothing_given() -> None:
    assert Settings().for_lm == Settings(samples=3).for_lm == []


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
        ({"stop": ("a",) * 5}, "given 5 times"),
        ({"logit_bias": ("15",)}, "ID+BIAS"),
        ({"logit_bias": ("99999999999+1",)}, "ID+BIAS"),
        ({"logit_bias": ("1+1",) * 33}, "given 33 times"),
    ],
)
def test_refused_of_language_models(bad: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings(**bad)
    assert word in caught.value.message


def test_what_the_table_does_not_have() -> None:
    with refused(TypeError, "temprature"):
        Settings(temprature=1)
