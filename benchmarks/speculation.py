"""``python -m benchmarks.speculation [MODEL]``: decoding with drafts beside plain decoding, in turn.

Texts that repeat their prompt, and texts that do not, as a process. Each round runs a prompt without drafts and then
with each way to draft; the table has the median rate and the median of the ratios. The texts must be the same.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Watch, machine_line
from kgpt_build.events import Sample, Speed, parse_event

_TEXT = (
    "The river Elbe rises in the Giant Mountains of the Czech Republic. It flows through Dresden, Magdeburg and "
    "Hamburg, and reaches the North Sea at Cuxhaven. Its length is about 1,094 kilometres. The largest tributaries are "
    "the Vltava, the Saale, the Havel and the Mulde. Ships carry grain, coal and containers on the river. In dry "
    "summers the water is so low that ships must wait for weeks. Old stones in the bed of the river, the hunger "
    "stones, then tell of earlier droughts."
)
_CODE = (
    "def total(prices, tax):\n    result = 0\n    for price in prices:\n        if price < 0:\n"
    '            raise ValueError("price must not be negative")\n        result = result + price * (1 + tax)\n'
    "    return result\n"
)
PROMPTS = {
    "copy": f"Repeat the following text word for word.\n\n{_TEXT}",
    "correct": f"Correct the spelling of the following text, and write it out in full:\n\n{_TEXT}",
    "summary": f"Summarize the following text in three sentences, using its words:\n\n{_TEXT}",
    "code": f"Repeat this code, but rename the function total to sum_prices:\n\n{_CODE}",
    "story": "Write a story about a fox who learns to sing.",
    "advice": "How can I sleep better? Give five tips with reasons.",
}
"""What is asked; the last two replies have nothing to repeat."""


@dataclass(frozen=True)
class Reply:
    """A reply, its tokens per second, and what came of its drafts."""

    text: str
    rate: float
    speed: Speed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speculation", description=__doc__)
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--draft", help="a draft model, measured beside ngram")
    parser.add_argument("--prompts", nargs="+", choices=[*PROMPTS], default=[*PROMPTS])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--temperatures", nargs="+", default=["0"])
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    watch = Watch()
    print(f"on {machine_line()}, {options.model}, up to {options.tokens} tokens")
    print("| prompt | threads | temperature | drafts | tokens | drafted | accepted | passes | plain/s | drafts/s | × |")
    print("|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for threads in options.threads:
        for temperature in options.temperatures:
            for prompt in options.prompts:
                _compare(options, prompt, threads, temperature)
    print(f"other processes took {watch.foreign():.2f} processors")


def _compare(options: argparse.Namespace, prompt: str, threads: int, temperature: str) -> None:
    words = [options.model, "--cpus", str(threads), "--temperature", temperature, "--max-tokens", str(options.tokens)]
    words += ["--prompt", PROMPTS[prompt]]
    ways = {"ngram": ["--speculate", "ngram"]}
    if options.draft:
        ways["draft"] = ["--draft", options.draft]
    found: dict[str, list[Reply]] = {way: [] for way in ("", *ways)}
    for _ in range(options.rounds):
        for way in found:
            found[way].append(_reply([*words, *ways.get(way, [])]))
    for way in ways:
        if any(reply.text != found[""][0].text for reply in found[way]):
            sys.exit(f"{prompt}: the text with drafts is another one")
        print(f"| {prompt} | {threads} | {temperature} | {way} | {_columns(found[''], found[way])} |", flush=True)


def _columns(plain: Sequence[Reply], drafted: Sequence[Reply]) -> str:
    speed = drafted[-1].speed
    rates = [statistics.median(reply.rate for reply in replies) for replies in (plain, drafted)]
    ratio = statistics.median(b.rate / a.rate for a, b in zip(plain, drafted, strict=True))
    counts = (speed.tokens, speed.drafted, speed.accepted, speed.passes)
    return " | ".join([*map(str, counts), *(f"{rate:.1f}" for rate in rates), f"{ratio:.2f}"])


def _reply(words: Sequence[str]) -> Reply:
    command = [sys.executable, "-m", "kgpt_build", "chat", *words, "--json"]
    lines = subprocess.run(
        command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, check=True, stdin=subprocess.DEVNULL
    ).stdout.splitlines()
    events = [parse_event(line) for line in lines]
    (sample,) = (event for event in events if isinstance(event, Sample))
    (speed,) = (event for event in events if isinstance(event, Speed))
    return Reply(sample.text, speed.tokens * 1e6 / speed.decode_us, speed)


if __name__ == "__main__":
    main()
