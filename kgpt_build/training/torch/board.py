"""Writes the losses for TensorBoard."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kgpt_build.errors import ToolMissing
from kgpt_build.training.torch.report import Sample, Step, Told, Validation

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def require_tensorboard() -> None:
    """Raise ToolMissing without TensorBoard."""
    if find_spec("tensorboard") is None:
        raise ToolMissing("--tensorboard writes with TensorBoard, which is not installed", "pip install tensorboard")


class BoardReport:
    """Scalars ``loss/training``, ``loss/validation``, ``lr`` and ``tokens_per_second``, and the samples as texts."""

    def __init__(self, folder: Path) -> None:
        """Raises ToolMissing without TensorBoard."""
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer: SummaryWriter = SummaryWriter(str(folder))

    def tell(self, told: Told) -> None:
        """Write what TensorBoard can show."""
        match told:
            case Step():
                values = {"loss/training": told.loss, "lr": told.rate}
                if told.seconds > 0:
                    values["tokens_per_second"] = told.tokens / told.seconds
            case Validation():
                values = {"loss/validation": told.loss}
            case Sample():
                self._writer.add_text("sample", told.text, told.step)
                return
            case _:
                return
        for name, value in values.items():
            self._writer.add_scalar(name, value, told.step)

    def close(self) -> None:
        """Flush the file."""
        self._writer.close()
