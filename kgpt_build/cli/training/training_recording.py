"""``kgpt train --record``: the recording of a training, which ``kgpt explain --train`` shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.errors import UsageError

if TYPE_CHECKING:
    from kgpt_build.training.runs import Run
    from kgpt_build.training.session import Session

CHECKPOINTS = 20
"""Of a recording, unless --checkpoint-every says otherwise."""

record_option = click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Record the training, with the weights of its checkpoints, for kgpt explain --train.",
)


def take_recording(record: Path | None, given: dict[str, Any], of_block: dict[str, Any]) -> None:
    """Check ``record`` before the training, which gets checkpoints. Raises KgptError."""
    from kgpt_build.paths import check_place
    from kgpt_build.settings import options
    from kgpt_build.training.text_settings import OF_BLOCK

    if record is None:
        return
    if any(of_block[name] is not None for name in OF_BLOCK):
        raise UsageError(
            "--record is for trainings on documents, and cannot record one on a running text",
            "leave out --record, or train a microgpt: kgpt train CORPUS --record FILE.json",
        )
    check_place(record)
    given.setdefault("checkpoint_every", max(1, given.get("steps", options()["steps"].default) // CHECKPOINTS))


def write_recording(record: Path, run: Run, session: Session) -> str:
    """Write what ``run`` has sent, and say so in a line. Raises KgptError."""
    import dataclasses

    from kgpt_build.explain.recording import recording_of, to_json
    from kgpt_build.models.model import clean_name
    from kgpt_build.paths import write_atomically

    text = session.text.data.decode("utf-8")
    lines = [] if session.settings.text else [line.strip() for line in text.splitlines()]
    made = recording_of(
        run.events,
        run.blobs,
        name=clean_name(session.files.model.stem),
        corpus=session.text.source,
        settings=dataclasses.asdict(session.settings),
        documents=[line for line in lines if line],
    )
    write_atomically(record, to_json(made).encode())
    return f"wrote {record}: {len(made.checkpoints)} checkpoints, for kgpt explain --train {record}"
