"""The options of a training: checked before the kernel is built, then words of its command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kgpt_build.errors import UsageError
from kgpt_build.settings import MAX_SEED, check_whole, options, value_text
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.models import Hyperparameters

FAST_BATCH: int = options()["batch"].default
EVALUATIONS = 10
"""How many validations a training has by default."""

_RESUMED = ("n_layer", "n_embd", "n_head", "block_size", "seed", "batch", "chunks", "text", "exact", "val_fraction")
"""The options that --resume cannot change: the training would be another one."""


@dataclass(frozen=True)
class TrainSettings:
    """A training. Its fields, defaults and limits are rows of options.def; the defaults are microgpt's.

    ``lr`` falls linearly to 0 over ``steps``. The training stops after step ``until`` (0: after ``steps``), and can be
    resumed. ``batch`` counts documents; None is FAST_BATCH, or 1 with ``exact``. ``chunks`` is the number of pieces of
    work in a batch (0: one for 16 documents), and changes the last bits of the result. ``eval_every`` None validates
    EVALUATIONS times if ``val_fraction`` holds documents back. With ``text``, the corpus is one running text, cut into
    documents of ``block_size`` characters. ``exact`` uses microgpt's arithmetic and CPython's random numbers. Raises
    UsageError for values that make no training.
    """

    steps: int = options()["steps"].default
    until: int = options()["until"].default
    batch: int | None = None
    chunks: int = options()["chunks"].default
    n_layer: int = options()["n_layer"].default
    n_embd: int = options()["n_embd"].default
    n_head: int = options()["n_head"].default
    block_size: int = options()["block_size"].default
    lr: float = options()["lr"].default
    beta1: float = options()["beta1"].default
    beta2: float = options()["beta2"].default
    eps: float = options()["eps"].default
    weight_decay: float = options()["weight_decay"].default
    seed: int = options()["seed"].default
    val_fraction: float = options()["val_fraction"].default
    eval_every: int | None = None
    checkpoint_every: int = options()["checkpoint_every"].default
    text: bool = options()["text"].default
    exact: bool = options()["exact"].default

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            options()[name].check(value)
        check_whole("seed", self.seed, 0, MAX_SEED)  # a random one could not be repeated
        if self.n_embd % self.n_head:
            raise UsageError(
                f"n_embd {self.n_embd} cannot be divided into n_head {self.n_head} heads",
                "--n-embd must be a multiple of --n-head",
            )
        if self.exact and self.batch not in (None, 1):
            raise UsageError(f"the exact method takes one document a step, not {self.batch}", "leave out --batch")
        if self.chunks > self.documents_a_step:
            raise UsageError(
                f"a batch of {counted(self.documents_a_step, 'document')} cannot be cut into "
                f"{counted(self.chunks, 'chunk')}",
                "lower --chunks, or leave it out",
            )
        if self.eval_every and not self.val_fraction:
            raise UsageError(
                "there are no documents to evaluate with", "give --val-fraction 0.1, or leave out --eval-every"
            )

    @property
    def documents_a_step(self) -> int:
        """The batch of the kernel."""
        return self.batch or (1 if self.exact else FAST_BATCH)

    @property
    def last_step(self) -> int:
        """The last step of the run."""
        return min(self.until or self.steps, self.steps)

    @property
    def block(self) -> int:
        """The characters of a document of running text; 0: a document is a line."""
        return self.block_size if self.text else 0

    def hyperparameters(self, n_vocab: int) -> Hyperparameters:
        """The sizes of the trained model, for a vocabulary of ``n_vocab`` tokens."""
        from kgpt_build.models import Hyperparameters

        sizes = (self.block_size, self.n_embd, self.n_layer, self.n_head, self.n_head, 4 * self.n_embd)
        return Hyperparameters(n_vocab, *sizes)

    def cmdline_words(self) -> list[str]:
        """The words of the kernel's command line, with all values: the kernel then uses no default."""
        values = dataclasses.asdict(self)
        flags = [name for name in ("text", "exact") if values.pop(name)]
        values["batch"] = self.documents_a_step
        values["eval_every"] = self._eval_every()
        for optional in ("until", "chunks", "checkpoint_every"):
            if not values[optional]:
                del values[optional]
        return ["mode=train", *(f"{name}={value_text(value)}" for name, value in values.items()), *flags]

    def _eval_every(self) -> int:
        if self.eval_every is not None:
            return self.eval_every
        return max(1, self.steps // EVALUATIONS) if self.val_fraction else 0


def resumed(old: TrainSettings, given: Mapping[str, Any]) -> TrainSettings:
    """The settings of an interrupted training, with the values ``given`` for the rest of it.

    Raises UsageError where these would make it another training.
    """
    new = dataclasses.replace(old, until=0)
    for name, value in given.items():
        was = old.documents_a_step if name == "batch" else getattr(old, name)
        if name in _RESUMED and value != was:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} is {value}, but the training to resume has {was}", f"leave out {option}")
    return dataclasses.replace(new, **given)
