"""Prints a run without a console: its events as lines of JSON, or the texts in its events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kgpt_build.vm.terminal import as_written, visible
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.events import Event, Sample, Speed, Token
    from kgpt_build.vm.guest_run import GuestRun


class LinePrinter:
    """Prints the lines of the machine channel."""

    def __init__(self, machine: GuestRun) -> None:
        self._machine = machine
        self._printed = 0

    def poll(self) -> None:
        """Print new events."""
        lines, self._printed = self._machine.lines_since(self._printed)
        for line in lines:
            click.echo(visible(line.decode(errors="replace")) if sys.stdout.isatty() else line)


class EventPrinter:
    """Prints the texts in the events, and on standard error how long they took.

    ``stats``: what each reply of a language model cost, too.
    """

    def __init__(self, machine: GuestRun, *, short: bool, stats: bool) -> None:
        self._machine = machine
        self._short = short
        self._stats = stats
        self._seen = 0
        self._printed = 0  # bytes of the text
        self._is_lm = False
        self._seed: int | None = None
        self._begun: list[int] = []  # samples of a language model whose end was not told
        self._held: dict[int, str] = {}  # the texts of all but the first of them (slots)

    def poll(self) -> None:
        """Print new events."""
        events, self._seen = self._machine.events_since(self._seen)
        for event in events:
            self._print(event)

    def _print(self, event: Event) -> None:
        from kgpt_build.events import Config, Model, Sample, SelfTest, Speed, Stats, Token

        if isinstance(event, Token) and self._short:
            self._print_token(event)
        elif isinstance(event, Model):
            self._is_lm = bool(event.tokenizer)
        elif isinstance(event, Config):
            self._seed = event.seed
            self._begun = [event.sample] if event.mode == "chat" else [*self._begun, event.sample]
        elif isinstance(event, Sample):
            self._print_sample(event)
        elif isinstance(event, SelfTest):
            click.echo(f"{'ok    ' if event.ok else 'FAILED'} {event.name} {event.message}".rstrip())
        elif isinstance(event, Speed) and self._stats:
            click.echo(f"kgpt: {speed_text(event)}", err=True)
        elif isinstance(event, Stats):
            speed = f" in {event.us / 1000:.1f} ms ({event.tokens * 1e6 / event.us:,.0f} tokens/s)" if event.us else ""
            made = f"{counted(event.samples, 'sample')}, {counted(event.tokens, 'token')}"
            click.echo(f"kgpt: {made}{speed}, seed {self._seed}", err=True)

    def _print_token(self, token: Token) -> None:
        """Print a token of a language model at once. A microgpt's text is printed whole: it begins with the prompt."""
        if self._is_lm and self._begun[:1] not in ([], [token.sample]):
            self._held[token.sample] = self._held.get(token.sample, "") + token.text
        elif self._is_lm:
            text = self._held.pop(token.sample, "") + token.text
            click.echo(_shown(text), nl=False)
            self._printed += len(text.encode())

    def _print_sample(self, sample: Sample) -> None:
        if not self._short:
            click.echo(f"sample {sample.index + 1:2d}: {_shown(sample.text)}")
        elif self._is_lm:
            kept_back = sample.text.encode()[max(self._printed - sample.dropped, 0) :].decode()
            click.echo(_shown(kept_back))
            self._printed = 0
            self._held.pop(sample.index, None)
            self._begun = [index for index in self._begun if index != sample.index]
        else:
            click.echo(_shown(sample.text))


def _shown(text: str) -> str:
    return as_written(text, terminal=sys.stdout.isatty())


def speed_text(speed: Speed) -> str:
    """The speed of a reply, for people."""
    prompt = f"prompt {counted(speed.prompt_tokens, 'token')}, {_rate(speed.prompt_tokens, speed.prompt_us)}"
    reply = f"reply {counted(speed.tokens, 'token')}, {_rate(speed.tokens, speed.decode_us)}"
    if speed.drafted:
        reply += f"; {speed.accepted} of {counted(speed.drafted, 'draft')} accepted"
    first = f"first after {speed.first_token_us / 1000:.0f} ms"
    each = (
        f"; ms a token p50 {speed.p50_us / 1000:.1f} p99 {speed.p99_us / 1000:.1f} max {speed.max_us / 1000:.1f}"
        if speed.p50_us
        else ""
    )
    return f"{prompt}; {reply}; {first}{each}; context {speed.context_used}/{speed.context}; seed {speed.seed}"


def _rate(tokens: int, us: int) -> str:
    return f"{tokens * 1e6 / us:.1f}/s" if us else "unknown speed"
