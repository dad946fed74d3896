"""kgpt: a trained GPT becomes a bootable kernel that generates text."""

from __future__ import annotations

__version__ = "0.1.0"
