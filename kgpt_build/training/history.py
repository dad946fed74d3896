"""The losses of a training in a bounded number of points, for any number of steps."""

from __future__ import annotations

from dataclasses import dataclass

LIMIT = 1000


@dataclass(frozen=True)
class Point:
    """The mean loss in nats of some steps that end at ``step``."""

    step: int
    loss: float


class History:
    """Means of the training losses over runs of steps, whose length doubles when needed; all validation losses."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._width = 1
        self._runs: list[tuple[int, float, int]] = []  # last step, sum of losses, number of losses
        self.validation: list[Point] = []

    def add(self, step: int, loss: float) -> None:
        """Add the loss of a training step."""
        if self._runs and self._runs[-1][2] < self._width:
            _, total, count = self._runs[-1]
            self._runs[-1] = (step, total + loss, count + 1)
            return
        if len(self._runs) >= 2 * self._limit:
            self._halve()
            self.add(step, loss)
            return
        self._runs.append((step, loss, 1))

    @property
    def training(self) -> list[Point]:
        """The training losses, at most twice the limit."""
        return [Point(step, total / count) for step, total, count in self._runs]

    def _halve(self) -> None:
        pairs = zip(self._runs[::2], self._runs[1::2], strict=True)
        self._runs = [(b[0], a[1] + b[1], a[2] + b[2]) for a, b in pairs]
        self._width *= 2
