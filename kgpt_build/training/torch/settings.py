"""The options of a training with PyTorch, checked before anything is read. PyTorch is not imported here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

from kgpt_build.errors import ToolMissing, UsageError
from kgpt_build.reference.draws import KINDS, TextShape
from kgpt_build.settings import MAX_SEED, check_whole
from kgpt_build.training.presets import PRESETS

BIGRAM: Final = "bigram"
EVALUATIONS: Final = 10
"""How many evaluations a training has by default."""
SAMPLES: Final = 4
"""How many samples a training shows by default."""
LEAST_SHARE: Final = 0.1
"""Of the learning rate, at the end of the cosine."""
_RESUMED = (
    *("model", "block", "n_layer", "n_head", "n_embd", "block_size", "bias", "dropout"),
    *("batch", "accumulate", "seed", "val_fraction", "dtype", "compile"),
)
"""The options that --resume cannot change: the training would be another one."""


def require_torch() -> None:
    """Raise ToolMissing without PyTorch."""
    if find_spec("torch") is None:
        raise ToolMissing("--target torch trains with PyTorch, which is not installed", "pip install 'kgpt[torch]'")


def _option(default: Any, text: str, *, unit: str = "N", choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"help": text, "unit": unit, "choices": choices})


@dataclass(frozen=True)
class TorchSettings:
    """A training with PyTorch. Options that are None come from the preset. Raises UsageError for wrong values."""

    model: str = _option("gpt", "a GPT, or the base line: logits that depend on one character", choices=("gpt", BIGRAM))
    block: str = _option("nanogpt", "the architecture of a GPT", choices=KINDS)
    preset: str = _option("cpu", "sizes and settings where no option gives others", choices=tuple(PRESETS))
    steps: int | None = _option(None, "over how many steps the learning rate falls")
    until: int = _option(0, "stop after step N, for --resume to go on")
    batch: int | None = _option(None, "windows a step, of all processes together")
    accumulate: int = _option(1, "compute a batch in N parts, one after the other: takes less memory")
    n_layer: int | None = _option(None, "layers")
    n_embd: int | None = _option(None, "the width of the model")
    n_head: int | None = _option(None, "heads, which divide the width")
    block_size: int | None = _option(None, "the context, in characters")
    bias: bool = _option(True, "norms and matrices of nanogpt have biases")
    dropout: float | None = _option(None, "the share of values that dropout leaves out", unit="F")
    lr: float | None = _option(None, "AdamW's highest learning rate", unit="X")
    schedule: str = _option("cosine", "of the learning rate behind the warm-up", choices=("cosine", "constant"))
    warmup: int = _option(0, "steps in which the learning rate rises")
    beta1: float = _option(0.9, "AdamW's β₁", unit="X")
    beta2: float = _option(0.99, "AdamW's β₂", unit="X")
    eps: float = _option(1e-8, "AdamW's ε", unit="X")
    weight_decay: float = _option(0.1, "decoupled weight decay, of matrices", unit="X")
    grad_clip: float = _option(1.0, "the largest norm of all gradients together; 0: no limit", unit="X")
    seed: int = _option(42, "of weights, windows and dropout", unit="S")
    val_fraction: float = _option(0.1, "the end of the text that is held back for validation", unit="F")
    eval_every: int | None = _option(None, "validate every N steps")
    eval_batches: int = _option(200, "of a validation, at most; fewer if they hold the whole end of the text")
    patience: int = _option(0, "stop after N validations without a new best; 0: never")
    sample_every: int | None = _option(None, "show a sample of the model every N steps; 0: never")
    checkpoint_every: int = _option(0, "write the state every N steps too")
    dtype: str = _option("f32", "of activations and products; weights stay f32", choices=("f32", "bf16"))
    compile: bool = _option(False, "compile the model with torch.compile first, which takes a minute or more")
    device: str = _option("auto", "where to compute: auto takes a GPU if there is one", choices=("auto", "cpu", "cuda"))

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(PRESETS[_known("preset", self.preset, tuple(PRESETS))]).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for entry in dataclasses.fields(self):
            if entry.metadata["choices"]:
                _known(entry.name, getattr(self, entry.name), entry.metadata["choices"])
        if self.eval_every is None:
            object.__setattr__(self, "eval_every", max(1, self.n_steps // EVALUATIONS))
        if self.sample_every is None:
            object.__setattr__(self, "sample_every", max(1, self.n_steps // SAMPLES))
        self._check()

    def _check(self) -> None:
        for name in ("steps", "batch", "accumulate", "n_layer", "n_embd", "n_head", "block_size", "eval_batches"):
            check_whole(name, getattr(self, name), 1, 1_000_000_000)
        for name in ("until", "warmup", "eval_every", "patience", "sample_every", "checkpoint_every"):
            check_whole(name, getattr(self, name), 0, 1_000_000_000)
        check_whole("seed", self.seed, 0, MAX_SEED)
        for name, most in _LIMITS.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value < most):
                raise UsageError(f"{name} is {value}", f"it must be from 0 to below {most:g}")
        if not self.lr:
            raise UsageError("lr is 0", "nothing would be learned: give a learning rate above 0")
        if self.window.n_embd % self.window.n_head:
            raise UsageError(
                f"n_embd {self.n_embd} cannot be divided into n_head {self.n_head} heads",
                "--n-embd must be a multiple of --n-head",
            )
        if self.block == "llama" and self.window.n_embd // self.window.n_head % 2:
            raise UsageError(
                f"heads of {self.window.n_embd // self.window.n_head} values cannot be rotated by pairs (RoPE)",
                "choose --n-embd and --n-head so that a head has an even number of values",
            )
        if self.n_batch % self.accumulate:
            raise UsageError(
                f"a batch of {self.batch} cannot be cut into {self.accumulate} equal parts",
                "--batch must be a multiple of --accumulate",
            )
        if self.warmup and self.warmup >= self.n_steps:
            raise UsageError(f"warmup {self.warmup} is not less than steps {self.steps}", "lower --warmup")
        if self.eval_every and not self.val_fraction:
            object.__setattr__(self, "eval_every", 0)

    @property
    def n_steps(self) -> int:
        """Steps of the whole training."""
        return int(self.steps or 0)

    @property
    def n_batch(self) -> int:
        """Windows a step."""
        return int(self.batch or 0)

    @property
    def last_step(self) -> int:
        """The last step of the run."""
        return min(self.until or self.n_steps, self.n_steps)

    @property
    def window(self) -> TextShape:
        """The model's sizes, without a vocabulary."""
        return self.shape(0)

    def shape(self, n_vocab: int) -> TextShape:
        """The model's sizes for a vocabulary of ``n_vocab`` characters."""
        return TextShape(
            kind=self.block,
            n_layer=int(self.n_layer or 0),
            n_head=int(self.n_head or 0),
            n_embd=int(self.n_embd or 0),
            n_ctx=int(self.block_size or 0),
            n_vocab=n_vocab,
            bias=self.bias,
            dropout=float(self.dropout or 0.0),
        )

    def learning_rate(self, step: int) -> float:
        """The learning rate of ``step``, counted from 0, as kernel_c/train/dense computes it."""
        highest = float(self.lr or 0.0)
        if step < self.warmup:
            return highest * (step + 1) / (self.warmup + 1)
        if self.schedule == "constant":
            return highest
        share = (step - self.warmup) / (self.n_steps - self.warmup)
        return highest * (LEAST_SHARE + (1 - LEAST_SHARE) * 0.5 * (1 + math.cos(math.pi * share)))


_LIMITS = {
    "lr": 1000.0,
    "beta1": 1.0,
    "beta2": 1.0,
    "eps": 1.0,
    "weight_decay": 1000.0,
    "grad_clip": math.inf,
    "dropout": 1.0,
    "val_fraction": 1.0,
}


def _known(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}", f"give one of {', '.join(choices)}")
    return value


def resumed(old: TorchSettings, given: Mapping[str, Any]) -> TorchSettings:
    """The settings of an interrupted training, with the values ``given`` for the rest of it.

    Raises UsageError where these would make it another training.
    """
    for name, value in given.items():
        if name in _RESUMED and value != getattr(old, name):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} is {value}, but the training to resume has {getattr(old, name)}", f"leave out {option}"
            )
    return dataclasses.replace(old, **{"until": 0, **given})
