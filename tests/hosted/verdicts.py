"""What host and kernel say of one model's file: whether they take it, and what they name where they do not."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import NamedTuple

import lm
from native import shared_object

from benchmarks.c_error import Error
from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.model import describe
from kgpt_build.models.gguf.scan import scan

_MEMORY = 8 << 20
_NAMED = re.compile(r"\"([^\"]*)\"|'([^']*)'")


class Verdict(NamedTuple):
    """``message`` is empty where the file is taken."""

    message: str
    hint: str

    @property
    def taken(self) -> bool:
        return not self.message

    @property
    def named(self) -> str:
        """What the message has in its first quotes: a field, a tensor, or what cannot be supported."""
        found = _NAMED.search(self.message)
        return "" if found is None else found[1] or found[2] or ""


def of_host(data: bytes) -> Verdict:
    """As `kgpt build` reads it."""
    try:
        describe(scan(data), "m")
    except KgptError as error:
        return Verdict(error.message, error.hint)
    return Verdict("", "")


class Kernel:
    """The kernel's readers, compiled for this machine."""

    def __init__(self, folder: Path) -> None:
        sources = ["tests/hosted/verdict_driver.c", *lm.engine_sources(folder)]
        self._library = shared_object(folder, sources, include=folder)
        self._memory = ctypes.create_string_buffer(_MEMORY)

    def verdict(self, data: bytes) -> Verdict:
        error = Error()
        at = (ctypes.cast(self._memory, ctypes.c_void_p), ctypes.c_uint64(_MEMORY))
        status = self._library.driver_verdict(data, ctypes.c_uint64(len(data)), *at, ctypes.byref(error))
        return Verdict(error.message.decode(), error.hint.decode()) if status else Verdict("", "")
