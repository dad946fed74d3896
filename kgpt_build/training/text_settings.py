"""The options of a training on a running text in the kernel, and what they ask of its memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kgpt_build.errors import UsageError
from kgpt_build.settings import options, value_text
from kgpt_build.sizes import MIB, units_of
from kgpt_build.training.torch.settings import TorchSettings, resumed

OF_BLOCK: Final = (
    *("block", "preset", "bias", "dropout", "schedule", "warmup", "grad_clip", "eval_batches", "patience"),
)
"""Options of a training on a running text that kernels have too. Each of them chooses such a training."""
_WORDS = (
    *("block", "steps", "until", "batch", "chunks", "n_layer", "n_embd", "n_head", "block_size", "lr", "beta1"),
    *("beta2", "eps", "weight_decay", "seed", "val_fraction", "eval_every", "checkpoint_every", "dropout"),
    *("schedule", "warmup", "grad_clip", "eval_batches", "patience"),
)
_ONLY_IF_GIVEN = ("until", "chunks", "checkpoint_every")
_NO_FACTS = ("until", "checkpoint_every", "patience", "eval_every")
_MOST_CHUNKS = 8  # kernel_c/train/dense: unless --chunks says otherwise
_ROWS = 512  # of windows that are computed together, there


@dataclass(frozen=True)
class TextSettings(TorchSettings):
    """A training on a running text in the kernel: the options that it shares with PyTorch's, and ``chunks``.

    Raises UsageError for values that make no training, or that only PyTorch's trainer knows.
    """

    chunks: int = field(default=0, metadata={"help": "parts of a batch", "unit": "N", "choices": ()})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _WORDS:
            options()[name].check(getattr(self, name))
        if self.chunks > self.n_batch:
            raise UsageError(
                f"a batch of {self.batch} cannot be cut into {self.chunks} chunks", "lower --chunks, or leave it out"
            )

    @property
    def documents_a_step(self) -> int:
        """Windows of a step."""
        return self.n_batch

    @property
    def text(self) -> bool:
        """The corpus is one running text."""
        return True

    @property
    def exact(self) -> bool:
        """No training of microgpt's own arithmetic."""
        return False

    def cmdline_words(self) -> list[str]:
        """The words of the kernel's command line, with all values: the kernel then uses no default."""
        values = {name: getattr(self, name) for name in _WORDS}
        words = [f"{name}={value_text(value)}" for name, value in values.items() if value or name not in _ONLY_IF_GIVEN]
        return ["mode=train", *words, *([] if self.bias else ["no_bias"])]

    def facts(self) -> dict[str, str | int | float]:
        """What determines the weights, for the fields kgpt.training.*."""
        return {name: getattr(self, name) for name in (*_WORDS, "bias") if name not in _NO_FACTS}

    def memory(self, n_vocab: int, n_characters: int, cpus: int) -> int:
        """About how many MiB the kernel needs for ``n_vocab`` characters on ``cpus`` processors; rather too many.

        Weights, both moments, gradients of each chunk, weights packed twice, the best weights, and a state. For each
        processor the activations of a group of windows.
        """
        from kgpt_build.training.text_model import count_weights

        shape = self.shape(n_vocab)
        chunks = self.chunks or min(self.n_batch, _MOST_CHUNKS)
        windows = max(1, min(_ROWS // shape.n_ctx, -(-self.n_batch // chunks)))
        layer = 12 * shape.n_embd + 2 * shape.n_ff * 2 + shape.n_head * (shape.n_ctx + 32) + 160
        row = shape.n_layer * layer + 12 * shape.n_embd + 8 * shape.n_ff + 2 * n_vocab + 4 * shape.n_ctx
        floats = count_weights(shape) * (9 + chunks) + min(cpus, chunks) * windows * shape.n_ctx * row
        return units_of(4 * floats * 9 // 8 + 10 * n_characters, MIB) + 16


def text_settings(old: TextSettings | None, given: Mapping[str, Any], of_block: Mapping[str, Any]) -> TextSettings:
    """The settings from ``given``, the options that every kernel has, and ``of_block``, those of OF_BLOCK.

    ``old``: those of the training to resume. Raises UsageError.
    """
    values = {**{name: value for name, value in of_block.items() if value is not None}, **given}
    if values.pop("exact", False):
        raise UsageError(
            "--exact trains a microgpt on documents", "leave out --exact, or the options of a running text"
        )
    values.pop("text", None)  # it is one anyway
    if old is None:
        return TextSettings(**values)
    if values.get("chunks", old.chunks) != old.chunks:
        raise UsageError(f"the training to resume has {old.chunks} chunks", "leave out --chunks")
    made = resumed(old, values)
    return TextSettings(**dataclasses.asdict(made))
