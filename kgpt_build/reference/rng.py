"""The kernel's random numbers: xoshiro256++ (Blackman and Vigna, https://prng.di.unimi.it), a stream per sample."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TypeVar

import numpy as np

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15

T = TypeVar("T")


def splitmix64(x: int) -> tuple[int, int]:
    """(next state, output) of splitmix64 in the state ``x``."""
    x = (x + _GOLDEN) & _MASK
    z = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return x, z ^ (z >> 31)


class Xoshiro:
    """The stream ``index`` of the run seeded with ``seed`` (both 0 to 2^64 - 1)."""

    def __init__(self, seed: int, index: int = 0) -> None:
        x = (seed + _GOLDEN * (2 * index + 1)) & _MASK
        self.state: list[int] = []
        for _ in range(4):
            x, output = splitmix64(x)
            self.state.append(output)

    def next(self) -> int:
        """The next 64 random bits."""
        s = self.state
        result = (_rotl((s[0] + s[3]) & _MASK, 23) + s[0]) & _MASK
        t = (s[1] << 17) & _MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = _rotl(s[3], 45)
        return result

    def uniform(self) -> np.float32:
        """The next number in [0, 1): the top 24 bits times 2^-24, exact in f32."""
        return np.float32((self.next() >> 40) * 2.0**-24)

    def below(self, n: int) -> int:
        """The next whole number in [0, n), by the high half of a product; its bias, n / 2^64, is not noticeable."""
        return (self.next() * n) >> 64

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Permute ``items`` in place (Fisher and Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]


def _rotl(x: int, k: int) -> int:
    return ((x << k) | (x >> (64 - k))) & _MASK
