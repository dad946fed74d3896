"""The training text of the default model: first names of the US Census of 1990, from the PyPI package ``names``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources

from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.reference.rng import Xoshiro

PACKAGE = "names"
SHA256 = "cba14f452b7768bd7fe093035a67491d4a334061634ccfd51522fb796910e75e"
"""Of the documents, one a line: the default model was trained on these."""
FILES = ("dist.female.first", "dist.male.first")


@dataclass(frozen=True)
class Corpus:
    """Documents in a fixed order; ``source`` names where they are from."""

    source: str
    documents: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the documents, one a line."""
        return hashlib.sha256("".join(f"{document}\n" for document in self.documents).encode()).hexdigest()


def first_names() -> Corpus:
    """The distinct first names, lower-case, sorted.

    Raises ToolMissing without the package ``names``, KgptError if it holds other names than those expected.
    """
    try:
        version = metadata.version(PACKAGE)
        texts = [resources.files(PACKAGE).joinpath(name).read_text(encoding="latin-1") for name in FILES]
    except (metadata.PackageNotFoundError, ModuleNotFoundError, FileNotFoundError):
        raise ToolMissing(
            f"the training text is missing: the Python package {PACKAGE!r} is not installed",
            "pip install names==0.3.0",
        ) from None
    found = {line.split()[0].lower() for text in texts for line in text.splitlines() if line.strip()}
    corpus = Corpus(f"{PACKAGE} {version}: {', '.join(FILES)}", tuple(sorted(found)))
    if corpus.sha256 != SHA256:
        raise KgptError(
            f"the Python package {PACKAGE!r} {version} holds other names than the default model was trained on",
            "pip install --force-reinstall names==0.3.0, or give a corpus of your own",
        )
    return corpus


def split(documents: Sequence[str], seed: int, validation: int) -> tuple[list[str], list[str]]:
    """(training, validation) documents: shuffled by ``seed``, the last ``validation`` of them held back."""
    shuffled = list(documents)
    Xoshiro(seed).shuffle(shuffled)
    return shuffled[: len(shuffled) - validation], shuffled[len(shuffled) - validation :]
