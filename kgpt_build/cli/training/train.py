"""``kgpt train``."""

from __future__ import annotations

import shlex
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from kgpt_build.arch import of_host
from kgpt_build.cli.shared.corpora import read_shown
from kgpt_build.cli.shared.machines import LEAST_MEMORY, find_qemu, machine_options, resolve_accel
from kgpt_build.cli.shared.options import MODEL_HERE, arch_option, json_option, verbose_option
from kgpt_build.cli.shared.settings import names_of, settings_options
from kgpt_build.cli.training.torch_training import TORCH, take_torch_options, torch_options, train_by_torch
from kgpt_build.cli.training.training_recording import record_option, take_recording, write_recording
from kgpt_build.errors import KgptError, MachineLost, UsageError
from kgpt_build.plain_names import temporary_root
from kgpt_build.vm.settings import RunSettings
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.training.corpus import CorpusText
    from kgpt_build.training.earlier import EarlierBest
    from kgpt_build.training.runs import Run
    from kgpt_build.training.session import Session
    from kgpt_build.training.settings import TrainSettings
    from kgpt_build.training.state import ResumeState
    from kgpt_build.training.text_settings import TextSettings
    from kgpt_build.vm.verdict import Verdict

STOP = b"\x03"
"""Ctrl-C on the kernel's console: the kernel ends after the current step and sends its weights and state."""


@dataclass(frozen=True)
class Plan:
    """A training that passed all checks that need no kernel."""

    settings: TrainSettings | TextSettings
    corpus: CorpusText
    state: ResumeState | None
    earlier: EarlierBest | None
    target: str

    def least_memory(self, cpus: int) -> int:
        """MiB for the machine, unless the user says how many."""
        from kgpt_build.training.text_settings import TextSettings

        if not isinstance(self.settings, TextSettings):
            return LEAST_MEMORY
        n_vocab = len(self.corpus.characters)
        return max(LEAST_MEMORY, self.settings.memory(n_vocab, len(self.corpus.data), cpus))

    def check_memory(self, memory: int, image_end: int = 0) -> None:
        """Refuse a training that does not fit ``memory`` MiB beside a kernel that ends at ``image_end``."""
        from kgpt_build.training.corpus import check_memory, memory_needs
        from kgpt_build.training.settings import TrainSettings

        if not isinstance(self.settings, TrainSettings):
            return  # the kernel knows its needs to the byte; the default is enough
        state = len(self.state.data) if self.state else 0
        check_memory(memory_needs(self.settings, self.corpus, image=image_end, state=state), memory)


