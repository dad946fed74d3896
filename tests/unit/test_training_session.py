"""What of a training is written, under which names, and that a file holds old bytes or new ones, never others."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import pytest
from refusals import refused
from toy import toy_model
from trainings import CORPUS, blob, some_events, step_event, weights

from kgpt_build import models
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.events import Eval, Event
from kgpt_build.events.framing import Blob
from kgpt_build.headers.blob import HEADER_SIZE, read_blob
from kgpt_build.training.corpus import examine
from kgpt_build.training.session import Files, Session
from kgpt_build.training.settings import TrainSettings
from kgpt_build.training.state import load_state


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "m.gguf")


def session(files: Files, *, keep_last: bool = False, **settings: float) -> Session:
    return Session(files, TrainSettings(steps=5, **settings), examine("text", CORPUS), keep_last=keep_last)  # type: ignore[arg-type]


def fed(session: Session, *parts: Event | tuple[Event, Blob]) -> Session:
    """One after the other, as a channel brings them."""
    events: list[Event] = []
    blobs: list[Blob] = []
    for part in parts:
        if isinstance(part, tuple):
            events.append(part[0])
            blobs.append(part[1])
        else:
            events.append(part)
        session.update(events, blobs)
    return session


def tensors_of(path: Path) -> list[list[float]]:
    return [tensor.ravel().tolist() for tensor in models.load_microgpt(path).tensors.values()]


def toy(seed: int) -> list[list[float]]:
    return [tensor.ravel().tolist() for tensor in toy_model(seed=seed).tensors.values()]


def with_nan(data: bytes) -> bytes:
    """The blob with a weight that is no number, and its check sum right for that."""
    at, before = read_blob(data).weights_offset, zlib.crc32(data[HEADER_SIZE:])
    changed = data[:at] + struct.pack("<f", math.nan) + data[at + 4 :]
    after = zlib.crc32(changed[HEADER_SIZE:])
    return changed.replace(struct.pack("<I", before), struct.pack("<I", after), 1)


def test_names() -> None:
    files = Files(Path("a/b.c.gguf"))
    assert (files.last, files.state) == (Path("a/b.c-last.gguf"), Path("a/b.c.state"))


def test_best_last_and_state(files: Files) -> None:
    fed(session(files, keep_last=True), *some_events(), blob("best", 4), blob("last", 5), blob("state", 5, b"kernel's"))
    assert tensors_of(files.model) == toy(4)
    assert tensors_of(files.last) == toy(5)
    state = load_state(files.state)
    assert (state.step, state.data, state.corpus_sha256) == (5, b"kernel's", examine("text", CORPUS).sha256)
    assert sorted(path.name for path in files.model.parent.iterdir()) == ["m-last.gguf", "m.gguf", "m.state"]


def test_the_last_weights_are_written_only_if_wanted(files: Files) -> None:
    fed(session(files), *some_events(), blob("best", 4), blob("last", 5))
    assert tensors_of(files.model) == toy(4)
    assert not files.last.exists()


def test_a_kernel_that_knows_no_best_sends_the_last(files: Files) -> None:
    fed(session(files), *some_events(), blob("last", 5))
    assert tensors_of(files.model) == toy(5)


def test_each_checkpoint_takes_the_place_of_the_one_before(files: Files) -> None:
    taken = session(files)
    fed(taken, step_event(1, 3.0), blob("best", 1), blob("state", 1, b"1"), blob("best", 2), blob("state", 2, b"2"))
    assert tensors_of(files.model) == toy(2)
    assert taken.saved_state == load_state(files.state).step == 2


def test_a_file_says_what_its_weights_follow_from(files: Files) -> None:
    fed(session(files, val_fraction=0.25), *some_events(), blob("best", 4), blob("last", 5))
    fields = models.metadata(files.model)
    expected = {
        "corpus": "text",
        "corpus_sha256": examine("text", CORPUS).sha256,
        "method": "fast",
        "step": 4,
        "loss": 2.0,
        "validation_loss": 1.75,
        "validation_fraction": 0.25,
        "steps": 5,
        "batch": 16,
        "seed": 42,
        "weight_decay": 0,
    }
    assert {key: fields[f"kgpt.training.{key}"] for key in expected} == expected
    assert models.load_microgpt(files.model).name == "m"


def test_what_was_learnt(files: Files) -> None:
    taken = fed(session(files), *some_events())
    assert taken.step == step_event(5, 1.5)
    assert [point.loss for point in taken.history.training] == [2.75, 2.5, 2.25, 2.0, 1.5]
    assert [(point.step, point.loss) for point in taken.history.validation] == [(4, 1.75)]
    assert [sample.text for sample in taken.samples] == ["ab"]
    assert taken.corpus is not None
    assert taken.training is not None
    assert not taken.written


def test_only_what_is_new_is_returned(files: Files) -> None:
    taken, events = session(files), some_events()
    assert taken.update(events[:3], []) == events[:3]
    assert taken.update(events[:3], []) == []
    assert taken.update(events, []) == events[3:]


@pytest.mark.parametrize("damage", ["half", "flipped", "empty", "nan", "not-a-model"])
def test_weights_that_cannot_be_used_leave_the_old_file(files: Files, damage: str) -> None:
    """The channel's check sum was right: it is the kernel that sent them so."""
    data = bytearray(weights())
    if damage == "half":
        del data[len(data) // 2 :]
    elif damage == "flipped":
        data[-1] ^= 1
    elif damage == "empty":
        data.clear()
    elif damage == "nan":
        data = bytearray(with_nan(bytes(data)))
    else:
        data = bytearray(b"kernel" * 100)
    files.model.write_bytes(b"old")
    with refused(KgptError, "kernel weights used:"):
        fed(session(files), blob("best", 5, bytes(data)))
    assert files.model.read_bytes() == b"old"
    assert [path.name for path in files.model.parent.iterdir()] == ["m.gguf"]


def test_a_disk_that_is_full_leaves_the_old_files(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    fed(session(files), *some_events(), blob("best", 4), blob("state", 4, b"4"))
    before = {path.name: path.read_bytes() for path in files.model.parent.iterdir()}

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    for part in (blob("best", 5), blob("state", 5, b"5")):
        with refused(KgptError, "write No space left on device") as caught:
            fed(session(files), part)
        assert "the disk is full" in caught.value.hint
    assert {path.name: path.read_bytes() for path in files.model.parent.iterdir()} == before


def test_the_same_training_is_the_same_file(files: Files, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Files(tmp_path / "other" / "m.gguf")
    for each in (files, other):
        fed(session(each), *some_events(), blob("best", 5), blob("state", 5, b"5"))
    assert files.model.read_bytes() == other.model.read_bytes()
    assert files.state.read_bytes() == other.state.read_bytes()


@pytest.mark.parametrize("name", ["m.gguf", "m-last.gguf", "m.state"])
def test_a_folder_in_the_way_is_found_at_once(files: Files, name: str) -> None:
    files.model.with_name(name).mkdir()
    with refused(KgptError, "write Is a directory") as caught:
        files.check()
    assert "choose another name with -o" in caught.value.hint


def test_places_that_cannot_be_written_are_found_at_once(tmp_path: Path) -> None:
    with refused(KgptError, "none/m.gguf: No such file") as caught:
        Files(tmp_path / "none" / "m.gguf").check()
    assert caught.value.hint.startswith("make the folder first")
    (tmp_path / "file").write_text("")
    with refused(KgptError, "file/m.gguf: Not a directory"):
        Files(tmp_path / "file" / "m.gguf").check()
    with refused(UsageError, "m.state name state"):
        Files(tmp_path / "m.state").check()


def test_checking_leaves_nothing(files: Files) -> None:
    files.check()
    assert not list(files.model.parent.iterdir())


def test_a_link_is_followed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    files.model.symlink_to(tmp_path / "there" / "real.gguf")
    files.check()
    fed(session(files), blob("best", 5))
    assert files.model.is_symlink()
    assert tensors_of(tmp_path / "there" / "real.gguf") == toy(5)


def test_an_evaluation_between_steps_of_a_resumed_training(files: Files) -> None:
    """Validation of a step that was done before this run: its training loss is not known, and not made up."""
    taken = fed(session(files), Eval(3, 1.5), blob("best", 3))
    assert taken.written[files.model].loss is None
    assert taken.written[files.model].validation == 1.5
    assert "kgpt.training.loss" not in models.metadata(files.model)
