"""A training on documents as it was received (`kgpt train --record`): losses, and the weights of each checkpoint."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgpt_build import events
from kgpt_build.errors import KgptError
from kgpt_build.events.framing import Blob
from kgpt_build.headers.blob import read_model
from kgpt_build.models import CharTokenizer, Hyperparameters, Model, tensor_shapes

FORMAT = "kgpt-training"
VERSION = 1
DOCUMENTS = 64
"""Documents of the corpus that a recording keeps: gradients are computed of these."""

Losses = tuple[tuple[int, float], ...]  # step and loss in nats


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The weights after a step; 0: those that the training began with."""

    step: int
    model: Model


@dataclass(frozen=True, eq=False)
class Recording:
    """``made_by``: "kernel" or "hosted". ``checkpoints`` are in the order of their steps, and there is one at least."""

    name: str
    corpus: str
    made_by: str
    isa: str
    settings: Mapping[str, Any]
    losses: Losses
    validation: Losses
    documents: tuple[str, ...]
    checkpoints: tuple[Checkpoint, ...]


def recording_of(
    received: Sequence[events.Event], blobs: Sequence[Blob], *, name: str, corpus: str, settings: Mapping[str, Any],
    documents: Sequence[str],
) -> Recording:  # fmt: skip
    """The recording of a run that has sent these events and blobs. Raises KgptError if it has sent no weights."""
    models = {blob.step: read_model(blob.data, name) for blob in blobs if blob.name in ("first", "last")}
    if not models:
        raise KgptError("the training sent no weights to record", "train at least one step")
    boot = next((event for event in received if isinstance(event, events.Boot)), None)
    return Recording(
        name=name,
        corpus=corpus,
        made_by="hosted" if boot and boot.platform == "linux" else "kernel",
        isa=next((event.isa for event in received if isinstance(event, events.Cpu)), ""),
        settings=settings,
        losses=tuple((event.step, event.exact_loss) for event in received if isinstance(event, events.Step)),
        validation=tuple((event.step, event.loss) for event in received if isinstance(event, events.Eval)),
        documents=tuple(documents[i * len(documents) // DOCUMENTS] for i in range(DOCUMENTS)) if documents else (),
        checkpoints=tuple(Checkpoint(step, models[step]) for step in sorted(models)),
    )


def to_json(recording: Recording) -> str:
    """One line. Weights are base64 of little-endian f32, tensor after tensor."""
    first = recording.checkpoints[0].model
    document = {
        "format": FORMAT,
        "version": VERSION,
        **{key: getattr(recording, key) for key in ("name", "corpus", "made_by", "isa", "settings", "losses")},
        **{key: getattr(recording, key) for key in ("validation", "documents")},
        "hparams": vars(first.hparams),
        "chars": list(first.tokenizer.chars),
        "checkpoints": [
            {"step": point.step, "weights": base64.b64encode(point.model.weight_bytes()).decode()}
            for point in recording.checkpoints
        ],
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def from_json(text: str) -> Recording:
    """The recording that ``to_json`` wrote. Raises KgptError for anything else."""
    try:
        read = json.loads(text)
        if not isinstance(read, dict):
            raise ValueError("it is no JSON object")
        if (read["format"], read["version"]) != (FORMAT, VERSION):
            raise KgptError("this is another version's recording", "train again with kgpt train --record FILE")
        return _record(read)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        hint = "make one: kgpt train --record FILE"
        raise KgptError(f"this is no recording of a training: {reason}", hint) from error


def _record(read: dict[str, Any]) -> Recording:
    hparams, tokenizer = Hyperparameters(**read["hparams"]), CharTokenizer(tuple(read["chars"]))
    checkpoints = tuple(
        Checkpoint(int(item["step"]), _model(read["name"], hparams, tokenizer, base64.b64decode(item["weights"])))
        for item in read["checkpoints"]
    )
    if not checkpoints:
        raise ValueError("it has no checkpoints")
    return Recording(
        name=str(read["name"]),
        corpus=str(read["corpus"]),
        made_by=str(read["made_by"]),
        isa=str(read["isa"]),
        settings=dict(read["settings"]),
        losses=_losses(read["losses"]),
        validation=_losses(read["validation"]),
        documents=tuple(map(str, read["documents"])),
        checkpoints=checkpoints,
    )


def _losses(read: Sequence[Sequence[float]]) -> Losses:
    return tuple((int(step), float(loss)) for step, loss in read)


def _model(name: str, hparams: Hyperparameters, tokenizer: CharTokenizer, data: bytes) -> Model:
    hparams.validate()
    values = np.frombuffer(data, "<f4").astype(np.float32)
    shapes = tensor_shapes(hparams)
    ends = np.cumsum([rows * columns for rows, columns in shapes.values()])
    if len(values) != ends[-1]:
        raise ValueError(f"a checkpoint has {len(values)} weights, not {ends[-1]}")
    parts = np.split(values, ends[:-1])
    tensors = {key: part.reshape(shape) for (key, shape), part in zip(shapes.items(), parts, strict=True)}
    return Model(name, "microgpt", hparams, tokenizer, tensors)
