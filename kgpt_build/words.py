"""Parts of messages: counted nouns, and bytes of a file."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: float, singular: str, plural: str = "") -> str:
    """``1 sample``, ``2,000 samples``, ``0.5 seconds``; ``plural``: an irregular plural."""
    amount = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{amount} {singular if number == 1 else plural or f'{singular}s'}"


def listed(names: Sequence[str], most: int = 12, longest: int = 64) -> str:
    """The first ``most`` names, each cut to ``longest`` characters, and how many more there are.

    A name from a file can hold anything: one that is not printable is shown as Python writes it."""
    first = ", ".join(_cut(name, longest) for name in names[:most])
    return first if len(names) <= most else f"{first} and {len(names) - most} more"


def _cut(name: str, longest: int) -> str:
    return name[:longest] if name.isprintable() else shown(name, longest)


def shown(value: object, most: int = 80) -> str:
    """A value from a file in a message: as Python writes it, and no more than the beginning of a long one."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def as_utf8(name: str) -> str:
    """``name`` of a file for a place that holds UTF-8: U+FFFD stands for each byte of it that is none."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def shown_bytes(data: bytes) -> str:
    """``"root"`` for ASCII text, else ``the bytes 7f 45 4c 46``."""
    text = data.decode("ascii", "replace")
    is_text = bool(text) and all(" " <= char <= "~" for char in text)
    return f'"{text}"' if is_text else f"the bytes {data.hex(' ')}"
