"""Tokens to text in C: against Python's own decoder, with every cut."""

from __future__ import annotations

import codecs
import ctypes
from collections.abc import Sequence
from itertools import pairwise

import lm_text
import numpy as np
import pytest

TEXTS = [
    "aé€😀z".encode(),
    b"\xff\xc0\xe2\x82x\xed\xa0\x80\xf0\x9f\x98",
    "STO STOP it STOPPED é".encode(),
    "é\n\nUseré\nUser: 😀 STO".encode(),
    b"ST\xe2\x82STOP\xc3",
    b"",
]
STOPS = ["STOP", "\n\nUser:", "é\nUser:", "P"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return lm_text.build(tmp_path_factory.mktemp("lm_text"))


def _expected(data: bytes, stops: Sequence[str]) -> tuple[str, bool]:
    """What a reader should see: the text before the stop string that is complete first."""
    ends = [(data.find(stop.encode()) + len(stop.encode()), -len(stop.encode())) for stop in stops]
    found = [(end, n) for end, n in ends if end + n >= 0]
    if not found:
        return data.decode(errors="replace"), False
    end, n = min(found)
    return data[: end + n].decode(errors="replace"), True


@pytest.mark.parametrize("data", TEXTS)
@pytest.mark.parametrize("n_stops", range(5))
def test_every_cut_gives_the_same_text(library: ctypes.CDLL, data: bytes, n_stops: int) -> None:
    stops = STOPS[:n_stops]
    expected = _expected(data, stops)
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            pieces = [data[:first], data[first:second], data[second:]]
            parts, stopped = lm_text.streamed(library, stops, pieces)
            assert ("".join(parts), stopped) == expected, pieces
    parts, stopped = lm_text.streamed(library, stops, [data[i : i + 1] for i in range(len(data))])
    assert ("".join(parts), stopped) == expected


@pytest.mark.parametrize("data", TEXTS)
def test_nothing_is_kept_longer_than_it_must(library: ctypes.CDLL, data: bytes) -> None:
    pieces = [data[i : i + 1] for i in range(len(data))]
    parts, _ = lm_text.streamed(library, [], pieces)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    theirs = [*(decoder.decode(piece) for piece in pieces), decoder.decode(b"", final=True)]
    assert "".join(parts) == "".join(theirs)
    # Python's keeps the first two bytes of a surrogate until the third, though they are none already.
    ours, least = (np.cumsum([len(part) for part in each]) for each in (parts, theirs))
    assert (ours >= least).all()


def test_a_stop_is_kept_back_only_while_it_is_possible(library: ctypes.CDLL) -> None:
    parts, stopped = lm_text.streamed(library, ["STOP"], [b"a S", b"T", b"UV", b"SST", b"O", b"x"])
    assert parts == ["a ", "", "STUV", "S", "", "STOx", ""]
    assert not stopped


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_in_random_pieces(library: ctypes.CDLL, seed: int) -> None:
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(b"ab\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\xf4\x90\xff", np.uint8)
    for _ in range(200):
        data = rng.choice(letters, int(rng.integers(0, 1200 if seed == 0 else 40))).tobytes()
        stops = ["".join(rng.choice(["a", "b", "\n", "é", "€"], int(rng.integers(1, 5)))) for _ in range(2)]
        cuts = sorted({0, len(data), *rng.integers(0, len(data) + 1, 5).tolist()})
        pieces = [data[start:end] for start, end in pairwise(cuts)]
        parts, stopped = lm_text.streamed(library, stops, pieces)
        assert ("".join(parts), stopped) == _expected(data, stops)
