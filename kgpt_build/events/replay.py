"""The words of a command line that ask for what a ``config`` event says: the same image then gives the same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgpt_build.events import Config
from kgpt_build.settings import GenerateSettings, value_text
from kgpt_build.settings.lm import LmSettings


def replay_words(config: Config) -> list[str]:
    """``key=value`` of everything that ``config`` says. Raises UsageError for what no command line can hold.

    Of a chat the words are those of its beginning: the later messages are the prompts of its later events.
    """
    words = GenerateSettings(
        prompt=config.prompt or None,
        samples=config.samples,
        max_tokens=config.max_tokens,
        seed=config.seed,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        min_p=config.min_p,
    ).cmdline_words()
    return [f"mode={config.mode}", *words, *_of_language_model(config)]


def _of_language_model(config: Config) -> list[str]:
    if not config.context:
        return []
    return LmSettings(
        system=config.system or None,
        ctx=config.context,
        kv=config.kv,
        on_overflow=config.on_overflow,
        think=config.think,
        typical_p=config.typical_p,
        repeat_penalty=config.repeat_penalty,
        repeat_last_n=config.repeat_last_n,
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        logit_bias=tuple(_bias(bias) for bias in config.logit_bias),
        stop=config.stop,
    ).cmdline_words()


def _bias(of: Mapping[str, Any]) -> str:
    """``15+2.5``, as the kernel takes it."""
    bias = float(of["bias"])
    return f"{of['id']}{'-' if bias < 0 else '+'}{value_text(bias) if abs(bias) < 1e300 else 'inf'}"
