"""What a language model is asked for beyond GenerateSettings, as words of the kernel's command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from kgpt_build.errors import UsageError
from kgpt_build.settings import MAX_U32, check_number, check_whole, quoted, text_size, value_text
from kgpt_build.words import counted

MAX_SYSTEM = 2047  # bytes, as kernel_c/app/cmdline/lm_options.c takes them
MAX_STOP = 63
MAX_STOPS = 4
MAX_BIASES = 32
KV_TYPES = ("f16", "q8", "f32")
OVERFLOWS = ("error", "shift")
THINK = ("on", "off")


def check_context(ctx: int | None, name: str, most: int) -> None:
    """Refuse a context that is longer than the ``most`` positions which a model was trained for. Raises UsageError."""
    if ctx is not None and ctx > most:
        raise UsageError(f"a context of {ctx} is more than {name} was trained for", f"give --ctx {most} or less")


@dataclass(frozen=True)
class LmSettings:
    """Settings of a reply; None leaves the kernel's default, which is llama.cpp's. Raises UsageError.

    The names are llama.cpp's. Without ``ctx`` it is 4,096, or what the model was trained for, or what fits into memory.
    """

    system: str | None = None
    ctx: int | None = None
    kv: str | None = None
    on_overflow: str | None = None
    think: str | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: int | None = None
    logit_bias: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_whole("ctx", self.ctx, 1, 1 << 24)
        check_whole("repeat_last_n", self.repeat_last_n, 0, 1 << 20)
        check_whole("logprobs", self.logprobs, 0, 20)
        check_number("typical_p", self.typical_p, 0, 1, above=True)
        check_number("repeat_penalty", self.repeat_penalty, 0, 100, above=True)
        check_number("frequency_penalty", self.frequency_penalty, -2, 2)
        check_number("presence_penalty", self.presence_penalty, -2, 2)
        _check_text("the system prompt", self.system, MAX_SYSTEM)
        if len(self.stop) > MAX_STOPS:
            raise UsageError(f"{len(self.stop)} stop strings are given", f"at most {MAX_STOPS} are possible")
        for text in self.stop:
            if not text:
                raise UsageError("a stop string is empty", "give the text before which a reply is to end")
            _check_text("a stop string", text, MAX_STOP)
        self._check_biases()

    def _check_biases(self) -> None:
        if len(self.logit_bias) > MAX_BIASES:
            raise UsageError(f"{len(self.logit_bias)} logit biases are given", f"at most {MAX_BIASES} are possible")
        for text in self.logit_bias:
            match = re.fullmatch(r"([0-9]{1,10})[+-](inf|[0-9]+(\.[0-9]+)?)", text, re.ASCII)
            if not match or int(match[1]) > MAX_U32:
                raise UsageError(f"the logit bias {text!r} is not ID+BIAS or ID-BIAS", "such as 15+2.5, or 15-inf")

    def cmdline_words(self) -> list[str]:
        """``key=value`` for each value that is given, as the kernel's command line wants it."""
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            words += [f"{field.name}={_text(item)}" for item in values]
        return words

    @property
    def given(self) -> list[str]:
        """The names of what was given."""
        return [field.name for field in fields(self) if getattr(self, field.name) not in (None, ())]


def _text(value: str | int | float) -> str:
    if isinstance(value, str):
        return quoted(value)
    sign = "-" if isinstance(value, float) and value < 0 else ""
    return sign + value_text(value)


def _check_text(what: str, text: str | None, most: int) -> None:
    if text is None:
        return
    size = text_size(what, text)
    if any(ord(char) < 32 and char not in "\n\t" for char in text):
        raise UsageError(f"{what} {text!r} holds a control character", "only line feeds and tabs can be given")
    if size > most:
        raise UsageError(f"{what} has {counted(size, 'byte')}", f"at most {most} are possible")
