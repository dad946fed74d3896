"""Console text: pieces, escape sequences, and waiting for what is to come."""

from __future__ import annotations

import threading

import pytest
from refusals import refused

from kgpt_build.vm.transcript import NotSeen, PlainText, Transcript


def plain(*pieces: bytes) -> str:
    text = PlainText()
    return "".join([*(text.feed(piece) for piece in pieces), text.feed(b"", final=True)])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\r\nb\n", "a\nb\n"),
        (b"\x1b[2K\rkgpt> \x1b[1;31mred\x1b[0m", "kgpt> red"),
        (b"\x1b]0;title\x07x\x1b]2;t\x1b\\y", "xy"),
        (b"tab\tstays", "tab\tstays"),
        (b"bell\x07 back\x08", "bell back"),
        ("né 😀".encode(), "né 😀"),
        (b"cut \xf0\x9f", "cut \ufffd"),
        (b"bad \xff.", "bad \ufffd."),
        (b"end \x1b[3", "end "),
    ],
)
def test_plain_text_whole_and_byte_by_byte(data: bytes, text: str) -> None:
    assert plain(data) == text
    assert plain(*(data[i : i + 1] for i in range(len(data)))) == text


def transcript(*pieces: bytes) -> Transcript:
    made = Transcript(threading.Condition())
    for piece in pieces:
        made.feed(piece)
    return made


def test_expect_goes_on_after_the_last_match() -> None:
    console = transcript(b"sample 1: a\nsample 2: b\n")
    assert console.expect(r"sample (\d)", 0)[1] == "1"
    assert console.expect(r"^sample (\d): b$", 0)[1] == "2"
    with refused(NotSeen, "/sample/, 0 seconds"):
        console.expect("sample", 0)


def test_expect_waits_for_another_thread() -> None:
    console = transcript(b"kg")
    timer = threading.Timer(0.05, console.feed, (b"pt> ",))
    timer.start()
    assert console.expect("kgpt> ", 10)


def test_expect_does_not_wait_for_a_guest_that_has_ended() -> None:
    with refused(NotSeen, "/more/, guest ended") as caught:
        transcript(b"last words\n", b"").expect("more", 1000)
    assert "last words" in caught.value.hint


def test_raw_bytes_are_handed_out_once() -> None:
    console = transcript(b"abc")
    assert console.raw_since(0) == (b"abc", 3)
    console.feed(b"\x1b[0mdef")
    assert console.raw_since(3) == (b"\x1b[0mdef", 10)
    assert console.raw_since(10) == (b"", 10)


def test_a_flood_is_cut_at_its_beginning() -> None:
    console = transcript(*([b"x" * (1 << 16)] * 64), b"the end\n")
    assert len(console.text) <= 2 << 20
    assert console.tail(1).endswith("the end")
    assert console.expect("the end", 0)


def test_tail() -> None:
    console = transcript("".join(f"line {i}\n" for i in range(100)).encode())
    assert console.tail(2) == "line 98\nline 99"
