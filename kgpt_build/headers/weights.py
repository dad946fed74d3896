"""kgpt_weights.h: the weights, as literals if they are few, else as a file that the assembler includes."""

from __future__ import annotations

import numpy as np

from kgpt_build.headers import blob
from kgpt_build.headers.text import MAX_LITERAL_BYTES, filled, header, included
from kgpt_build.models import FloatArray, Model

NAME = "kgpt_weights.h"
BINARY_NAME = "kgpt_weights.bin"
SECTION = ".kgpt.model.2"


def is_literal(model: Model) -> bool:
    """Are the weights written as literals?"""
    return 4 * model.n_parameters <= MAX_LITERAL_BYTES


def text(model: Model, version: str) -> str:
    """The header: one object in the section that follows the vocabulary."""
    return header(NAME, model.sha256, version, _literals(model) if is_literal(model) else _include())


def c_float(value: float) -> str:
    """``value``, which a 32-bit float holds exactly, as a C literal of type float."""
    mantissa, exponent = float(np.float32(value)).hex().split("p")
    whole, _, digits = mantissa.partition(".")
    digits = digits.rstrip("0")
    return f"{whole}.{digits}p{exponent}f" if digits else f"{whole}p{exponent}f"


def _literals(model: Model) -> list[str]:
    array = f"const float kgpt_weights[{model.n_parameters}]"
    lines = [
        f"extern {array};",
        "",
        f'__attribute__((section("{SECTION}"), aligned({blob.ALIGN}), used)) {array} = {{',
    ]
    for name, tensor in model.tensors.items():
        lines += [f"    /* {name} {tensor.shape} */", *_rows(tensor)]
    return [*lines, "};"]


def _rows(tensor: FloatArray) -> list[str]:
    return filled([c_float(float(value)) for value in tensor.ravel()])


def _include() -> list[str]:
    return ["extern const float kgpt_weights[];", "", *included("kgpt_weights", SECTION, blob.ALIGN, BINARY_NAME)]
