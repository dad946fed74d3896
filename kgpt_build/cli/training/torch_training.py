"""``kgpt train --target torch``: its options, and the training shown on the terminal."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kgpt_build.cli.shared.corpora import read_shown
from kgpt_build.cli.shared.options import MODEL_HERE
from kgpt_build.cli.shared.settings import names_of
from kgpt_build.errors import UsageError
from kgpt_build.training.text_settings import OF_BLOCK
from kgpt_build.training.torch.settings import TorchSettings, require_torch
from kgpt_build.vm.terminal import as_written
from kgpt_build.words import counted

if TYPE_CHECKING:
    from kgpt_build.training.torch.report import Report, Told

Command = TypeVar("Command", bound=Callable[..., Any])

TORCH: Final = "torch"
_FIELDS = {field.name: field for field in dataclasses.fields(TorchSettings)}
_OWN = [name for name in _FIELDS if name not in (*names_of("ADAM", "TRAIN"), "seed")]
"""Options that only PyTorch's trainer has; kernels have the others (options.def)."""
_FILES = ("csv", "tensorboard")
_ANY_TARGET = ("corpus", "output", "resume", "plot", "target", "text", "verbose")
_TYPES = {"int": int, "float": float, "str": str, "int | None": int, "float | None": float}


def torch_options(command: Command) -> Command:
    """The options that only ``--target torch`` has; take_torch_options takes their values."""
    path = click.Path(path_type=Path)
    files = [
        click.option("--csv", type=path, metavar="FILE", help="torch: write a row for each step to FILE."),
        click.option("--tensorboard", type=path, metavar="DIR", help="torch: write the losses for TensorBoard to DIR."),
    ]
    for decorate in reversed([*map(_click_option, _OWN), *files]):
        command = decorate(command)
    return command


def _click_option(name: str) -> Callable[[Command], Command]:
    field = _FIELDS[name]
    option, meta = "--" + name.replace("_", "-"), field.metadata
    text = f"{'running text' if name in OF_BLOCK else 'torch'}: {meta['help']}."
    if field.default is not None:
        text += f" [default: {field.default if field.type != 'bool' else 'yes' if field.default else 'no'}]"
    form: dict[str, Any] = {"default": None, "help": text}
    if field.type == "bool":
        return click.option(f"{option}/--no-{option[2:]}", name, **form)
    if meta["choices"]:
        return click.option(option, name, type=click.Choice(meta["choices"]), **form)
    return click.option(option, name, type=_TYPES[str(field.type)], metavar=meta["unit"], **form)


def take_torch_options(given: dict[str, Any], target: str) -> dict[str, Any]:
    """Take out of ``given`` the options that microgpt's trainers do not have; kernels have those of OF_BLOCK.

    Raises UsageError if one of them is given for another target, or an option for a kernel with ``--target torch``.
    """
    taken = {name: given.pop(name) for name in (*_OWN, *_FILES)}
    context = click.get_current_context()
    for name in context.params:
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        option = "--" + {"as_json": "json", "serial": "no-serial"}.get(name, name.replace("_", "-"))
        if target != TORCH and name in taken and name not in OF_BLOCK:
            raise UsageError(f"{option} is an option of --target torch, not of {target}", f"leave out {option}")
        if target == TORCH and name not in {*_FIELDS, *_FILES, *_ANY_TARGET}:
            raise UsageError(
                f"{option} is an option of a training in a kernel, not of --target torch", f"leave out {option}"
            )
    return taken


def train_by_torch(
    corpus: Path | None,
    output: Path | None,
    resume: Path | None,
    plot: Path | None,
    own: Mapping[str, Any],
    given: Mapping[str, Any],
) -> None:
    """Train on the host. ``own``: from take_torch_options; ``given``: the options that kernels have too."""
    require_torch()
    from kgpt_build.training.plot import check_plot, write_plot
    from kgpt_build.training.torch.run import plan, train

    if corpus is None:
        raise UsageError(
            "--target torch trains on a running text, which is missing", "kgpt corpus linux -o TEXT makes one"
        )
    if plot:
        check_plot(plot)
    values = {name: value for name, value in {**given, **own}.items() if name in _FIELDS and value is not None}
    settings, state = plan(resume, values)
    text = read_shown(corpus, int(settings.block_size or 0))
    path = output or resume or MODEL_HERE

    def make_report() -> Report:
        return _reports(settings, goes_on=state is not None, csv=own["csv"], tensorboard=own["tensorboard"])

    outcome = train(settings, state, text, path, make_report)
    if plot:
        title = f"{path.stem}: {counted(outcome.step, 'step')} on {text.source}"
        write_plot(plot, outcome.history, title)
        click.echo(f"wrote {plot}")
    if not outcome.is_whole:
        again = shlex.join(["kgpt", "train", str(corpus), "--target", TORCH, "--resume", str(path)])
        click.echo(f"kgpt: ended after step {outcome.step:,} of {settings.n_steps:,}; to go on: {again}", err=True)


def _reports(settings: TorchSettings, *, goes_on: bool, csv: Path | None, tensorboard: Path | None) -> Report:
    from kgpt_build.training.torch.report import CsvReport, PlainReport, Reports

    console = Console()
    plain = not console.is_terminal or console.is_dumb_terminal
    shown: Report = (
        PlainReport(click.echo, settings.n_steps, settings.last_step) if plain else LiveReport(console, settings)
    )
    reports = [shown]
    if csv:
        reports.append(CsvReport(csv, goes_on=goes_on))
    if tensorboard:
        from kgpt_build.training.torch.board import BoardReport

        reports.append(BoardReport(tensorboard))
    return Reports(reports)


class LiveReport:
    """A bar with the loss, the throughput and the time left; validations and samples scroll above it."""

    def __init__(self, console: Console, settings: TorchSettings) -> None:
        self._last = settings.last_step
        self._bar = Progress(BarColumn(24), MofNCompleteColumn(), TextColumn("{task.description}"), console=console)
        self._task = self._bar.add_task("", total=self._last)

    def tell(self, told: Told) -> None:
        """Move the bar, or print above it."""
        from kgpt_build.training.torch import report

        match told:
            case report.Step():
                figures = f"loss {told.loss:.4f} | {report.pace(told, self._last)}"
                self._bar.update(self._task, completed=told.step, description=figures)
            case report.Banner():
                self._print("\n".join(report.banner_lines(told)))
                self._bar.start()
            case report.Validation():
                self._print(report.validation_line(told))
            case report.Sample():
                # A text may hold control characters, which would act on the terminal.
                self._print(f"--- sample after step {told.step}\n{as_written(told.text, terminal=True)}\n---")
            case report.Note():
                self._bar.stop()
                self._print(told.text)

    def _print(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()
