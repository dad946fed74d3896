from __future__ import annotations

from typing import Any

import pytest

from kgpt_build.errors import UsageError
from kgpt_build.settings import GenerateSettings, quoted


def test_what_is_not_given_is_left_to_the_kernel() -> None:
    assert GenerateSettings().cmdline_words() == []


def test_all_words() -> None:
    settings = GenerateSettings(
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
    assert GenerateSettings(seed="random").cmdline_words() == ["seed=random"]


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
    assert GenerateSettings(prompt=text).cmdline_words() == [f"prompt={word}"]


@pytest.mark.parametrize(
    ("value", "word"),
    [(0.0, "0.0"), (-0.0, "0.0"), (1, "1"), (1e-7, "0.0000001"), (100.0, "100.0"), (0.1 + 0.2, "0.30000000000000004")],
)
def test_decimals_have_no_exponent_and_no_sign(value: float, word: str) -> None:
    assert GenerateSettings(temperature=value).cmdline_words() == [f"temperature={word}"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"samples": 1_000_001}, "samples is 1000001"),
        ({"samples": True}, "samples is True"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"top_k": 1 << 32}, "top_k is"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1 << 64}, "seed is"),
        ({"seed": "dice"}, "seed is 'dice'"),
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": 100.5}, "temperature is 100.5"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": 1e-40}, "temperature is 1e-40"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"min_p": float("inf")}, "min_p is inf"),
        ({"prompt": "a\0b"}, "control character"),
        ({"prompt": "a\x1bb"}, "control character"),
        ({"prompt": "\udc80"}, "not valid UTF-8"),
        ({"prompt": "é" * 2000}, "the prompt has 4,000 bytes"),
    ],
)
def test_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        GenerateSettings(**values)
    assert caught.value.hint
    assert caught.value.exit_code == 2
