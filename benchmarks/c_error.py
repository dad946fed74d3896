"""struct kg_error of kernel_c/include/kgpt/error.h for ctypes."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

_HEADER = Path(__file__).parents[1] / "kernel_c" / "include" / "kgpt" / "error.h"
_FIELD = re.compile(r"^\s+char (\w+)\[(\d+)\];", re.MULTILINE)


def _fields() -> list[tuple[str, type[ctypes.Array[ctypes.c_char]]]]:
    body = _HEADER.read_text().partition("struct kg_error {")[2].partition("}")[0]
    return [(name, ctypes.c_char * int(size)) for name, size in _FIELD.findall(body)]


class Error(ctypes.Structure):
    """struct kg_error: ``message`` and ``hint``."""

    message: bytes
    hint: bytes
    _fields_ = _fields()