@click.command("train")
@click.argument("corpus", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="MODEL.gguf",
    help="The file to write. [default: model.gguf]",
)
@settings_options(*names_of("ADAM", "TRAIN", without=["checkpoint_every"]), "seed")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="MODEL.gguf",
    help="Continue the training that wrote this model.",
)
@settings_options("checkpoint_every")
@click.option("--keep-last", is_flag=True, help="Also write the weights of the last step, to MODEL-last.gguf.")
@record_option
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.png|svg", help="Draw the loss curve.")
@click.option(
    "--target", type=click.Choice(["bare", "hosted", TORCH]), default="bare", show_default=True,
    help="bare: in a kernel in QEMU. hosted: in the same engine as a Linux process. torch: on the host, with PyTorch.",
)  # fmt: skip
@torch_options
@arch_option
@machine_options
@click.option("--timeout", type=float, metavar="S", help="End the run after S seconds, with exit code 124.")
@json_option("Print only the machine channel, as JSON lines (docs/events.md).")
@verbose_option
def command(
    corpus: Path | None,
    output: Path | None,
    resume: Path | None,
    keep_last: bool,
    record: Path | None,
    plot: Path | None,
    target: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a model on CORPUS, in the kernel.

    CORPUS is UTF-8 text, one document a line; - is standard input. Without it, the model learns first names. kgpt
    train writes the weights with the lowest validation loss (without --val-fraction: the last weights) to MODEL.gguf,
    which kgpt build takes, and the state for --resume to MODEL.state. The weights do not depend on --cpus. Ctrl-C
    ends the training after the current step and writes both files.

    With --block or another option marked "running text", and with --target torch, CORPUS is one running text, whose end
    validates, and the model is a GPT of the kind --block. Options marked "torch" are for --target torch
    (docs/training-host.md).

    Exit codes are those of kgpt run. Ctrl-C gives 0 if the files were written.
    """
    from kgpt_build.training.plot import check_plot
    from kgpt_build.training.session import Files, Session

    own = take_torch_options(options, target)
    given = _taken(options)
    take_recording(record, given, own)
    if target == TORCH:
        train_by_torch(corpus, output, resume, plot, own, given)
        return
    options["arch"] = options["arch"] or of_host()
    words = options.pop("cmdline")
    given_memory = options.pop("memory")
    # Wrong values of the machine are refused first.
    RunSettings(image=Path(), cmdline=words, memory=LEAST_MEMORY if given_memory is None else given_memory, **options)
    if plot:
        check_plot(plot)
    plan = _plan(corpus, resume, given, own, target)
    options["memory"] = plan.least_memory(options["cpus"]) if given_memory is None else given_memory
    files = Files(output or resume or MODEL_HERE)
    files.check()
    _warn(plan)
    session = Session(files, plan.settings, plan.corpus, keep_last=keep_last, earlier=plan.earlier)
    cpus = f"cpus={options['cpus']}"
    cmdline = " ".join([*plan.settings.cmdline_words(), cpus, "exit", *([words] if words else [])])
    with (
        tempfile.TemporaryDirectory(prefix="kgpt-train-", dir=temporary_root()) as folder,
        _started(plan, Path(folder), cmdline, options) as run,
    ):
        can_stop = target == "hosted" or options["serial"]
        verdict = _follow(session, run, as_json=as_json, can_stop=can_stop)
        if record and session.saved_state:
            click.echo(write_recording(record, run, session), err=as_json)
    words_again = ["kgpt", "train", *([str(corpus)] if corpus else []), "--resume", str(files.model)]
    _conclude(session, verdict, plot, again=shlex.join(words_again), quiet=as_json)


def _taken(options: dict[str, Any]) -> dict[str, Any]:
    """Take the given fields of TrainSettings out of ``options``."""
    import dataclasses

    from kgpt_build.training.settings import TrainSettings

    taken = {field.name: options.pop(field.name) for field in dataclasses.fields(TrainSettings)}
    # Without a flag, --resume keeps the value of the earlier run.
    return {name: value for name, value in taken.items() if value is not None and value is not False}


def _plan(
    corpus: Path | None, resume: Path | None, given: dict[str, Any], of_block: dict[str, Any], target: str
) -> Plan:
    from kgpt_build.training.corpus import check_split, check_window, count_parameters
    from kgpt_build.training.earlier import load_earlier
    from kgpt_build.training.session import Files
    from kgpt_build.training.settings import TrainSettings
    from kgpt_build.training.state import load_state

    state = load_state(Files(resume).state) if resume else None
    settings = _settings(state, given, of_block)
    if isinstance(settings, TrainSettings):
        text = read_shown(corpus, settings.block)
        check_split(settings, text)
        count_parameters(settings.hyperparameters(text.n_vocab))  # more than a kernel can hold is refused
    else:
        if corpus is None:
            raise UsageError(
                "a training on a running text needs a text, which is missing", "kgpt corpus linux -o TEXT makes one"
            )
        n_ctx = settings.window.n_ctx
        text = read_shown(corpus, n_ctx)
        check_window(text, settings.val_fraction, n_ctx)
    if state and state.corpus_sha256 != text.sha256:
        raise KgptError(f"{text.source} is not the corpus of the training to resume", "give the one it began with")
    n_steps = settings.steps or 0
    if state and state.step >= settings.last_step:
        ended = settings.last_step < n_steps
        raise KgptError(
            f"the training to resume has done {counted(state.step, 'step')}, and is to end after {settings.last_step}",
            f"give more with {'--until' if ended else '--steps'}, or train anew",
        )
    earlier = load_earlier(resume, state) if resume and state else None
    return Plan(settings, text, state, earlier, target)


def _settings(
    state: ResumeState | None, given: dict[str, Any], of_block: dict[str, Any]
) -> TrainSettings | TextSettings:
    """The settings of a training on documents; with an option of a running text, or of its state, on one of those."""
    from kgpt_build.training.settings import TrainSettings, resumed
    from kgpt_build.training.text_settings import OF_BLOCK, TextSettings, text_settings

    chosen = {name: of_block[name] for name in OF_BLOCK if of_block[name] is not None}
    old = state.settings if state else None
    if isinstance(old, TrainSettings):
        if chosen:
            option = "--" + next(iter(chosen)).replace("_", "-")
            raise UsageError(f"{option}: the training to resume is one on documents", f"leave out {option}")
        return resumed(old, given)
    if isinstance(old, TextSettings) or chosen:
        return text_settings(old, given, chosen)
    return TrainSettings(**given)


def _warn(plan: Plan) -> None:
    from kgpt_build.training.doubts import long_line

    if plan.settings.text:
        return
    block_size = plan.settings.block_size or 0
    longer = plan.corpus.longer_than(block_size)
    if not longer:
        return
    if huge := long_line(plan.corpus.lengths, block_size):
        click.echo(f"kgpt: warning: {huge}", err=True)
    else:
        click.echo(
            f"kgpt: {longer:,} of {plan.corpus.n_documents:,} documents are longer than the block of "
            f"{block_size}: what is beyond it is not trained on (--block-size)",
            err=True,
        )


@contextmanager
def _started(plan: Plan, folder: Path, cmdline: str, options: dict[str, Any]) -> Iterator[Run]:
    """Start the training with its files in ``folder``. Leaving the block ends it."""
    from kgpt_build.cli.shared.progress import shown_progress
    from kgpt_build.headers import BROUGHT
    from kgpt_build.kernel.build import build_cached
    from kgpt_build.training.corpus import EMBEDDED_BYTES
    from kgpt_build.training.runs import stage_modules

    memory = options["memory"]
    plan.check_memory(memory)  # the kernel can wait, if it is too much without it
    arch = options["arch"]
    qemu = find_qemu(arch) if plan.target == "bare" else ""
    embedded = plan.corpus.embedded() if len(plan.corpus.data) <= EMBEDDED_BYTES else BROUGHT
    with shown_progress() as progress:
        image = build_cached(target=plan.target, corpus=embedded, arch=arch, progress=progress)
    modules = stage_modules(
        folder, corpus=None if embedded.data else plan.corpus.data, state=plan.state.data if plan.state else None
    )
    if plan.target == "hosted":
        from kgpt_build.kernel.hosted import HostedProcess
        from kgpt_build.training.runs import HostedRun

        timeout = options["timeout"]
        with HostedProcess(image, cmdline, modules=modules, memory=memory, timeout=timeout) as process:
            yield HostedRun(process)
        return
    from kgpt_build.kernel.elf import read_elf
    from kgpt_build.kernel.memory import memory_needs
    from kgpt_build.vm.qemu.machine import Machine

    plan.check_memory(memory, memory_needs(read_elf(image)).image_end)
    settings = resolve_accel(RunSettings(image=image, cmdline=cmdline, modules=modules, **options), qemu)
    with Machine(settings, qemu=qemu, symbols=image) as machine:
        yield machine


def _follow(session: Session, run: Run, *, as_json: bool, can_stop: bool) -> Verdict:
    """Show the training until it ends, and write its files. Ctrl-C asks the kernel to stop."""
    from kgpt_build.cli.training.training_view import shown

    with shown(session, run, as_json=as_json) as view:

        def poll() -> None:
            view.show(session.update(run.events, run.blobs))

        def stop() -> None:
            run.send(STOP)
            view.stopping()

        with _interrupted_by(stop if can_stop else None):
            verdict = run.wait(poll)
        poll()
    return verdict


@contextmanager
def _interrupted_by(stop: Callable[[], None] | None) -> Iterator[None]:
    """The first Ctrl-C calls ``stop``; the second is a KeyboardInterrupt. Without ``stop``, the first is."""
    left = [stop] if stop else []

    def handle(number: int, frame: FrameType | None) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _conclude(session: Session, verdict: Verdict, plot: Path | None, *, again: str, quiet: bool) -> None:
    """Print which files were written. Raises the error of a bad end. ``again``: the command that continues."""
    for line in _summary(session):
        click.echo(line, err=quiet)
    if plot and session.step:
        from kgpt_build.training.plot import write_plot

        title = f"{session.files.model.stem}: {counted(session.settings.steps or 0, 'step')} on {session.text.source}"
        write_plot(plot, session.history, title)
        click.echo(f"wrote {plot}", err=quiet)
    error = verdict.error()
    if error is not None:
        raise error
    if session.files.model not in session.written:
        raise MachineLost("the kernel ended well, but sent no weights", f"{session.files.model} is as it was")
    n_steps = session.settings.steps or 0
    if session.saved_state and session.saved_state < n_steps:
        of = f"step {session.saved_state:,} of {n_steps:,}"
        click.echo(f"kgpt: stopped after {of}; to go on: {again}", err=True)


def _summary(session: Session) -> list[str]:
    lines = []
    for written in session.written.values():
        parts = [f"wrote {written.path}: {written.n_parameters:,} parameters, step {written.step}"]
        parts += [] if written.loss is None else [f"loss {written.loss:.4f}"]
        parts += [] if written.validation is None else [f"validation {written.validation:.4f}"]
        lines.append(", ".join(parts))
    if session.saved_state:
        lines.append(f"wrote {session.files.state}: to go on after step {session.saved_state}")
    return lines
