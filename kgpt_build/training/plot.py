"""Draws the loss curve as PNG or SVG with matplotlib. The same history gives the same bytes."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgpt_build.errors import ToolMissing, UsageError
from kgpt_build.paths import write_atomically, write_errors
from kgpt_build.training.history import History, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMS = ("png", "svg")
_INCHES = (8.0, 4.5)
_DPI = 150
_RAW, _SMOOTH, _VALIDATION = "#b8c4d6", "#1f4e9c", "#c2410c"
_SMOOTHED_SHARE = 50
"""The smooth line is the mean over 1/50 of the training on each side."""
_NO_DATE = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""Leaves the version of matplotlib and the date out of the file."""


def check_plot(path: Path) -> None:
    """Check before the training that a picture can be written to ``path``.

    Raises UsageError for a name that is neither PNG nor SVG, ToolMissing without matplotlib, KgptError if it
    cannot be written.
    """
    if _form(path) not in FORMS:
        raise UsageError(f"--plot {path}: only PNG and SVG can be written", "give a name that ends in .png or .svg")
    if find_spec("matplotlib") is None:
        raise ToolMissing("--plot draws with matplotlib, which is not installed", "pip install 'kgpt[plot]'")
    with write_errors(str(path)):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass


def write_plot(path: Path, history: History, title: str) -> None:
    """Draw ``history`` to ``path``. Raises KgptError and keeps the old file if it cannot be written."""
    write_atomically(path, picture(history, title, _form(path)))


def picture(history: History, title: str, form: str) -> bytes:
    """The losses over the steps as ``form``: every point faint, a smooth line, and the validation losses."""
    # Imported late: it takes half a second and some tens of megabytes.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    out = io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # ignore the user's matplotlibrc
        mpl.rcParams["svg.hashsalt"] = "kgpt"  # makes the names of elements deterministic
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a title may hold any character
        figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure.add_subplot(), history, title)
        figure.savefig(out, format=form, metadata=_NO_DATE[form])
    return out.getvalue()


def _form(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _draw(axes: Axes, history: History, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    training = history.training
    axes.plot(*_columns(training), color=_RAW, linewidth=0.8, label="training")
    axes.plot(*_columns(_smooth(training)), color=_SMOOTH, linewidth=1.8, label="training, smoothed")
    if history.validation:
        marked: dict[str, Any] = {"color": _VALIDATION, "linewidth": 1.8, "marker": "o", "markersize": 5}
        axes.plot(*_columns(history.validation), label="validation", **marked)
    # A title can be a file name, which may contain TeX markup.
    printable = "".join(char if char.isprintable() else "?" for char in title)
    axes.set_title(printable, fontsize=13, parse_math=False, wrap=True)
    axes.margins(x=0.01)
    axes.set_xlabel("step", fontsize=12)
    axes.set_ylabel("loss (nats per token)", fontsize=12)
    axes.tick_params(labelsize=11)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(color="#e5e7eb")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=11)


def _columns(points: Sequence[Point]) -> tuple[list[int], list[float]]:
    return [point.step for point in points], [point.loss for point in points]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Each point becomes the mean of equally many points on both sides, so the line keeps its first and last point."""
    sums = np.concatenate([[0.0], np.cumsum([point.loss for point in points])])
    smoothed = []
    for i, point in enumerate(points):
        reach = min(len(points) // _SMOOTHED_SHARE, i, len(points) - 1 - i)
        total = float(sums[i + reach + 1] - sums[i - reach])
        smoothed.append(Point(point.step, total / (2 * reach + 1)))
    return smoothed
