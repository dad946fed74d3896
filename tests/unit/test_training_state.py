"""MODEL.state: read back as it was written, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.training.settings import TrainSettings
from kgpt_build.training.state import ResumeState, load_state, save_state

SETTINGS = TrainSettings(steps=9, n_embd=8, exact=True, lr=0.1, val_fraction=0.25, eval_every=3)
DATA = b"\n\0kernel's\n" + bytes(range(256))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "m.state"
    save_state(path, SETTINGS, "ab" * 32, 7, DATA)
    return path


def changed(path: Path, **fields: object) -> None:
    line, _, data = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(line), **fields}).encode() + b"\n" + data)


def test_it_comes_back(state: Path) -> None:
    assert load_state(state) == ResumeState(SETTINGS, "ab" * 32, 7, DATA)


def test_the_same_state_is_the_same_bytes(state: Path, tmp_path: Path) -> None:
    save_state(tmp_path / "other.state", SETTINGS, "ab" * 32, 7, DATA)
    assert (tmp_path / "other.state").read_bytes() == state.read_bytes()


def test_missing(tmp_path: Path) -> None:
    with refused(KgptError, "none.state: no such file") as caught:
        load_state(tmp_path / "none.state")
    assert "kgpt train writes it beside the model" in caught.value.hint


def test_a_folder(tmp_path: Path) -> None:
    with refused(KgptError, "Is a directory"):
        load_state(tmp_path)


def test_cut_short_anywhere(state: Path) -> None:
    whole = state.read_bytes()
    for length in [0, 1, 100, whole.index(b"\n"), whole.index(b"\n") + 1, len(whole) - 1]:
        state.write_bytes(whole[:length])
        with pytest.raises(KgptError, match=r"is cut short|is no state of a training|has the format") as caught:
            load_state(state)
        assert str(state) in caught.value.message
        assert "without --resume" in caught.value.hint
    state.write_bytes(whole + b"x")
    with pytest.raises(KgptError):
        load_state(state)


def test_a_wrong_check_sum(state: Path) -> None:
    whole = bytearray(state.read_bytes())
    whole[-1] ^= 1
    state.write_bytes(bytes(whole))
    with refused(KgptError, "m.state: damaged: check sum"):
        load_state(state)


def test_another_version(state: Path) -> None:
    changed(state, kgpt_state=2)
    with refused(KgptError, "m.state: format 2 1"):
        load_state(state)


@pytest.mark.parametrize(
    "fields",
    [{"settings": {"steps": 0}}, {"settings": {"later": 1}}, {"settings": None}, {"step": "x"}, {"length": None}],
)
def test_a_head_that_makes_no_sense(state: Path, fields: dict[str, object]) -> None:
    changed(state, **fields)
    with refused(KgptError, "m.state: no state training"):
        load_state(state)


@pytest.mark.parametrize("data", [b"", b"\n", b"[]\n", b"GGUF\0\0", b"\xff\xfe\n", b"{}\n", b"1\n"])
def test_another_file(state: Path, data: bytes) -> None:
    state.write_bytes(data)
    with refused(KgptError, "m.state: no state training"):
        load_state(state)
