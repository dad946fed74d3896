"""Speculative decoding beside plain decoding: texts that repeat their prompt, and texts that do not."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.inference.figures import ratios
from benchmarks.inference.ours import Ours
from benchmarks.inference.tables import spread
from kgpt_build.errors import KgptError
from kgpt_build.kernel.hosted import MEMORY_MB, run_hosted
from kgpt_build.models import GgufModel
from kgpt_build.settings import Settings

_TEXT = (
    "The lighthouse at the end of the harbour was built in 1871 by a company of masons from the north. Its lamp "
    "burned oil until 1923, when an electric cable was laid along the pier. Ships that enter the bay at night keep "
    "the light on their left, and turn when the church tower stands behind it."
)
_CODE = (
    "def mean(values):\n    total = 0\n    for value in values:\n        total = total + value\n"
    "    return total / len(values)\n\n\ndef largest(values):\n    best = values[0]\n    for value in values:\n"
    "        if value > best:\n            best = value\n    return best\n"
)
TEXTS = {
    "repeats a text": (True, f"{_TEXT}\n\n{_TEXT}\n\nThe lighthouse at the end of"),
    "edits code": (True, f"{_CODE}\n# The same functions with type annotations\n{_CODE}\n# And again\ndef mean("),
    "tells a story": (False, "Once upon a time there was a girl who lived beside a river, and every morning she"),
    "explains": (False, "The main differences between a compiler and an interpreter are"),
}
"""What a text does -> does it repeat its prompt, and the prompt."""
_TOKENS = 128


def run(model: GgufModel, threads: Sequence[int], rounds: int) -> list[str]:
    """Rows of Markdown; plain and speculative decoding take turns."""
    ours = Ours(model)
    lines = [
        "| text | threads | plain t/s | speculate=ngram t/s | ratio | accepted of drafted | same text |",
        "|---|---|---|---|---|---|---|",
    ]
    for count in threads:
        for name, (_, prompt) in TEXTS.items():
            plain, drafted = [], []
            for _ in range(rounds):
                plain.append(_reply(ours, prompt, count, "off"))
                drafted.append(_reply(ours, prompt, count, "ngram"))
            rates = [[speed_of(events) for events in side] for side in (plain, drafted)]
            ratio = ratios(rates[1], rates[0])
            last = _event(drafted[-1], "speed")
            same = all(_event(events, "sample")["text"] == _event(plain[0], "sample")["text"] for events in drafted)
            cells = [name, str(count), spread(rates[0]), spread(rates[1])]
            cells.append(f"**{ratio.median:.2f}** ({ratio.least:.2f} – {ratio.greatest:.2f})")
            cells += [f"{last['accepted']} of {last['drafted']}", "yes" if same else "**no**"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def speed_of(events: Sequence[dict[str, object]]) -> float:
    """Tokens per second after the first token of a reply."""
    speed = _event(events, "speed")
    tokens, microseconds = int(str(speed["tokens"])), int(str(speed["decode_us"]))
    return (tokens - 1) * 1e6 / max(1, microseconds)


def _event(events: Sequence[dict[str, object]], name: str) -> dict[str, object]:
    found = [event for event in events if event["event"] == name]
    if not found:
        raise KgptError(f"the run sent no event {name}", "run kgpt with --verbose to see why")
    return found[-1]


def _reply(ours: Ours, prompt: str, threads: int, way: str) -> list[dict[str, object]]:
    words = Settings(prompt=prompt, max_tokens=_TOKENS, temperature=0.0).cmdline_words()
    line = " ".join(["mode=generate", "exit", f"cpus={threads}", f"speculate={way}", "ctx=1024", *words])
    output = run_hosted(ours.program, line, timeout=600, modules=ours.modules, memory=MEMORY_MB)
    return [json.loads(each) for each in output]
