from __future__ import annotations

import re
from pathlib import Path

import pytest

import kgpt_build
from kgpt_build.words import counted, listed, shown_bytes


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 entries"),
        (1, "1 entry"),
        (2, "2 entries"),
        (12345, "12,345 entries"),
        (1.0, "1 entry"),
        (0.5, "0.5 entries"),
    ],
)
def test_one_is_singular(number: float, said: str) -> None:
    assert counted(number, "entry", "entries") == said


def test_regular_words() -> None:
    assert (counted(1, "sample"), counted(3, "sample")) == ("1 sample", "3 samples")


def test_names_of_a_file_stay_on_one_line() -> None:
    assert listed(["wte", "h.\n0", "x" * 70], most=2, longest=6) == "wte, 'h.\\n0… and 1 more"


def test_there_is_one_way_to_count() -> None:
    """No message puts an s behind a word by itself."""
    sources = [path for path in Path(kgpt_build.__file__).parent.rglob("*.py") if path.name != "words.py"]
    own = [path.name for path in sources if re.search(r"""(['"])s\1 ?(\*|if)|(else|\*) ?(['"])s\4""", path.read_text())]
    assert own == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"root", '"root"'),
        (b"PK\x03\x04", "the bytes 50 4b 03 04"),
        ("ä".encode(), "the bytes c3 a4"),
        (b"", "the bytes "),
    ],
)
def test_bytes_are_not_said_as_python_writes_them(data: bytes, said: str) -> None:
    assert shown_bytes(data) == said
