"""The page of a training: losses, texts, attention, weights and gradients at each checkpoint."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from markupsafe import Markup

from kgpt_build.explain.encode import array_json
from kgpt_build.explain.frame import SHARED, fill, script_json
from kgpt_build.explain.growth import Growth, growth
from kgpt_build.explain.recording import Recording
from kgpt_build.explain.tables import Table, number
from kgpt_build.words import counted

SCRIPTS = (*SHARED, "training/chart.js", "training/training.js")
SECTIONS = {
    "loss": "The loss falls",
    "texts": "What it writes",
    "attention": "Attention forms",
    "weights": "Weights over time",
    "gradients": "Gradients",
}
BOS = "<BOS>"


def render_training(recording: Recording, text: str, version: str) -> str:
    """The HTML file; attention is that over ``text``. Raises KgptError for a text that the model cannot read."""
    found = growth(recording, text)
    model = recording.checkpoints[0].model
    names = [*model.tokenizer.chars, BOS]
    return fill(
        "training/page.html.j2",
        SCRIPTS,
        recording=recording,
        version=version,
        text=found.text,
        model=model,
        ln_vocab=math.log(model.hparams.n_vocab),
        steps=recording.losses[-1][0] if recording.losses else recording.checkpoints[-1].step,
        facts=_facts(recording),
        sections=[(name, title) for name, title in SECTIONS.items() if name != "gradients" or recording.documents],
        tables=_tables(recording, found, names),
        data=Markup(script_json(_data(recording, found, names))),
    )


def _facts(recording: Recording) -> list[tuple[str, str, str]]:
    model = recording.checkpoints[-1].model
    made = "a kernel" if recording.made_by == "kernel" else "the kernel’s engine as a Linux process"
    settings = {name: value for name, value in recording.settings.items() if value not in (None, False, 0, "")}
    return [
        ("Model", f"{recording.name}, {model.n_parameters:,} parameters", ""),
        ("Trained by", f"{made}, {recording.isa}", ""),
        ("Corpus", recording.corpus, ""),
        ("Checkpoints", str(len(recording.checkpoints)), ""),
        ("Settings", ", ".join(f"{name} {value}" for name, value in settings.items()), "line"),
        ("SHA-256 of the last model", model.sha256, "wide"),
    ]


def _data(recording: Recording, found: Growth, names: list[str]) -> dict[str, Any]:
    points = recording.checkpoints
    return {
        "steps": [point.step for point in points],
        "losses": recording.losses,
        "validation": recording.validation,
        "tokens": [names[token] for token in found.tokens],
        "names": names,
        "attention": array_json(found.attention),
        "texts": found.texts,
        "lengths": found.weights,
        "gradients": found.gradients,
        "weights": {
            name: array_json(np.stack([point.model.tensors[name] for point in points])) for name in found.weights
        },
    }


def _tables(recording: Recording, found: Growth, names: list[str]) -> dict[str, list[Table]]:
    steps = [str(point.step) for point in recording.checkpoints]
    losses, validation = dict(recording.losses), dict(recording.validation)

    def rows(lists: dict[str, tuple[float, ...]]) -> list[tuple[str, ...]]:
        return [(step, *(number(values[i]) for values in lists.values())) for i, step in enumerate(steps)]

    def loss(of: dict[int, float], step: str) -> str:
        return f"{of[int(step)]:.6f}" if int(step) in of else ""

    last = found.attention[-1]
    tokens = [f"{i} {names[token]}" for i, token in enumerate(found.tokens)]
    attention = [
        Table(
            f"Attention at the last checkpoint, layer {layer + 1}, head {head + 1}",
            ("position", *tokens),
            [(tokens[t], *(number(p) for p in row[: t + 1])) for t, row in enumerate(last[layer, head])],
        )
        for layer in range(last.shape[0])
        for head in range(last.shape[1])
    ]
    lengths, gradients = dict(found.weights), dict(found.gradients)
    return {
        "loss": [
            Table(
                "Losses at each checkpoint, in nats",
                ("step", "training", "validation"),
                [(step, loss(losses, step), loss(validation, step)) for step in steps],
            )
        ],
        "texts": [
            Table(
                "Texts at each checkpoint",
                ("step", *(str(i + 1) for i in range(len(found.texts[0])))),
                [(step, *texts) for step, texts in zip(steps, found.texts, strict=True)],
            )
        ],
        "attention": attention,
        "weights": [Table("Lengths of the matrices", ("step", *lengths), rows(lengths))],
        "gradients": [
            Table(
                f"Lengths of the gradients, of {counted(len(recording.documents), 'document')}",
                ("step", *gradients),
                rows(gradients),
            )
        ],
    }  # fmt: skip
