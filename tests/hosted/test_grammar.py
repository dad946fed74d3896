"""Replies of the hosted program stay within a grammar, whatever the model would rather say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from chats import Talker, write_talker
from hosted import Hosted, Run
from refusals import lacks

ARITHMETIC = r"""
# Sums and products of numbers, each with its value, as in llama.cpp's example.
root  ::= (expr "=" ws term "\n"){1,3}
expr  ::= term ([-+*/] term){0,4}
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]{0,5} ws
num   ::= [0-9]{1,4} ws
ws    ::= [ \t\n]?
"""
JSON = r"""
root   ::= object
object ::= "{" ws ( pair ("," ws pair){0,2} )? "}" ws
pair   ::= string ":" ws value
value  ::= object | array | string | number | ("true" | "false" | "null") ws
array  ::= "[" ws ( value ("," ws value){0,2} )? "]" ws
string ::= "\"" ([^"\\\x00-\x1F] | "\\" ["\\/bfnrt]){0,5} "\"" ws
number ::= "-"? ([0-9] | [1-9] [0-9]{0,4}) ("." [0-9]+)? ws
ws     ::= ( [ \t\n] )?
"""
LIST = r"""
root ::= item{2,5}
# Bullets of letters beyond ASCII: the tokens are single bytes.
item ::= "- " [^\x00-\x7F\n]{1,4} "\n"
"""


@pytest.fixture(scope="module")
def talker(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Talker:
    return Talker(without_model, write_talker(tmp_path_factory.mktemp("grammar"), n_ctx=2048))


def quoted(grammar: str) -> str:
    escaped = grammar.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'grammar="{escaped}"'


def says(talker: Talker, grammar: str, words: str = "", typed: bytes = b"x\n") -> Run:
    return talker.program.run(f"cpus=1 ctx=2048 {words} {quoted(grammar)}", typed, talker.modules)


def reply(talker: Talker, grammar: str, words: str = "", typed: bytes = b"x\n") -> str:
    """The text of a reply that ended at the grammar's end."""
    done = says(talker, grammar, words, typed)
    sample = done.one("sample")
    assert (done.returncode, sample["reason"]) == (0, "eos"), done.console
    return str(sample["text"])


@pytest.mark.parametrize(
    ("grammar", "pattern"),
    [
        ('root ::= "yes" | "no"', "yes|no"),
        ('root ::= ("a" | "b"{2})* "." # a comment\n', r"(a|bb)*\."),
        ('root ::= x{3} "|" x{2,} "|" x{0,2}\nx ::= [ab]', r"[ab]{3}\|[ab]{2,}\|[ab]{0,2}"),
        ('root ::= ("a"? "b"?){2,5} "!"', r"(a?b?){2,5}!"),
        ('root ::= nest\nnest ::= "(" nest? ")"', r"\(+\)+"),
        ('root ::= "\\x41\\u00e9\\U0001F600" [\\u0400-\\u04FF]{4} .{3}', "Aé😀[\\u0400-\\u04FF]{4}[^\0]{3}"),
        ('root ::=\n  "a"\n  | "b"\n | ( "c"\n "d" )\n', "a|b|cd"),
        ('root ::= [^"\\\\\\n]{5} [\\]\\-^]{3}', r'[^"\\\n]{5}[\]\-^]{3}'),
        (LIST, "(- [^\0-\x7f\n]{1,4}\n){2,5}"),
    ],
)
def test_a_reply_matches(talker: Talker, grammar: str, pattern: str) -> None:
    texts = {reply(talker, grammar, f"seed={seed} temperature=1.5 top_k=0 min_p=0 top_p=1") for seed in range(4)}
    for text in texts:
        assert re.fullmatch(pattern, text, re.DOTALL), text
    assert reply(talker, grammar, "temperature=0") is not None


def test_brackets_are_balanced(talker: Talker) -> None:
    for seed in range(6):
        done = says(talker, ARITHMETIC, f"seed={seed} temperature=2 max_tokens=400")
        text = done.one("sample")["text"]
        lines = text.splitlines() if done.one("sample")["reason"] == "eos" else []
        assert all(line.count("(") == line.count(")") for line in "".join(lines).split("=") if lines)
        assert re.fullmatch(r"[-+*/=()a-z0-9_ \t\n]*", text)


def test_json_by_rules(talker: Talker) -> None:
    whole = 0
    for seed in range(6):
        sample = says(talker, JSON, f"seed={seed} temperature=1 max_tokens=500").one("sample")
        if sample["reason"] == "eos":
            assert isinstance(json.loads(sample["text"]), dict)
            whole += 1
    assert whole >= 3


