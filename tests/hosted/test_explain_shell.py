"""The shell's explain: the maps and numbers on the console are those that mode=explain tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hosted import Hosted
from tiny_lm import write_lm

from kgpt_build.explain.collect import collect
from kgpt_build.explain.microgpt import reference_trace
from kgpt_build.explain.trace import Floats, Source, Trace
from kgpt_build.models import Model, load_lm, load_microgpt

SHADES = "·░▒▓█"
NOWHERE = Source("hosted", "", "", "", None)


def told(program: Hosted, path: Path, words: str) -> Trace:
    run = program.run(f"exit mode=explain {words}", options=("--module", str(path)))
    return collect([json.dumps(event, separators=(",", ":")).encode() for event in run.events], load_lm(path), NOWHERE)


def typed(program: Hosted, path: Path, words: str, *lines: str) -> str:
    keys = "".join(f"{line}\n" for line in (*lines, "halt"))
    run = program.run(f"mode=shell {words}", keys.encode(), ("--module", str(path)))
    assert run.returncode == 0, run.console
    return run.console


def shaded(attention: Floats) -> list[str]:
    """A head's map as text."""
    places = np.searchsorted([0.125, 0.375, 0.625, 0.875], attention, side="right")
    return ["".join(SHADES[place] for place in row[: i + 1]) for i, row in enumerate(places)]


def maps(console: str, n: int, n_head: int) -> list[list[str]]:
    """The maps of the heads that stand beside each other, each a list of rows."""
    rows = [line for line in console.splitlines() if re.match(r"  .{10} [·░▒▓█]", line)]
    found = [[row[13 + head * (n + 2) :][:n].rstrip() for row in rows] for head in range(n_head)]
    assert all(len(rows) == n for rows in found)
    return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lm(tmp_path_factory.mktemp("shell") / "m.gguf", kind="F16")


def test_the_maps_are_attention(without_model: Hosted, tiny: Path) -> None:
    trace = told(without_model, tiny, "prompt=abcaab max_tokens=1")
    console = typed(without_model, tiny, "", "explain abcaab")
    assert maps(console, 3, 4) == [shaded(head) for head in trace.layers[-1].attention]
    assert "attention of layer 1:" in console
    assert "attention of layer 0:" not in console
    console = typed(without_model, tiny, "", "set explain_layers 0", "explain abcaab")
    assert maps(console, 3, 4) == [shaded(head) for head in trace.layers[0].attention]


def test_the_lens_and_the_next_token(without_model: Hosted, tiny: Path) -> None:
    trace = told(without_model, tiny, "prompt=abcaab max_tokens=1")
    console = typed(without_model, tiny, "", "explain abcaab")
    for layer in trace.layers:
        (line,) = re.findall(rf"  layer {layer.layer}   length +([0-9.]+)  (.*)", console)
        assert float(line[0]) == pytest.approx(layer.norm_mlp[-1], abs=0.005)
        shown = [int(share) for share in re.findall(r"([0-9]+) %", line[1])]
        assert shown == [round(100 * float(p)) for p in layer.lens_p[-1][:3]]
    (draw,) = trace.draws
    assert f"next token: drawn from {len(draw.kept)} of 9" in console
    shares = re.findall(r"([0-9]+\.[0-9]) %", console.split("next token")[1])
    expected = [100 * float(weight) / draw.total for weight in draw.weights[:8]]
    assert [float(share) for share in shares] == pytest.approx(expected, abs=0.051)


def test_a_chat_begins_anew_afterwards(without_model: Hosted, tiny: Path) -> None:
    words = "seed=3 temperature=1 max_tokens=5"
    alone = typed(without_model, tiny, words, "generate ab").split("kgpt> generate ab")[1]
    after = typed(without_model, tiny, words, "explain abcab", "generate ab").split("kgpt> generate ab")[1]
    assert after.splitlines()[1] == alone.splitlines()[1]


