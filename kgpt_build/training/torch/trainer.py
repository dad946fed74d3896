"""The training itself: steps, validations, samples. The same settings, text and seed give the same weights.

Windows and first weights are draws of the seed (kgpt_build/reference/draws.py); dropout is PyTorch's, seeded for each
step. A resumed training therefore needs no state of a generator.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.reference.draws import TextShape, evaluation_starts, window_starts
from kgpt_build.training.history import History, Point
from kgpt_build.training.torch.models import Bigram, drawn_gpt
from kgpt_build.training.torch.report import Report, Sample, Step, Validation
from kgpt_build.training.torch.settings import BIGRAM, TorchSettings
from kgpt_build.training.torch.state import TorchState, Weights
from kgpt_build.training.torch.text import TokenText
from kgpt_build.training.torch.world import World

SAMPLE_TOKENS = 200
_SAMPLE_SEED = 1 << 40


@dataclass
class Best:
    """The weights with the lowest validation loss; without validation the last ones."""

    weights: Weights = field(default_factory=dict)
    step: int = 0
    loss: float = math.inf
    since: int = 0


class Trainer:
    """One training. ``save`` is called with it after each new best, each ``checkpoint_every`` steps, and at the end."""

    def __init__(self, settings: TorchSettings, text: TokenText, world: World, state: TorchState | None = None) -> None:
        self.settings, self.text, self.world = settings, text, world
        if settings.n_batch // settings.accumulate % world.size:
            raise UsageError(
                f"{settings.n_batch // settings.accumulate} windows cannot be shared by {world.size} processes",
                "make --batch over --accumulate a multiple of the number of processes",
            )
        self.shape: TextShape = settings.shape(len(text.chars))
        self.model: nn.Module = (
            Bigram(len(text.chars)) if settings.model == BIGRAM else drawn_gpt(self.shape, settings.seed)
        )
        self.step = 0
        self.best = Best()
        self.history = History()
        if state:
            if state.chars != list(text.chars):
                raise KgptError(f"{text.source} has another vocabulary than the training to resume", "give its corpus")
            self.model.load_state_dict(state.weights)
        self.model.to(world.device)
        self.optimizer = _adamw(self.model, settings, world.device)
        self._tokens = torch.from_numpy(text.tokens).to(world.device)
        self._losses: list[float] = []
        if state:
            self._go_on(state)
        model = torch.compile(self.model) if settings.compile else self.model
        self._parallel: nn.Module = world.shared(model)

    def _go_on(self, state: TorchState) -> None:
        self.step = state.step
        for name, parameter in self.model.named_parameters():
            done = torch.tensor(float(state.step), device=self.world.device)
            mean, square = (moments[name].to(self.world.device) for moments in (state.mean, state.square))
            self.optimizer.state[parameter] = {"step": done, "exp_avg": mean, "exp_avg_sq": square}
        self.best = Best(dict(state.best), state.best_step, state.best_loss, state.since_best)
        for step, loss in state.training:
            self.history.add(step, loss)
        self.history.validation += [Point(step, loss) for step, loss in state.validation]

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def tokens_a_step(self) -> int:
        """Characters that a step is trained on."""
        return self.settings.n_batch * self.shape.n_ctx

    def weights(self) -> Weights:
        """A copy of the weights by GGUF name, on the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def _moments(self, name: str) -> Weights:
        named = self.model.named_parameters()
        return {key: self.optimizer.state[parameter][name].cpu() for key, parameter in named}

    def state(self) -> TorchState:
        """What --resume needs."""
        return TorchState(
            settings=self.settings,
            corpus_sha256=self.text.sha256,
            chars=list(self.text.chars),
            step=self.step,
            weights=self.weights(),
            mean=self._moments("exp_avg"),
            square=self._moments("exp_avg_sq"),
            best=self.best.weights,
            best_step=self.best.step,
            best_loss=self.best.loss,
            since_best=self.best.since,
            training=[(point.step, point.loss) for point in self.history.training],
            validation=[(point.step, point.loss) for point in self.history.validation],
        )

    def run(self, report: Report, stopped: Callable[[], bool], save: Callable[[Trainer], None]) -> bool:
        """Train until the last step, until ``patience`` ends, or until ``stopped``. True: all steps were done.

        Raises KgptError if the loss is no longer finite.
        """
        settings = self.settings
        began, first = time.monotonic(), self.step
        while self.step < settings.last_step:
            rate = settings.learning_rate(self.step)
            loss, stops = self._take_step(rate, stopped)
            self.step += 1
            done = self.step - first
            seconds = time.monotonic() - began
            self.history.add(self.step, loss)
            self._losses.append(loss)
            report.tell(Step(self.step, loss, rate, done, done * self.tokens_a_step, seconds))
            if _is_due(self.step, settings.eval_every, settings.last_step):
                self._validate(report, save)
            if _is_due(self.step, settings.sample_every, settings.last_step) and self.world.is_first:
                report.tell(Sample(self.step, self.sample()))
            if settings.checkpoint_every and self.step % settings.checkpoint_every == 0:
                save(self)
            if stops and settings.eval_every and not self.best.weights:
                self._validate(report, save)  # there is nothing to write yet
            if stops or self.has_lost_patience:
                break
        if not settings.eval_every:
            self.best = Best(self.weights(), self.step)
            largest = max(tensor.abs().max().item() for tensor in self.best.weights.values())
            self._check_finite(f"a weight after step {self.step} is {largest}", largest)
        return self.step >= settings.last_step

    @property
    def has_lost_patience(self) -> bool:
        """There was no new best in ``patience`` validations."""
        return bool(self.settings.patience) and self.best.since >= self.settings.patience

    def _take_step(self, rate: float, stopped: Callable[[], bool]) -> tuple[float, bool]:
        """One step of AdamW: its loss, and whether a process is to stop. Raises KgptError if the loss is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._parallel.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        parts = list(self._parts())
        for i, (tokens, targets) in enumerate(parts):
            torch.manual_seed(_dropout_seed(self.settings.seed, self.step, i * self.world.size + self.world.rank))
            with self._unsynchronized(i + 1 < len(parts)):
                part = self._loss(self._parallel, tokens, targets) / len(parts)
                part.backward()
            loss += part.item()
        loss, stops = self.world.total(loss / self.world.size, float(stopped()))
        self._check_finite(f"the loss of step {self.step + 1} is {loss}", loss)
        if self.settings.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.grad_clip)
        self.optimizer.step()
        return loss, stops > 0

    def _check_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise KgptError(f"{what}: the training has diverged", "lower --lr, or give --warmup")

    def _unsynchronized(self, wanted: bool) -> AbstractContextManager[None]:
        """Only the last part of a batch sends gradients to the other processes."""
        parallel = self._parallel
        if wanted and isinstance(parallel, nn.parallel.DistributedDataParallel):
            alone: AbstractContextManager[None] = parallel.no_sync()
            return alone
        return nullcontext()

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The windows of this process, in ``accumulate`` parts: tokens and targets (B, T)."""
        settings = self.settings
        starts = window_starts(settings.seed, self.step, settings.n_batch, self.text.n_train, self.shape.n_ctx)
        for part in starts.reshape(settings.accumulate, -1):
            yield self._windows(torch.from_numpy(part[self.world.rank :: self.world.size]))

    def _windows(self, starts: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
        reach = torch.arange(self.shape.n_ctx + 1)
        rows = self._tokens[(first + starts[:, None] + reach).to(self._tokens.device)]
        return rows[:, :-1], rows[:, 1:]

    def _loss(self, model: nn.Module, tokens: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        with torch.autocast(self.world.device.type, dtype=torch.bfloat16, enabled=self.settings.dtype == "bf16"):
            logits = model(tokens)
        return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction=reduction)

    def _validate(self, report: Report, save: Callable[[Trainer], None]) -> None:
        loss = self.evaluate()
        self._check_finite(f"the validation loss after step {self.step} is {loss}", loss)
        self.history.validation.append(Point(self.step, loss))
        self.best.since += 1
        is_best = loss < self.best.loss
        if is_best:
            self.best = Best(self.weights(), self.step, loss)
        training = sum(self._losses) / max(len(self._losses), 1)
        self._losses.clear()
        report.tell(Validation(self.step, loss, self.best.loss, self.best.step, training))
        if is_best:
            save(self)

    def evaluate(self) -> float:
        """The mean loss of windows that lie side by side in the end of the text: all, or ``eval_batches`` batches."""
        n_ctx, batch = self.shape.n_ctx, self.settings.n_batch
        n = len(self.text.tokens) - self.text.n_train
        starts = torch.from_numpy(evaluation_starts(n, n_ctx, self.settings.eval_batches * batch))
        total = count = 0.0
        self.model.eval()
        with torch.no_grad():
            for part in starts[self.world.rank :: self.world.size].split(batch):
                tokens, targets = self._windows(part, self.text.n_train)
                total += self._loss(self.model, tokens, targets, "sum").item()
                count += tokens.numel()
        total, count = self.world.total(total, count)
        return total / count

    def sample(self, n: int = SAMPLE_TOKENS) -> str:
        """``n`` characters behind a line end, each drawn by its probability."""
        generator = torch.Generator().manual_seed(_dropout_seed(self.settings.seed, self.step, _SAMPLE_SEED))
        newline = self.text.chars.index("\n") if "\n" in self.text.chars else 0
        ids = [newline]
        self.model.eval()
        with torch.no_grad():
            for _ in range(n):
                window = torch.tensor([ids[-self.shape.n_ctx :]], device=self.world.device)
                logits = self.model(window)[0, -1].float()
                self._check_finite(f"a logit after step {self.step} is not finite", logits.sum().item())
                probabilities = logits.softmax(-1).cpu()
                ids.append(int(torch.multinomial(probabilities, 1, generator=generator)))
        return self.text.decode(ids[1:])


def _is_due(step: int, every: int | None, last: int) -> bool:
    return bool(every) and (step % (every or 1) == 0 or step == last)


def _adamw(model: nn.Module, settings: TorchSettings, device: torch.device) -> torch.optim.AdamW:
    """Weight decay applies to matrices, not to vectors (gains and biases)."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=float(settings.lr or 0.0),
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        fused=True,
    )


def _dropout_seed(seed: int, step: int, place: int) -> int:
    """A seed for one part of one step, below 2^63."""
    from kgpt_build.reference.draws import random_words

    return int(random_words(seed, _SAMPLE_SEED + step, place, 1)[0]) >> 1
