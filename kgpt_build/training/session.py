"""Receives what a training sends: keeps the losses, and writes complete weights to files.

Each file is written under a temporary name and renamed, so an interrupted run leaves the old or the new file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kgpt_build import events, models
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.events import Event
from kgpt_build.events.framing import Blob
from kgpt_build.headers.blob import read_model
from kgpt_build.models.model import clean_name
from kgpt_build.paths import check_place, write_atomically
from kgpt_build.training.corpus import CorpusText
from kgpt_build.training.earlier import PREFIX, EarlierBest
from kgpt_build.training.history import History, Point
from kgpt_build.training.settings import TrainSettings
from kgpt_build.training.state import save_state
from kgpt_build.training.text_model import count_weights, weights_of_bytes, write_text_model
from kgpt_build.training.text_settings import TextSettings

STATE_SUFFIX = ".state"


@dataclass(frozen=True)
class Files:
    """The files that a training writes: MODEL.gguf, MODEL-last.gguf and MODEL.state."""

    model: Path

    @property
    def last(self) -> Path:
        """The weights after the last step."""
        return self.model.with_name(f"{self.model.stem}-last{self.model.suffix}")

    @property
    def state(self) -> Path:
        """The state for --resume."""
        return self.model.with_name(self.model.stem + STATE_SUFFIX)

    def check(self) -> None:
        """Check before the training that the files can be written. Raises KgptError."""
        if self.model.suffix == STATE_SUFFIX:
            raise UsageError(f"{self.model} is the name of a state", "give -o a name that ends in .gguf")
        for path in (self.model, self.last, self.state):
            check_place(path)


@dataclass(frozen=True)
class Written:
    """A model that was written, and the step and losses of its weights. Losses are in nats."""

    path: Path
    n_parameters: int
    step: int
    loss: float | None
    validation: float | None


class Session:
    """One training. ``update`` takes everything received so far; ``corpus`` to ``samples`` hold the latest events."""

    def __init__(
        self,
        files: Files,
        settings: TrainSettings | TextSettings,
        corpus: CorpusText,
        *,
        keep_last: bool = False,
        earlier: EarlierBest | None = None,
    ) -> None:
        """``earlier``: the best weights from before --resume."""
        self._earlier = earlier
        self.files = files
        self.settings = settings
        self.text = corpus
        self.keep_last = keep_last
        self.corpus: events.Corpus | None = None
        self.training: events.Training | None = None
        self.step: events.Step | None = None
        """The last event of its kind."""
        self.preview: events.Preview | None = None
        """The last event of its kind."""
        self.samples: list[events.Sample] = []
        self.history = History()
        self.written: dict[Path, Written] = {}
        self.saved_state = 0
        """The step of the state that was written; 0: none."""
        self._n_events = 0
        self._n_blobs = 0
        self._losses: dict[int, float] = {}
        self._has_best = False

    def update(self, all_events: Sequence[Event], blobs: Sequence[Blob]) -> list[Event]:
        """Process what is new, and return the new events. Raises KgptError if a file cannot be written."""
        new = list(all_events[self._n_events :])
        self._n_events += len(new)
        for event in new:
            self._take(event)
        for blob in blobs[self._n_blobs :]:
            self._n_blobs += 1
            self._take_blob(blob)
        return new

    def _take(self, event: Event) -> None:
        if isinstance(event, events.Step):
            self.step = event
            self.history.add(event.step, event.exact_loss)
        elif isinstance(event, events.BlobStart):
            self._note_loss(event.step)
        elif isinstance(event, events.Eval):
            self._note_loss(event.step)
            self.history.validation.append(Point(event.step, event.loss))
        elif isinstance(event, events.Preview):
            self.preview = event
        elif isinstance(event, events.Sample):
            self.samples.append(event)
        elif isinstance(event, events.Corpus):
            self.corpus = event
        elif isinstance(event, events.Training):
            self.training = event

    def _note_loss(self, step: int) -> None:
        """Remember the loss of a step, because its weights may be written later."""
        if self.step and self.step.step == step:
            self._losses[step] = self.step.exact_loss

    def _take_blob(self, blob: Blob) -> None:
        if blob.name == "best":
            self._has_best = True
            self._write_best(blob)
        elif blob.name == "last":
            # Without validation a kernel may send no best weights; then the last weights are the best.
            if not self._has_best:
                self._write(self.files.model, blob)
            if self.keep_last:
                self._write(self.files.last, blob)
        elif blob.name == "state":
            save_state(self.files.state, self.settings, self.text.sha256, blob.step, blob.data)
            self.saved_state = blob.step

    def _write_best(self, blob: Blob) -> None:
        """Write the best weights. The kernel only knows this run, so compare with the best before --resume."""
        earlier, validation = self._earlier, self._validation(blob.step)
        if earlier is None or validation is None or validation < earlier.validation:
            self._write(self.files.model, blob)
            return
        path = self.files.model
        write_atomically(path, earlier.data)
        self.written[path] = Written(path, earlier.n_parameters, earlier.step, earlier.loss, earlier.validation)

    def _validation(self, step: int) -> float | None:
        return next((point.loss for point in self.history.validation if point.step == step), None)

    def _write(self, path: Path, blob: Blob) -> None:
        if isinstance(self.settings, TextSettings):
            self._write_text_model(path, blob, self.settings)
            return
        try:
            model = read_model(blob.data, clean_name(self.files.model.stem))
        except KgptError as error:
            raise KgptError(f"the kernel sent weights that are not to be used: {error.message}", error.hint) from error
        written = Written(path, model.n_parameters, blob.step, self._losses.get(blob.step), self._validation(blob.step))
        models.save_gguf(model, path, self._metadata(written, self.settings))
        self.written[path] = written

    def _write_text_model(self, path: Path, blob: Blob, settings: TextSettings) -> None:
        chars = self.text.characters
        shape = settings.shape(len(chars))
        weights = weights_of_bytes(shape, blob.data)
        validation = self._validation(blob.step)
        written = Written(path, count_weights(shape), blob.step, self._losses.get(blob.step), validation)
        facts: dict[str, str | int | float | None] = {
            "method": "dense",
            "corpus": self.text.source,
            "corpus_sha256": self.text.sha256,
            "step": written.step,
            "loss": written.loss,
            "validation_loss": validation,
            **settings.facts(),
        }
        told = {key: value for key, value in facts.items() if value is not None}
        write_text_model(path, shape, chars, weights, told)
        self.written[path] = written

    def _metadata(self, written: Written, settings: TrainSettings) -> dict[str, models.MetadataValue]:
        """Everything that determines the weights. A resumed training gives the same fields as an uninterrupted one."""
        known: dict[str, models.MetadataValue | None] = {
            "corpus": self.text.source,
            "corpus_sha256": self.text.sha256,
            "method": "exact" if settings.exact else "fast",
            "step": written.step,
            "loss": written.loss,
            "validation_loss": written.validation,
            "validation_fraction": settings.val_fraction,
            "steps": settings.steps,
            "batch": settings.documents_a_step,
            "seed": settings.seed,
            "learning_rate": settings.lr,
            "beta1": settings.beta1,
            "beta2": settings.beta2,
            "eps": settings.eps,
            "weight_decay": settings.weight_decay,
        }
        return {f"{PREFIX}{key}": value for key, value in known.items() if value is not None}