def test_the_same_under_sanitizers(without_model: Hosted, without_model_sanitized: Hosted, tiny: Path) -> None:
    lines = ("explain abcab", "set explain_layers all", "explain abccba", "set temperature 0", "explain a")
    assert typed(without_model_sanitized, tiny, "cpumask=c", *lines) == typed(without_model, tiny, "cpumask=c", *lines)
    words = "prompt=abcab temperature=1 repeat_penalty=1.2 typical_p=0.9 cpus=2"
    trace, other = (told(program, tiny, words) for program in (without_model, without_model_sanitized))
    assert trace.reply == other.reply
    assert [layer.attention.tobytes() for layer in trace.layers] == [
        layer.attention.tobytes() for layer in other.layers
    ]


def test_what_cannot_be_shown_is_refused(without_model: Hosted, tmp_path: Path, tiny: Path) -> None:
    console = typed(without_model, tiny, "", "explain " + "cb" * 9, "set explain_layers 0-9", "explain ab")
    assert "kgpt: the text has 18 tokens, and the context 16" in console
    assert "kgpt: explain_layers is 0-9: that is no list of the model's 2 layers" in console
    longer = write_lm(tmp_path / "longer.gguf", fields={"llama.context_length": 64}, kind="F16")
    console = typed(without_model, longer, "", "explain " + "cb" * 17)
    assert "kgpt: the text has 34 tokens, and explain shows 32" in console


def typed_to_microgpt(program: Hosted, *lines: str) -> str:
    run = program.run("mode=shell", "".join(f"{line}\n" for line in (*lines, "halt")).encode())
    assert run.returncode == 0, run.console
    return run.console


def test_a_kernel_with_a_microgpt(hosted: Hosted) -> None:
    """Its own engine and the same text; the numbers are those of the reference."""
    trace, (layer,) = reference_trace(load_microgpt(), "mar"), reference_trace(load_microgpt(), "mar").layers
    console = typed_to_microgpt(hosted, "explain mar", "set prompt mar", "explain", "generate")
    first, second = console.split("kgpt> explain")[1:]
    assert first.split("\n", 1)[1].split("kgpt>")[0] == second.split("\n", 1)[1].split("kgpt>")[0]
    assert first.split("tokens\n")[1].split("if ")[0].split() == ["<BOS>", "26", "m", "12", "a", "0", "r", "17"]
    assert maps(first, 4, 4) == [shaded(head[:4, :4]) for head in layer.attention]
    (lens,) = re.findall(r"  layer 0   length +([0-9.]+)  (.*)", first)
    assert float(lens[0]) == pytest.approx(layer.norm_mlp[3], abs=0.005)
    assert [int(share) for share in re.findall(r"([0-9]+) %", lens[1])] == [
        round(100 * float(p)) for p in layer.lens_p[3][:3]
    ]
    draw = next(draw for draw in trace.draws if draw.pos == 3)
    shares = [float(share) for share in re.findall(r"([0-9]+\.[0-9]) %", first.split("next token")[1])]
    assert shares == pytest.approx([100 * float(weight) / draw.total for weight in draw.weights[:8]], abs=0.051)
    assert "sample  1: mar" in console, "it generates as before"


def test_a_microgpt_of_two_layers(wide: Hosted, wide_model: Model) -> None:
    letter = wide_model.tokenizer.chars[0]
    layers = reference_trace(wide_model, letter * 2).layers
    console = typed_to_microgpt(wide, f"explain {letter * 2}")
    shown = console.split("attention of layer ")[1:]
    assert len(shown) == len(layers) == len(re.findall("  layer [0-9]+ +length", console))
    for layer, text in zip(layers, shown, strict=True):
        assert text.startswith(f"{layer.layer}: row looks at column")
        rows = maps(text, 3, layer.attention.shape[0])
        assert rows == [shaded(head[:3, :3]) for head in layer.attention]


def test_what_a_microgpt_cannot_read_is_refused(hosted: Hosted, sanitized: Hosted) -> None:
    lines = ("explain maré", "explain " + "a" * 16, "explain " + "a" * 15, "explain", "set temperature 0", "explain e")
    console = typed_to_microgpt(hosted, *lines)
    assert "character 'é' (U+00E9) at byte 3" in console
    assert "the prompt has 16 tokens, more than the 15 that the context of 16 leaves" in console
    assert "next token: drawn from 1 of 27" in console
    assert typed_to_microgpt(sanitized, "set cpumask c", *lines) == typed_to_microgpt(hosted, "set cpumask c", *lines)
