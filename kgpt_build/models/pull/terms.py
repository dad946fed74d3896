"""The terms of use of some models: shown and accepted once, which the cache records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from kgpt_build import paths
from kgpt_build.errors import KgptError


@dataclass(frozen=True)
class Terms:
    """Terms of use: ``name`` for sentences; ``text`` to show: the notice that the terms require, with their address."""

    name: str
    text: str
    address: str

    @property
    def sha256(self) -> str:
        """A hash of the terms: changed terms must be accepted again."""
        return hashlib.sha256(f"{self.name}\n{self.text}\n{self.address}".encode()).hexdigest()


GEMMA = Terms(
    name="the Gemma Terms of Use",
    text=(
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms\n"
        "They forbid the uses listed at ai.google.dev/gemma/prohibited_use_policy, and bind whoever gets the model,\n"
        "or an image that holds it, from you: pass them on with it."
    ),
    address="https://ai.google.dev/gemma/terms",
)


def is_accepted(terms: Terms) -> bool:
    """Have exactly these terms been accepted here?"""
    return terms.sha256 in _accepted()


def accept(terms: Terms) -> None:
    """Record that the terms are accepted. Raises KgptError."""
    folder = paths.make_cache_dir(_FOLDER)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    kept = {**_accepted(), terms.sha256: {"terms": terms.name, "address": terms.address, "accepted": date}}
    paths.write_atomically(folder / _FILE, (json.dumps(kept, indent=2) + "\n").encode())


def require(terms: Terms | None, model: str) -> None:
    """Raise KgptError if the terms of ``model`` were not accepted."""
    if terms is not None and not is_accepted(terms):
        raise KgptError(
            f"{model} comes under {terms.name}, which nobody has accepted here yet",
            f"read {terms.address}, and if you agree: kgpt pull {model} --accept-license",
        )


_FOLDER, _FILE = "terms", "accepted.json"


def _accepted() -> dict[str, object]:
    try:
        kept = json.loads((paths.cache_dir() / _FOLDER / _FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
