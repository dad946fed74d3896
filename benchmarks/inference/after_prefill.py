"""The first token of an answer behind a prefill of about 512 tokens (docs/chat.md), in decode steps.

One process of mode=chat for each round answers the shortest question, is reset, and answers it again. The event
``speed`` of each answer has the time from the message to the first token, and the median time of a decoded token at
that depth, which is a step. So a step count is the ratio of two times of the same answer, and what disturbs one of them
often disturbs the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.inference.figures import Spread
from kgpt_build.errors import KgptError
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import MEMORY_MB, HostedProcess
from kgpt_build.models import GgufModel

SYSTEM = "".join(f"Rule {i}: answer in short sentences, and name part {i * 7}.\n" for i in range(28))
QUESTION = "Hi"
_ANSWERS = 6
"""Answers of a round."""
_TOKENS = 16
_TIMEOUT = 600


@dataclass(frozen=True)
class Answer:
    """What ``speed`` says of one answer; times in microseconds."""

    prefill: int
    computed: int
    first: int
    step: int

    @property
    def steps(self) -> float:
        """Time to the first token, in times of a decoded one."""
        return self.first / self.step


def run(model: GgufModel, threads: Sequence[int], rounds: int) -> None:
    """Print a table for ``model``. Raises KgptError, ToolMissing."""
    if not model.chat_blob():
        print(f"\n{model.path.name} has no chat template: no prefill")
        return
    print("\n| threads | tokens of the prefill | computed | ms to the first token | ms of a step | steps |")
    print("|---|---|---|---|---|---|")
    for count in threads:
        print(row(count, [answer for _ in range(rounds) for answer in _round(model, count)]), flush=True)


def row(threads: int, answers: Sequence[Answer]) -> str:
    """A line of the table: medians (least – greatest)."""
    first, step = ([getattr(answer, name) / 1000 for answer in answers] for name in ("first", "step"))
    spreads = [Spread.of(values) for values in (first, step, [answer.steps for answer in answers])]
    shown = [f"{spread.median:.1f} ({spread.least:.1f} – {spread.greatest:.1f})" for spread in spreads]
    return f"| {threads} | {answers[0].prefill} | {answers[0].computed} | {' | '.join(shown)} |"


def answers_of(lines: Sequence[bytes]) -> list[Answer]:
    """The answers that a machine channel tells of, without the first, which warms up. Raises KgptError."""
    events = [event for event in map(json.loads, lines) if event["event"] == "speed"]
    if len(events) < 2 or not all(event["p50_us"] for event in events):
        raise KgptError("the chat gave too few answers of several tokens", "another model may answer longer")
    return [
        Answer(
            event["context_used"] - event["prompt_tokens"] - event["computed"],
            event["prompt_tokens"],
            event["first_token_us"],
            event["p50_us"],
        )
        for event in events[1:]
    ]


def _round(model: GgufModel, threads: int) -> list[Answer]:
    program = build_cached(model, target="hosted", prefill=SYSTEM)
    words = f"mode=chat cpus={threads} max_tokens={_TOKENS} temperature=0"
    with HostedProcess(program, words, memory=MEMORY_MB, timeout=_TIMEOUT) as process:
        process.send(f"{QUESTION}\n/reset\n".encode() * (_ANSWERS + 1))
        process.end_input()
        output = b"".join(process.pieces())
        process.check(has_spoken=bool(output))
    return answers_of(output.splitlines())
