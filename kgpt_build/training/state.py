"""The file MODEL.state: the state of the kernel for --resume, and the settings that the host must compare.

One line of JSON, then the bytes of the kernel, which only the kernel reads.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.paths import write_atomically
from kgpt_build.training.settings import TrainSettings
from kgpt_build.training.text_settings import TextSettings

VERSION = 1
_AGAIN = "train again from the start, without --resume"


@dataclass(frozen=True)
class ResumeState:
    """The state after ``step`` steps; ``data`` comes from the kernel."""

    settings: TrainSettings | TextSettings
    corpus_sha256: str
    step: int
    data: bytes


def save_state(path: Path, settings: TrainSettings | TextSettings, corpus_sha256: str, step: int, data: bytes) -> None:
    """Write the file atomically. Raises KgptError and keeps the old file if it cannot be written."""
    head = {
        "kgpt_state": VERSION,
        "step": step,
        "corpus_sha256": corpus_sha256,
        "length": len(data),
        "crc32": zlib.crc32(data),
        "settings": dataclasses.asdict(settings),
    }
    write_atomically(path, json.dumps(head).encode() + b"\n" + data)


def load_state(path: Path) -> ResumeState:
    """Read the file that save_state wrote. Raises KgptError if it is missing, damaged or incomplete."""
    try:
        line, newline, data = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        raise KgptError(f"{path}: no such file", f"kgpt train writes it beside the model; {_AGAIN}") from None
    except OSError as error:
        raise KgptError(f"{path}: cannot be read: {error.strerror or error}", "check the permissions") from None
    try:
        head = json.loads(line)
        version, length, crc32 = int(head["kgpt_state"]), int(head["length"]), int(head["crc32"])
        kind = TextSettings if "block" in head["settings"] else TrainSettings
        state = ResumeState(kind(**head["settings"]), str(head["corpus_sha256"]), int(head["step"]), data)
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise KgptError(f"{path}: is no state of a training", _AGAIN) from error
    if version != VERSION or not newline:
        raise KgptError(f"{path}: has the format {version}, not {VERSION}", _AGAIN)
    if len(data) != length:
        raise KgptError(f"{path}: is cut short: {len(data):,} of {length:,} bytes are there", _AGAIN)
    if zlib.crc32(data) != crc32:
        raise KgptError(f"{path}: is damaged: its check sum is wrong", _AGAIN)
    return state
