"""The loss curve as a picture: SVG, written without a library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from kgpt_build.errors import UsageError
from kgpt_build.paths import write_atomically
from kgpt_build.training.history import History, Point

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 48
_RAW, _SMOOTH, _VALIDATION = "#b8c4d6", "#1f4e9c", "#c2410c"
_SMOOTHED_SHARE = 50
"""The smooth line averages over a fiftieth of the training to either side."""


def check_name(path: Path) -> None:
    """Refuse a file that is not to be an SVG. Raises UsageError."""
    if path.suffix.lower() != ".svg":
        raise UsageError(f"--plot {path}: only SVG can be written", "give a name that ends in .svg")


def write_plot(path: Path, history: History, title: str) -> None:
    """Draw ``history`` to ``path``. Raises KgptError if it cannot be written; the old file is still there then."""
    write_atomically(path, svg(history, title).encode())


def svg(history: History, title: str) -> str:
    """The losses over the steps: each point, a smooth line, and the validation losses."""
    training, validation = history.training, history.validation
    frame = _Frame([*training, *validation])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 24, title, size=14),
        *_axes(frame),
        _line(frame, training, _RAW, 1),
        _line(frame, _smooth(training), _SMOOTH, 2),
        _line(frame, validation, _VALIDATION, 2),
        *(
            f'<circle cx="{frame.x(point.step):.1f}" cy="{frame.y(point.loss):.1f}" r="3" fill="{_VALIDATION}"/>'
            for point in validation
        ),
        _text(_WIDTH - _RIGHT - 130, _TOP + 16, "training", color=_SMOOTH),
        _text(_WIDTH - _RIGHT - 70, _TOP + 16, "validation", color=_VALIDATION) if validation else "",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of ten, at most ``most`` + 1."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


class _Frame:
    """From steps and losses to the picture."""

    def __init__(self, points: Sequence[Point]) -> None:
        steps = [point.step for point in points] or [0, 1]
        losses = [point.loss for point in points] or [0.0, 1.0]
        self.steps = (min(0, *steps), max(1, *steps))
        room = (max(losses) - min(losses)) * 0.05 or 0.5
        self.losses = (min(losses) - room, max(losses) + room)

    def x(self, step: float) -> float:
        low, high = self.steps
        return _LEFT + (step - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, loss: float) -> float:
        low, high = self.losses
        return _TOP + (high - loss) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def _axes(frame: _Frame) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for loss in ticks(*frame.losses):
        y = frame.y(loss)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#e5e7eb"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{loss:.4g}", anchor="end"))
    for step in ticks(*frame.steps):
        parts.append(_text(frame.x(step), bottom + 18, f"{step:g}", anchor="middle"))
    parts.append(f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" stroke="#374151" fill="none"/>')
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 10, "step", anchor="middle"))
    parts.append(_text(8, _TOP - 8, "loss (nats)"))
    return parts


def _line(frame: _Frame, points: Sequence[Point], color: str, width: int) -> str:
    if not points:
        return ""
    places = " ".join(f"{frame.x(point.step):.1f},{frame.y(point.loss):.1f}" for point in points)
    return f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="{width}"/>'


def _smooth(points: Sequence[Point]) -> list[Point]:
    reach = len(points) // _SMOOTHED_SHARE
    sums = [0.0]
    for point in points:
        sums.append(sums[-1] + point.loss)
    smoothed = []
    for i, point in enumerate(points):
        start, end = max(i - reach, 0), min(i + reach + 1, len(points))
        smoothed.append(Point(point.step, (sums[end] - sums[start]) / (end - start)))
    return smoothed


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, color: str = "#374151") -> str:
    printable = "".join(char if char.isprintable() else "?" for char in text)
    style = f'font-size="{size}" fill="{color}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(printable)}</text>'
