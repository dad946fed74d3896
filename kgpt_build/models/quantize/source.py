"""A language model's GGUF file as a Checkpoint, with the tensors as they are stored."""

from __future__ import annotations

from kgpt_build.models.checkpoint import Checkpoint
from kgpt_build.models.gguf.model import GgufModel
from kgpt_build.models.gguf.stored import stored_fields, stored_tensors


def as_checkpoint(model: GgufModel) -> Checkpoint:
    """The model of a GGUF file. Raises KgptError for a field without items."""
    name = model.header.fields.get("general.name")
    return Checkpoint(
        model.arch,
        name if isinstance(name, str) and name else model.name,
        stored_fields(model.header),
        stored_tensors(model.path, model.header),
    )
