"""Which self-tests an image has: those of the sources that are compiled into it."""

from __future__ import annotations

import re

from rooms import ROOT, listed


def _names(*groups: str) -> list[str]:
    return sorted(
        f"{suite}.{name}"
        for path in listed(*groups)
        for suite, name in re.findall(r"^KG_TEST\((\w+), (\w+)\)", (ROOT / path).read_text(), re.MULTILINE)
    )


DEFAULT = _names("ENGINE")
"""Of every image."""
TRAINING = _names("ENGINE", "ENGINE_LARGE", "ENGINE_TRAIN")
"""Of an image that can train."""
LANGUAGE_MODELS = _names("ENGINE_LARGE", "ENGINE_LM")
"""What an image for language models has besides DEFAULT."""
