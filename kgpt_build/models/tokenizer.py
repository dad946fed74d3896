"""The character tokenizer of microgpt: one token per character, and one that starts and ends a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kgpt_build.errors import KgptError
from kgpt_build.words import shown


@dataclass(frozen=True)
class CharTokenizer:
    """``chars[i]`` is the text of token ``i``; BOS has no text and the id ``len(chars)``.

    The characters are distinct and sorted by code point, which is also the order of their UTF-8 bytes.
    Raises KgptError otherwise.
    """

    chars: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.chars:
            raise KgptError("the vocabulary is empty", "a model needs at least one character besides BOS")
        for char in self.chars:
            check_char(char)
        seen: set[str] = set()
        for char in self.chars:
            if char in seen:
                raise KgptError(f"the vocabulary holds the character {shown(char)} twice", "list every character once")
            seen.add(char)
        for before, after in zip(self.chars, self.chars[1:], strict=False):
            if before > after:
                raise KgptError(
                    f"the vocabulary is not sorted: {shown(after)} follows {shown(before)}",
                    "microgpt numbers the characters in the order of their code points: write the model in that order",
                )

    @classmethod
    def from_documents(cls, documents: Iterable[str]) -> CharTokenizer:
        """The sorted distinct characters of a corpus."""
        return cls(tuple(sorted({char for document in documents for char in document})))

    @property
    def bos_id(self) -> int:
        """Id of the token that starts and ends a document."""
        return len(self.chars)

    @property
    def n_vocab(self) -> int:
        """Number of tokens, BOS included."""
        return len(self.chars) + 1

    def encode(self, text: str) -> list[int]:
        """Ids of the characters of ``text``, without BOS. Raises KgptError naming the first character that has none."""
        ids = {char: i for i, char in enumerate(self.chars)}
        for position, char in enumerate(text):
            if char not in ids:
                raise KgptError(
                    f"the character {shown(char)} (position {position + 1} of {shown(text)}) is not in the "
                    "model's vocabulary",
                    f"the vocabulary is {self.describe()}",
                )
        return [ids[char] for char in text]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ``ids``; BOS is empty. Raises KgptError for an id that is no token."""
        for token in ids:
            if not 0 <= token < self.n_vocab:
                raise KgptError(f"{token} is not a token", f"tokens are 0 to {self.bos_id}")
        return "".join(self.chars[token] for token in ids if token != self.bos_id)

    def describe(self, limit: int = 100) -> str:
        """The characters as one printable line, cut at ``limit`` of them."""
        shown = repr("".join(self.chars[:limit]))
        return shown if len(self.chars) <= limit else f"{shown} and {len(self.chars) - limit} more"


def check_char(char: str) -> None:
    """Raise KgptError unless ``char`` is one Unicode character that UTF-8 can hold."""
    if len(char) != 1:
        raise KgptError(
            f"the vocabulary entry {shown(char)} is not one character", "every token is one Unicode character"
        )
    if 0xD800 <= ord(char) <= 0xDFFF:
        raise KgptError(
            f"the vocabulary entry {shown(char)} is half of a surrogate pair", "write the whole character instead"
        )