def test_the_same_text_with_slots_and_with_drafts(talker: Talker) -> None:
    grammar = 'root ::= (word " "){3} word\nword ::= [a-z]{2,6}'

    def texts(words: str) -> list[str]:
        done = says(talker, grammar, f"mode=generate prompt=x samples=5 seed=7 exit {words}", b"")
        return done.samples()

    alone = texts("")
    assert len(set(alone)) == 5
    assert texts("slots=3") == texts("speculate=ngram") == texts("cpumask=c") == alone


def test_max_tokens_ends_a_text_first(talker: Talker) -> None:
    sample = says(talker, 'root ::= "a"+ "b"{100}', "max_tokens=20").one("sample")
    assert (sample["reason"], sample["tokens"]) == ("max_tokens", 20)


def test_a_stop_string_ends_a_text_first(talker: Talker) -> None:
    sample = says(talker, 'root ::= "one two three"', "stop=tw").one("sample")
    assert (sample["reason"], sample["text"]) == ("stop", "one ")


def test_the_event_config_has_the_grammar(talker: Talker) -> None:
    grammar = 'root ::= "\\t" [^"]'
    done = says(talker, grammar, "max_tokens=5", b"x\n/set grammar off\nx\n")
    assert [event["grammar"] for event in done.of("config")] == [grammar, ""]


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ('root ::= ("a"', "line 1, column 10: group closing parenthesis"),
        ('root ::= "a")', "line 1, column 13: no group open"),
        ('root ::= "a', "line 1, column 10: literal closing quote"),
        ("root ::= [a", "line 1, column 10: class closing bracket"),
        ("root ::= [z-a]", "line 1, column 11: range ends before"),
        ('root ::= "\\q"', "line 1, column 11: escape"),
        ('root ::= "\\uD800"', "line 1, column 13: no character"),
        ('a ::= "é" b\nroot ::= a', 'line 1, column 11: no rule "b"'),
        ('r ::= "a"', 'line 1, column 10: no rule "root"'),
        ('root ::= "a"\n\nroot ::= "b"', 'line 3, column 1: rule "root" twice'),
        ('root ::= a\na ::= "x"? b\nb ::= a "y"', 'begins with itself left recursion "a"'),
        ('root ::= "a"{3,2}', "line 1, column 13: at most 2 at least 3"),
        ('root ::= "a"{x}', "line 1, column 14: number"),
        ('root ::= "a" root ::= "b"', "line 1, column 14: rule line of its own"),
        ('root := "a"', "no grammar, no file"),
        ("root ::= " + "(" * 40, "line 1, column 42: nested deeper 32"),
        ('root ::= ("a"?){1000}', "may be empty 256"),
    ],
)
def test_what_is_refused(talker: Talker, grammar: str, message: str) -> None:
    done = says(talker, grammar)
    assert done.returncode == 1
    assert not lacks(done.one("error")["message"], message)


def test_set(talker: Talker) -> None:
    """A refused grammar leaves the one before in force; ``off`` ends it."""
    typed = b'x\n/set grammar root ::= "ja"\nx\n/set grammar root ::= y\nx\n/set grammar off\nx\n/set grammar\nx\n'
    done = says(talker, 'root ::= "oui"', "max_tokens=9", typed)
    assert done.samples()[:3] == ["oui", "ja", "ja"]
    assert not lacks(done.one("error")["message"], 'line 1, column 10: no rule "y"')
    assert [sample["reason"] for sample in done.of("sample")[3:]] == ["max_tokens", "max_tokens"]


def test_files(talker: Talker, tmp_path: Path) -> None:
    """A grammar that came as a boot module, and one that /read could read too."""
    (tmp_path / "a.gbnf").write_text('root ::= "one" | "two"\n')
    (tmp_path / "b.gbnf").write_text('root ::= "three"\n')
    modules = ("--module", f"{tmp_path}/a.gbnf kind=grammar", "--module", f"{tmp_path}/b.gbnf kind=file")
    typed = b"x\n/set grammar b.gbnf\nx\n/set grammar\nx\n/set grammar c.gbnf\n"
    done = talker.program.run("cpus=1 ctx=2048", typed, (*talker.modules, *modules))
    assert done.samples()[0] in ("one", "two")
    assert done.samples()[1] == "three"
    assert done.samples()[2] in ("one", "two")
    assert not lacks(done.one("error")["message"], "grammar=c.gbnf no grammar, no file")


def test_llama2cs_sampler_has_no_grammar(talker: Talker) -> None:
    done = says(talker, 'root ::= "a"', "rng=llama2c mode=generate prompt=x exit", b"")
    assert done.returncode == 1
    assert not lacks(done.one("error")["message"], "rng=llama2c grammars")


def test_too_many_ways_end_a_reply(talker: Talker) -> None:
    """A text of the letter a can be divided among three counters in far too many ways."""
    done = says(talker, 'root ::= "a"{0,900} "a"{0,900} "a"{900}', "max_tokens=2000")
    assert done.returncode == 0
    assert done.one("sample")["reason"] == "grammar"
