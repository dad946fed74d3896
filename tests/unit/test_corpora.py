"""`kgpt corpus`: encodings, comments, and one text of many files with what became of each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from refusals import refused

from kgpt_build import cli
from kgpt_build.corpora.collect import File, Treatment, collect
from kgpt_build.corpora.comments import strip_comments
from kgpt_build.corpora.decode import NotText, decode
from kgpt_build.corpora.trees import files_of
from kgpt_build.errors import KgptError

# --- Encodings ---


@pytest.mark.parametrize(
    ("data", "text", "encoding", "had_mark"),
    [
        (b"caf\xc3\xa9\n", "café\n", "UTF-8", False),
        (b"\xef\xbb\xbfa\n", "a\n", "UTF-8", True),
        ("é\n".encode("utf-16"), "é\n", "UTF-16-LE", True),
        (b"\xfe\xff\0a\0\n", "a\n", "UTF-16-BE", True),
        (b"\xff\xfe\0\0a\0\0\0", "a", "UTF-32-LE", True),
        (b"caf\xe9\n", "café\n", "Latin-1", False),
        (b"\x93quoted\x94 \xe9\n", "“quoted” é\n", "Windows-1252", False),
        (b"caf\xe9\ncaf\xc3\xa9\n", "café\ncafé\n", "UTF-8 and Latin-1", False),
        (b"", "", "UTF-8", False),
    ],
)
def test_encodings_are_recognised(data: bytes, text: str, encoding: str, had_mark: bool) -> None:
    decoded = decode(data)
    assert (decoded.text, decoded.encoding, decoded.had_mark) == (text, encoding, had_mark)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\x02\0\0\0", "binary"),
        (b"\x01\x02\x03\x04abc", "binary"),
        (bytes(range(128, 256)), "binary"),
        ("plain".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (b"\xff\xfea\0b", "damaged UTF-16-LE"),
        (b"\xff\xfe\x00\xd8a\0", "damaged UTF-16-LE"),
        (b"\xef\xbb\xbf\xff", "damaged UTF-8"),
    ],
)
def test_what_is_no_text_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(NotText) as caught:
        decode(data)
    assert str(caught.value) == reason


def test_line_ends_become_line_feeds() -> None:
    decoded = decode(b"a\r\nb\rc\n\r\n")
    assert decoded.text == "a\nb\nc\n\n"
    assert decoded.line_ends == {"CRLF": 2, "CR": 1}


# --- Comments ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int a; /* one */\n", "int a; \n"),
        ("int/* one */a;\n", "int a;\n"),
        ("/* all\n * of it\n */\nint a;\n", "int a;\n"),
        ("\t/* all */\n\tb();\n", "\tb();\n"),
        ("int a; // one\nint b;\n", "int a; \nint b;\n"),
        ("a; // goes \\\n on\nb;\n", "a; \nb;\n"),
        ('s = "/* no */ // no \\" /* no */";\n', 's = "/* no */ // no \\" /* no */";\n'),
        ("c = '\"'; /* yes */ d = '\\''; // yes\n", "c = '\"';  d = '\\''; \n"),
        ("c = '/*'; d = '*/';\n", "c = '/*'; d = '*/';\n"),
        ("#error don't /* yes */\n", "#error don't \n"),
        ("n = 1'000'000; /* it's */ m = 0x7'f; // isn't\n", "n = 1'000'000;  m = 0x7'f; \n"),
        ('r = R"x(/* no */ ")x"; /* yes */\n', 'r = R"x(/* no */ ")x"; \n'),
        ('FOR"(" /* yes */ ")"\n', 'FOR"("  ")"\n'),
        ("a / b * c; a /b/ c;\n", "a / b * c; a /b/ c;\n"),
        ("a; /* no end\nb;\n", "a; "),
        ("/**/x/***/y\n", "x y\n"),
        ('"no end\n/* yes */\n', '"no end\n'),
        ("/* a */ /* b */\nc\n", "/* a */ /* b */\nc\n".replace("/* a */ /* b */", " ")),
        ("", ""),
    ],
)
def test_comments_go_and_literals_stay(text: str, expected: str) -> None:
    assert strip_comments(text) == expected


# --- Collecting ---

ALL = Treatment()


def test_files_are_joined_by_an_empty_line() -> None:
    made = collect([File("a", b"one  \r\n\r\n\r\n\r\ntwo"), File("b", b"\xef\xbb\xbf\n three\x0c\n")], ALL)
    assert made.text == "one\n\ntwo\n\n three\n"
    assert made.files == ["a", "b"]
    assert (made.marks, made.line_ends["CRLF"], made.n_lines) == (1, 4, 5)
    assert made.distinct == "\n ehnortw"


def test_raw_text_keeps_its_spaces() -> None:
    assert collect([File("a", b"one  \r\n\r\n\r\n\x0ctwo")], Treatment(clean=False)).text == "one  \n\n\n\x0ctwo\n"


def test_skipped_files_are_counted_by_reason() -> None:
    found = [
        *(File("a.bin", b"\0"), File("e.c", b" \n"), File("x.c", b"/* only */\n"), File("d", skipped="link")),
        *(File("b.py", b"1 // 2\n"), File("c.c", b"1; // 2\n")),
    ]
    made = collect(found, Treatment(strip_comments=True))
    assert made.text == "1 // 2\n\n1;\n"
    assert made.skipped == {"binary": ["a.bin"], "empty": ["e.c"], "empty without comments": ["x.c"], "link": ["d"]}
    assert made.not_c == 1
    made = collect(found, Treatment(suffixes=frozenset({".c"})))
    assert made.files == ["x.c", "c.c"]
    assert made.skipped["other suffix"] == ["a.bin", "b.py"]


@pytest.mark.parametrize(
    ("most", "text", "cut_at"),
    [
        (100, "one\n\ntwo\n\nthree\n", ""),
        (16, "one\n\ntwo\n\nthree\n", ""),
        (15, "one\n\ntwo\n\n", "c"),
        (9, "one\n\ntwo\n", "c"),
        (8, "one\n\n", "b"),
        (2, "on", "a"),
    ],
)
def test_max_chars_keeps_whole_lines(most: int, text: str, cut_at: str) -> None:
    made = collect([File("a", b"one"), File("b", b"two"), File("c", b"three")], Treatment(max_chars=most))
    assert (made.text, made.cut_at) == (text, cut_at)


# --- Trees ---


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files whose order by whole paths differs from that by parts."""
    root = tmp_path / "tree"
    for name in ("b/z.c", "b-c/a.c", "b.c", "a/deep/er/x.h", ".git/config"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    (root / "link.c").symlink_to("b.c")
    os.mkfifo(root / "pipe")
    return root


def test_a_tree_has_one_order(tree: Path) -> None:
    found = [(str(Path(file.name).relative_to(tree)), file.skipped) for file in files_of([tree])]
    assert found == [
        (".git", "hidden"),
        *((name, "") for name in ("a/deep/er/x.h", "b/z.c", "b-c/a.c", "b.c")),
        ("link.c", "link"),
        ("pipe", "neither a file nor a folder"),
    ]


def test_a_file_is_taken_once(tree: Path) -> None:
    made = collect(files_of([tree / "b.c", tree, tree / "b"]), ALL)
    assert [Path(name).name for name in made.files] == ["b.c", "x.h", "z.c", "a.c"]
    assert made.skipped["here already"] == [str(tree / "b.c"), str(tree / "b/z.c")]


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with refused(KgptError, "nothing no such file"):
        list(files_of([tmp_path / "nothing"]))


# --- The command ---


def test_the_command_writes_the_text_and_says_what_it_is(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "b" / "latin.c").write_bytes(b"\xe9 // gone\r\n")
    out = tmp_path / "corpus.txt"
    assert cli.invoke(["corpus", str(tree), "-o", str(out), "--suffix", "c", "--strip-comments"]) == 0
    assert out.read_text() == "é\n\nb/z.c\n\nb-c/a.c\n\nb.c\n"
    said = capsys.readouterr().out
    for fact in ("4 files (4 skipped)", "23 characters, 24 bytes", "1 of them not ASCII", "1 file in Latin-1"):
        assert fact in said
    assert cli.invoke(["corpus", str(tree), "--stats", "--json", "--suffix", "c,.h"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (
        facts["characters"] == sum(len(line) for line in ("a/deep/er/x.h", "é // gone", "b/z.c", "b-c/a.c", "b.c")) + 9
    )
    assert facts["line_ends"] == {"CRLF": 1}


def test_standard_output_holds_the_text_alone(tree: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.invoke(["corpus", str(tree / "b.c"), "-o", "-"]) == 0
    said = capfdbinary.readouterr()
    assert said.out == b"b.c\n"
    assert b"4 characters" in said.err


def test_a_failure_leaves_no_file(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "corpus.txt"
    assert cli.invoke(["corpus", str(tree), "-o", str(out), "--suffix", ".rs"]) == 1
    assert "no text in it (1 file hidden; 1 file link; 1 file neither" in capsys.readouterr().err
    assert cli.invoke(["corpus", str(tree), "--part", "kernel", "-o", str(out)]) == 2
    assert not out.exists()
