"""Words of messages that depend on a number."""

from __future__ import annotations


def counted(number: float, singular: str, plural: str = "") -> str:
    """``1 sample``, ``2,000 samples``, ``0.5 seconds``; ``plural`` where it is not made by an s."""
    amount = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{amount} {singular if number == 1 else plural or f'{singular}s'}"
