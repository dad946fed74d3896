"""The options of TorchSettings as words of a command line, for processes that torchrun starts."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from kgpt_build.training.torch.settings import TorchSettings

TYPES = {"int": int, "float": float, "str": str, "int | None": int, "float | None": float}


def parser() -> argparse.ArgumentParser:
    """TEXT, -o, --resume, --csv, and every option of TorchSettings."""
    made = argparse.ArgumentParser(
        prog="torchrun … -m kgpt_build.training.torch",
        description="kgpt train TEXT --target torch, as one of several processes. Process 0 prints and saves.",
    )
    made.add_argument("corpus", type=Path, metavar="TEXT")
    made.add_argument("-o", "--output", type=Path, default=Path("model.gguf"), metavar="MODEL.gguf")
    made.add_argument("--resume", type=Path, metavar="MODEL.gguf")
    made.add_argument("--csv", type=Path, metavar="FILE")
    for field in dataclasses.fields(TorchSettings):
        option, text, choices = "--" + field.name.replace("_", "-"), field.metadata["help"], field.metadata["choices"]
        if field.type == "bool":
            made.add_argument(option, action=argparse.BooleanOptionalAction, help=text)
        elif choices:
            made.add_argument(option, choices=choices, help=text)
        else:
            made.add_argument(option, type=TYPES[str(field.type)], metavar=field.metadata["unit"], help=text)
    return made


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of TorchSettings that were given."""
    values = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(TorchSettings)}
    return {name: value for name, value in values.items() if value is not None}
