"""``python -m kgpt_build.reference``: trains the default model. ``make default-model`` calls it.

The same bytes come out whatever the BLAS, the number of threads and the vector width (see ``ordered``). They do depend
on the package ``names`` (its text, and its version in the metadata) and on how the gguf library lays out a file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models import DEFAULT_MODEL, CharTokenizer, Hyperparameters, Model, save_gguf
from kgpt_build.reference import corpus, trainer
from kgpt_build.reference.forward import Weights
from kgpt_build.reference.sampler import generate

N_VALIDATION = 500
REPORT_STEPS = 500
SETTINGS = trainer.TrainSettings()


def default_hparams(tokenizer: CharTokenizer) -> Hyperparameters:
    """microgpt's sizes for this vocabulary."""
    return Hyperparameters(n_vocab=tokenizer.n_vocab, n_ctx=16, n_embd=16, n_layer=1, n_head=4, n_head_kv=4, n_ff=64)


def train_default(
    text: corpus.Corpus, settings: trainer.TrainSettings, progress: trainer.Progress | None = None
) -> Model:
    """The default model, trained on ``text`` but for its validation documents."""
    tokenizer = CharTokenizer.from_documents(text.documents)
    hparams = default_hparams(tokenizer)
    documents, _ = corpus.split(text.documents, settings.seed, N_VALIDATION)
    return trainer.to_model(
        "default", hparams, tokenizer, trainer.train(hparams, tokenizer, documents, settings, progress)
    )


def provenance(text: corpus.Corpus, settings: trainer.TrainSettings) -> dict[str, str | int | float]:
    """The metadata of the default model's file: all that its weights follow from."""
    return {
        "kgpt.training.corpus": text.source,
        "kgpt.training.corpus_sha256": text.sha256,
        "kgpt.training.validation_documents": N_VALIDATION,
        "kgpt.training.seed": settings.seed,
        "kgpt.training.steps": settings.steps,
        "kgpt.training.batch": settings.batch,
        "kgpt.training.learning_rate": settings.learning_rate,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Train, save, and show what the model has learnt. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kgpt_build.reference", description="Train the default model.")
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_MODEL, help="the GGUF file to write (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=SETTINGS.steps, help="training steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SETTINGS.seed, help="(default: %(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.steps < 1 or not 0 <= arguments.seed < 1 << 64:
        parser.error("--steps must be at least 1, and --seed a 64-bit number")
    try:
        _run(arguments.output, trainer.TrainSettings(seed=arguments.seed, steps=arguments.steps))
    except KgptError as error:
        _say(f"kgpt: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}")
        return error.exit_code
    return 0


def _run(output: Path, settings: trainer.TrainSettings) -> None:
    text = corpus.first_names()
    _say(f"{text.source}: {len(text.documents):,} names, SHA-256 {text.sha256}")
    model = train_default(text, settings, _Report(text, settings))
    save_gguf(model, output, provenance(text, settings))
    _say(f"wrote {output}: {model.n_parameters:,} parameters, model SHA-256 {model.sha256}")
    _say("names: " + ", ".join(generate(model, index=i).text for i in range(20)))


class _Report:
    """Prints the losses every REPORT_STEPS steps."""

    def __init__(self, text: corpus.Corpus, settings: trainer.TrainSettings) -> None:
        self._settings = settings
        self._tokenizer = CharTokenizer.from_documents(text.documents)
        _, self._validation = corpus.split(text.documents, settings.seed, N_VALIDATION)
        self._losses: list[float] = []
        self._start = time.monotonic()

    def __call__(self, step: int, loss: float, weights: Weights) -> None:
        self._losses.append(loss)
        if step % REPORT_STEPS == 0 or step == self._settings.steps:
            hparams = default_hparams(self._tokenizer)
            validation = trainer.evaluate(weights, hparams, self._tokenizer, self._validation)
            training = sum(self._losses) / len(self._losses)
            self._losses.clear()
            seconds = time.monotonic() - self._start
            _say(f"step {step:6d}: training loss {training:.4f}, validation loss {validation:.4f}, {seconds:.0f} s")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
