"""What a generation is asked for: checked before anything is built, then words of the kernel's command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Literal

from kgpt_build.errors import UsageError
from kgpt_build.words import counted

MAX_CMDLINE = 4095  # KG_CMDLINE_MAX, in bytes
MAX_SAMPLES = 1_000_000
MAX_U32 = (1 << 32) - 1
MAX_SEED = (1 << 64) - 1

_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t"}


@dataclass(frozen=True)
class GenerateSettings:
    """What to generate; None leaves the kernel's default. Raises UsageError for a value that the kernel would refuse.

    ``max_tokens`` 0 is to the end of the context; ``temperature`` 0 is greedy; ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0
    are off; ``seed`` "random" draws one, which the run prints.
    """

    prompt: str | None = None
    samples: int | None = None
    max_tokens: int | None = None
    seed: int | Literal["random"] | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None

    def __post_init__(self) -> None:
        check_whole("samples", self.samples, 1, MAX_SAMPLES)
        check_whole("max_tokens", self.max_tokens, 0, MAX_U32)
        check_whole("top_k", self.top_k, 0, MAX_U32)
        if self.seed != "random":
            check_whole("seed", self.seed, 0, MAX_SEED, also=' or "random"')
        _check_decimal("temperature", self.temperature, 0, 100)
        _check_decimal("top_p", self.top_p, 0, 1)
        _check_decimal("min_p", self.min_p, 0, 1)
        if self.top_p == 0:
            raise UsageError("top_p is 0, which leaves no token", "give more than 0 and at most 1; 1 is off")
        _check_prompt(self.prompt)

    def cmdline_words(self) -> list[str]:
        """``key=value`` for each value that is given, as the kernel's command line wants it, quoted where needed."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [f"{name}={value_text(value)}" for name, value in given if value is not None]


def quoted(value: str) -> str:
    """``value`` as the kernel's command line wants a text: in double quotes, if anything in it could end the word."""
    if value and not any(char in _ESCAPES or char.isspace() for char in value):
        return value
    return '"' + "".join(_ESCAPES.get(char, char) for char in value) + '"'


def value_text(value: str | int | float) -> str:
    """``value`` as the kernel's command line wants it: no sign, no exponent, the same number when it is read."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        return format(Decimal(repr(abs(float(value)))), "f")  # the kernel reads no sign, not even that of -0.0
    return str(value)


def text_size(what: str, text: str) -> int:
    """Bytes of ``text``. Raises UsageError, naming it as ``what``, for one that is not UTF-8."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not valid UTF-8", "check the terminal's encoding") from None


def check_whole(name: str, value: int | str | None, least: int, most: int, *, also: str = "") -> None:
    """Refuse what is no whole number from ``least`` to ``most``; None is none given. Raises UsageError."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"{name} is {value!r}", f"give a whole number from {least} to {most}{also}")


def check_number(
    name: str, value: float | None, least: float, most: float, *, above: bool = False, below: bool = False
) -> None:
    """Refuse what is no number from ``least`` (``above``: more) to ``most`` (``below``: less). Raises UsageError."""
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not least <= value <= most or (above and value == least) or (below and value == most):
        begin = f"above {least:g} and" if above else f"from {least:g} to"
        end = f"below {most:g}" if below else f"at most {most:g}" if above else f"{most:g}"
        raise UsageError(f"{name} is {value!r}", f"give a number {begin} {end}")


def _check_decimal(name: str, value: float | None, least: int, most: int) -> None:
    check_number(name, value, least, most)
    if value is not None and 0 < value < 1e-30:
        raise UsageError(f"{name} is {value!r}", "so small a number is 0 to the kernel: give 0")


def _check_prompt(prompt: str | None) -> None:
    if prompt is None:
        return
    size = text_size("the prompt", prompt)
    if any(ord(char) < 32 and char not in _ESCAPES for char in prompt):
        raise UsageError(f"the prompt {prompt!r} holds a control character", "only line feeds and tabs can be given")
    if size > MAX_CMDLINE - 512:  # the rest of the command line needs some room too
        raise UsageError(
            f"the prompt has {counted(size, 'byte')}", f"at most {MAX_CMDLINE - 512} fit the kernel's command line"
        )
