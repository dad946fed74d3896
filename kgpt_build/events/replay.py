"""The words of a command line that ask for what a ``config`` event says: the same image then gives the same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgpt_build.events import Config
from kgpt_build.settings import Settings, value_text


def replay_words(config: Config) -> list[str]:
    """``key=value`` of everything that ``config`` says. Raises UsageError for what no command line can hold.

    Of a chat the words are those of its beginning: the later messages are the prompts of its later events.
    """
    texts = {"prompt": config.prompt or None, "system": config.system or None, "stop": config.stop}
    numbers = {"samples": config.samples, "max_tokens": config.max_tokens, "seed": config.seed, **config.options}
    texts |= {"grammar": config.grammar or None}
    if config.context:
        numbers |= {"ctx": config.context}
        texts |= {"kv": config.kv, "on_overflow": config.on_overflow, "think": config.think, "rng": config.rng}
    biases = tuple(_bias(bias) for bias in config.logit_bias)
    return [f"mode={config.mode}", *Settings(**texts, **numbers, logit_bias=biases).cmdline_words()]


def _bias(of: Mapping[str, Any]) -> str:
    """``15+2.5``, as the kernel takes it."""
    bias = float(of["bias"])
    return f"{of['id']}{'-' if bias < 0 else '+'}{value_text(abs(bias)) if abs(bias) < 1e300 else 'inf'}"
