"""The perplexity of a text, computed by the engine as a Linux process (kernel_c/app/lm_perplexity.c)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kgpt_build.errors import KgptError

if TYPE_CHECKING:
    from kgpt_build.arch import Arch
    from kgpt_build.events import Event, Perplexity
    from kgpt_build.models import GgufModel

DEFAULT_CTX = 512
"""Tokens of a window, as in llama-perplexity."""


@dataclass(frozen=True)
class Score:
    """How well a model predicts a text: ``nll`` is the mean of -ln p over ``tokens`` tokens, in nats."""

    windows: int
    tokens: int
    nll: float
    deviation: float
    """The standard error of ``nll``."""

    @property
    def perplexity(self) -> float:
        """e to the power of nll: among how many tokens the model would have to guess."""
        return math.exp(self.nll)

    @property
    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {
            "perplexity": self.perplexity,
            "error": self.perplexity * self.deviation,
            "nll": self.nll,
            "tokens": self.tokens,
            "windows": self.windows,
        }

    def __str__(self) -> str:
        return f"{self.perplexity:.4f} ± {self.perplexity * self.deviation:.4f}"


def score(
    model: GgufModel,
    text: bytes,
    *,
    ctx: int = 0,
    windows: int = 0,
    cpus: int = 0,
    arch: Arch | None = None,
    on_window: Callable[[Perplexity], None] = lambda _: None,
) -> Score:
    """Compute the perplexity of ``text``, cut into windows of ``ctx`` tokens (0: 512, or what the model can).

    ``windows``: at most so many, 0 for all; ``cpus``: threads, 0 for all processors.
    ``arch``: of the process; None: of_host(). Raises KgptError, ToolMissing.
    """
    from kgpt_build.boot_modules import PROMPT, Text, staged
    from kgpt_build.cli.shared.boot_file import kernel_without_model
    from kgpt_build.cli.shared.lm import modules_of
    from kgpt_build.events.framing import ChannelReader
    from kgpt_build.kernel.hosted import MEMORY_MB, HostedProcess

    program = kernel_without_model("hosted", arch=arch)
    threads = cpus or len(os.sched_getaffinity(0))
    length = ctx or min(DEFAULT_CTX, model.hparams.n_ctx)
    words = f"mode=perplexity ctx={length} windows={windows} cpus={threads} exit"
    channel = ChannelReader()
    with staged([Text(PROMPT, PROMPT, text)]) as texts:
        modules = (*modules_of([model]), *texts)
        with HostedProcess(program, words, modules=modules, memory=MEMORY_MB) as process:
            process.end_input()
            for piece in process.pieces():
                seen = len(channel.events)
                channel.feed(piece)
                _tell(channel.events[seen:], on_window)
            process.check(has_spoken=bool(channel.events))
    return _result(channel.events)


def _tell(events: list[Event], on_window: Callable[[Perplexity], None]) -> None:
    from kgpt_build.events import Perplexity

    for event in events:
        if isinstance(event, Perplexity):
            on_window(event)


def _result(events: list[Event]) -> Score:
    """The score of all windows. Raises KgptError with the engine's own message if it refused."""
    from kgpt_build.events import Error, Exit, Perplexity

    refusal = next((event for event in reversed(events) if isinstance(event, Error)), None)
    if refusal is not None:
        raise KgptError(refusal.message, refusal.hint)
    scored = [event for event in events if isinstance(event, Perplexity)]
    if not scored or not isinstance(events[-1], Exit) or scored[-1].window + 1 != scored[-1].windows:
        raise KgptError("the perplexity was not computed to its end", "run it again")
    last = scored[-1]
    return Score(last.windows, last.tokens, last.nll, last.deviation)
