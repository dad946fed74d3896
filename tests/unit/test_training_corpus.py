"""Which texts can be trained on, and what is said of those that cannot; the memory that a training takes."""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from refusals import refused

from kgpt_build.errors import KgptError, ToolMissing
from kgpt_build.training.corpus import Needs, check_memory, check_split, examine, memory_needs, read_corpus
from kgpt_build.training.doubts import long_line
from kgpt_build.training.settings import TrainSettings


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"", "the file is empty", "one document a line"),
        (b" \n\t\r\n\n", "every line is empty", "one document a line"),
        (b"aaa\naa\n", "its one distinct character is 'a'", "nothing to learn"),
        (b"ab\ncd\n\xe9t\xe9\n", "line 3: byte 0xe9 at byte 1 of the line is not UTF-8", "save the corpus as UTF-8"),
        ("ré".encode() + b"\xff", "line 1: byte 0xff at byte 4 of the line", "UTF-8"),
        (b"a\r\nb\rc\n\xc3", "line 4: byte 0xc3 at byte 1 of the line", "UTF-8"),
        (b"\xed\xa0\x80ab", "line 1: byte 0xed", "UTF-8"),
        (b"\xc0\x80ab", "line 1: byte 0xc0", "UTF-8"),
    ],
)
def test_what_is_no_corpus(tmp_path: Path, data: bytes, message: str, hint: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(KgptError) as caught:
        read_corpus(path)
    assert caught.value.exit_code == 1
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with refused(KgptError, "none: no such file"):
        read_corpus(tmp_path / "none")
    with refused(KgptError, "folder corpus"):
        read_corpus(tmp_path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with refused(KgptError, "loop: Too many levels of symbolic links"):
        read_corpus(loop)


def test_lines_are_documents() -> None:
    corpus = examine("here", "anna\r\n\r\n  bob \rcé\n\n".encode())
    assert (corpus.n_documents, corpus.n_characters, corpus.n_vocab) == (3, 9, len("abcéno") + 1)
    assert corpus.lengths == {4: 1, 3: 1, 2: 1}
    assert [corpus.longer_than(block) for block in (1, 2, 3, 4, 5)] == [3, 3, 2, 1, 0]


def test_a_byte_order_mark_is_not_a_character(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfanna\nbob\n")
    assert read_corpus(path).data == b"anna\nbob\n"
    path.write_bytes(b"\xef\xbb\xbf")
    with refused(KgptError, "text: file empty"):
        read_corpus(path)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfanna\nbob\n")))
    corpus = read_corpus(Path("-"))
    assert (corpus.source, corpus.data) == ("standard input", b"anna\nbob\n")


def test_a_pipe(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"anna\nbob\n")
    os.close(write)
    try:
        assert read_corpus(Path(f"/dev/fd/{read}")).n_documents == 2
    finally:
        os.close(read)


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """The files of the training hold it, and they hold UTF-8."""
    path = tmp_path / os.fsdecode(b"n\xe9.txt")
    path.write_bytes(b"anna\nbob\n")
    corpus = read_corpus(path)
    assert (corpus.source, corpus.embedded().source) == (f"{tmp_path}/n\ufffd.txt", "n\ufffd.txt")


def test_without_a_path_it_is_the_corpus_of_the_default_model() -> None:
    corpus = read_corpus(None)
    assert corpus.n_vocab == 27
    assert corpus.n_documents > 5000
    assert "names" in corpus.source


def test_the_default_corpus_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgpt_build.reference.corpus.PACKAGE", "there-is-no-such-package")
    with refused(ToolMissing, "training text package 'there-is-no-such-package' installed"):
        read_corpus(None)


def test_holding_back_nothing_is_refused() -> None:
    corpus = examine("here", b"anna\nbob\n")
    check_split(TrainSettings(), corpus)
    check_split(TrainSettings(val_fraction=0.5), corpus)
    with refused(KgptError, "--val-fraction 0.1 2 documents"):
        check_split(TrainSettings(val_fraction=0.1), corpus)


def test_memory_is_refused_with_the_numbers() -> None:
    mb = 1 << 20
    needs = Needs(image=18 * mb, modules=3 * mb, documents=5000, parameters=100 * mb)
    check_memory(needs, 122)
    with pytest.raises(KgptError) as caught:
        check_memory(needs, 121)
    assert caught.value.message == (
        "121 MB of memory are too little for this training: the image reaches up to 18.0 MB, the corpus takes 3.0 MB "
        "and its documents 5 KB, weights and optimizer 100.0 MB"
    )
    assert caught.value.hint.startswith("give at least --memory 123")


def test_what_a_training_needs_grows_with_all_that_it_holds() -> None:
    corpus = examine("here", b"anna\nbob\n" * 1000)
    base = memory_needs(TrainSettings(), corpus).total
    assert memory_needs(TrainSettings(), corpus, image=7, state=5).total == base + 12
    for settings in (
        TrainSettings(exact=True),
        TrainSettings(n_embd=64),
        TrainSettings(n_layer=2),
        TrainSettings(block_size=64),
        TrainSettings(val_fraction=0.1),
    ):
        assert memory_needs(settings, corpus).total > base


@pytest.mark.parametrize(
    ("data", "doubt"),
    [
        (
            b"anna\nb\0b\n\0\n",
            "holds control characters, which become tokens: U+0000 (NUL) 2 times; the first is in line 2",
        ),
        (b"anna\n\x1b[1mbob\x1b\x07\n", "U+001B (escape) 2 times, U+0007 (bell) 1 time; the first is in line 2"),
        ("anna\x85bob\n\x7f\n".encode(), "U+0085 1 time, U+007F (delete) 1 time"),
        ("anna\nbo\ufeffb\n".encode(), "U+FEFF (byte order mark) 1 time; the first is in line 2"),
        ("a\ufffdna\n".encode(), "U+FFFD (replacement character) 1 time"),
        (b"a\x01\x02\x03\x04\x05\x06b", "U+0004 1 time, 2 others"),
        (
            "anna\nbob\n".encode("utf-16-le"),
            "looks like UTF-16, whose every second byte is a NUL here: save it as UTF-8",
        ),
        ("anna\nbob\n".encode("utf-16-be"), "looks like UTF-16"),
    ],
)
def test_a_text_with_control_characters_is_doubted(data: bytes, doubt: str) -> None:
    corpus = examine("text", data)
    assert len(corpus.doubts) == 1
    assert corpus.doubts[0].startswith("text ")
    assert doubt in corpus.doubts[0]


@pytest.mark.parametrize("text", ["anna\nbob\n", "anna\r\nb\tob\rx", "ä→\u00a0\u3000\u2028\u200d日本\n🙂"])
def test_an_ordinary_text_is_not_doubted(text: str) -> None:
    assert examine("text", text.encode()).doubts == ()


@pytest.mark.parametrize(
    ("lengths", "huge"), [([1_000_000], True), ([200, 10, 20], True), ([100, 10], False), ([200] * 3, False)]
)
def test_one_huge_line_is_told_about_text(lengths: list[int], huge: bool) -> None:
    said = long_line(Counter(lengths), 16)
    assert ("for one running text give --text" in said) == huge
    if lengths == [1_000_000]:
        assert said.startswith("the longest line has 1,000,000 of the 1,000,000 characters, and only the first 15 ")
