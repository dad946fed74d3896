"""Models from HTTP servers that break, lie, change, or are slow: the hosted program over the loopback address."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path
from typing import Any

import lm_tiny
import pytest
from file_server import Answer, FileServer, Lie, Request, file_server, part, whole
from hosted import Hosted, Run
from serving import serving
from shell_models import bpe_tokenizer, with_tokenizer
from test_disk_models import CHAT, MODULE, PLAIN, TEMPLATE, free

PATH = "/models/talks.gguf"
SHA256 = hashlib.sha256(CHAT).hexdigest()
LINE = "mode=generate prompt=ab seed=1 max_tokens=4 exit"
OTHER = PLAIN[:-4] + b"\1\2\3\0"
"""Another version of the file PLAIN."""


@pytest.fixture(scope="module")
def chat_text(without_model: Hosted) -> list[str]:
    """What the model says as a boot module."""
    module = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"
    return without_model.run(LINE, options=("--module", str(module))).samples()


def load(program: Hosted, server: FileServer, path: str = PATH, line: str = LINE) -> Run:
    return program.run(f"{line} model={server.url(path)}")


def refused(done: Run) -> str:
    """What it said before it ended."""
    assert done.returncode == 1, done.console
    return done.console


def test_a_model_is_all_that_is_brought(without_model_sanitized: Hosted, chat_text: list[str]) -> None:
    with file_server({PATH: CHAT, "/models/talks.kgct": TEMPLATE}) as server:
        done = load(without_model_sanitized, server)
        talked = without_model_sanitized.run(f"mode=chat prompt=ab seed=1 max_tokens=4 exit model={server.url(PATH)}")
    assert (done.returncode, done.samples()) == (0, chat_text)
    assert f"SHA-256 {SHA256[:8]}…; the server states none" in done.console
    assert talked.returncode == 0, talked.console
    assert talked.one("config")["mode"] == "chat"
    fields = server.asked(PATH)[0].fields
    assert fields["host"] == f"127.0.0.1:{server.port}"
    assert "range" not in fields


def test_it_serves(without_model: Hosted) -> None:
    with (
        file_server({PATH: CHAT, "/models/talks.kgct": TEMPLATE}) as files,
        serving(without_model, (), f"model={files.url(PATH)} ctx=32") as server,
    ):
        assert 1 <= server.chat("ab", max_tokens=3).json()["usage"]["completion_tokens"] <= 3


@pytest.mark.parametrize("seed", range(6))
def test_a_connection_that_breaks_anywhere(without_model: Hosted, chat_text: list[str], seed: int) -> None:
    """Twice, in the head or the body, by FIN or RST: the file goes on where it was."""
    rng = random.Random(seed)

    def breaks(request: Request) -> Answer | None:
        if request.path != PATH or request.number >= 2:
            return None
        if rng.random() < 0.2:
            return Answer(raw=b"HTTP/1.1 200 OK\r\nContent-"[: rng.randrange(25)])
        answer = part(CHAT, request.start) if request.start else whole(CHAT)
        answer.cut, answer.reset = rng.randrange(len(answer.body)), rng.random() < 0.5
        return answer

    with file_server({PATH: CHAT}, breaks) as server:
        done = load(without_model, server)
    assert (done.returncode, done.samples()) == (0, chat_text), done.console
    assert "; again in 0.25 s" in done.console
    later = server.asked(PATH)[1:]
    starts = [request.start for request in later]
    assert starts == sorted(starts)
    assert all(request.fields.get("if-range") == '"1"' for request in later if request.start)


def test_a_server_without_ranges(without_model: Hosted, chat_text: list[str]) -> None:
    """It sends the whole file again; what was there is not read twice into its place."""

    def no_ranges(request: Request) -> Answer | None:
        if request.path != PATH:
            return None
        answer = whole(CHAT, tag="", Last_Modified="Mon, 30 Nov 2026 00:00:00 GMT")
        answer.cut = (1000, 4000, None)[request.number]
        return answer

    with file_server({PATH: CHAT}, no_ranges) as server:
        done = load(without_model, server)
    assert (done.returncode, done.samples()) == (0, chat_text)
    assert [request.start for request in server.asked(PATH)] == [0, 1000, 4000]
    assert server.asked(PATH)[1].fields["if-range"] == "Mon, 30 Nov 2026 00:00:00 GMT"


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_server_that_is_busy(without_model: Hosted, chat_text: list[str], status: int) -> None:
    def busy(request: Request) -> Answer | None:
        return Answer(status, {"Content-Length": "0"}) if request.path == PATH and request.number < 2 else None

    with file_server({PATH: CHAT}, busy) as server:
        done = load(without_model, server)
    assert (done.returncode, done.samples()) == (0, chat_text)
    assert f"the server answers with status {status}; again in 0.50 s" in done.console


def _first_breaks(request: Request, then: Answer) -> Answer | None:
    """The first connection breaks behind 4,000 bytes of PLAIN, the second gets ``then``; later ones the true file."""
    if request.path != PATH or request.number > 1:
        return None
    answer = whole(PLAIN) if request.number == 0 else then
    answer.cut = 4000 if request.number == 0 else None
    return answer


@pytest.mark.parametrize(
    "then",
    [
        whole(OTHER, tag='"2"'),
        whole(OTHER + b"more", tag='"1"'),
        part(OTHER, 4000, tag='"2"'),
        part(PLAIN, 4000, claim=f"bytes 4000-{len(PLAIN) - 1}/{len(PLAIN) + 1}"),
        Answer(416, {"Content-Length": "0"}),
        Answer(404, {"Content-Length": "0"}),
    ],
    ids=["whole", "larger", "part", "total", "shorter", "gone"],
)
def test_a_file_that_changes_is_read_anew(without_model: Hosted, then: Answer) -> None:
    with file_server({PATH: OTHER}, lambda request: _first_breaks(request, then)) as server:
        done = load(without_model, server)
    assert done.returncode == 0, done.console
    assert f"{server.url(PATH)} changed on the server: it is read anew" in done.console
    assert hashlib.sha256(OTHER).hexdigest()[:8] in done.console


def test_a_file_that_always_changes(without_model: Hosted) -> None:
    def changes(request: Request) -> Answer | None:
        if request.path != PATH:
            return None
        answer = whole(PLAIN, tag=f'"{request.number}"')
        answer.cut = 2000
        return answer

    with file_server({PATH: PLAIN}, changes) as server:
        done = load(without_model, server)
    assert "it changed on the server again and again" in refused(done)
    assert done.console.count("it is read anew") == 2


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (part(PLAIN, 3999, claim=f"bytes 3999-{len(PLAIN) - 1}/{len(PLAIN)}"), "another part of the file"),
        (part(PLAIN, 4000, claim=f"bytes 4001-{len(PLAIN) - 1}/{len(PLAIN)}"), "another part of the file"),
        (part(PLAIN, 4000, length=17), "another part of the file"),
        (part(PLAIN, 4000, claim="bytes 4000-3999/11232"), "another part of the file"),
        (part(PLAIN, 4000, claim="bytes x"), "another part of the file"),
        (Answer(206, {"Content-Length": "7232"}, PLAIN[4000:]), "another part of the file"),
    ],
)
def test_ranges_that_lie(without_model_sanitized: Hosted, then: Answer, said: str) -> None:
    with file_server({PATH: PLAIN}, lambda request: _first_breaks(request, then)) as server:
        assert said in refused(load(without_model_sanitized, server))


def _always(answer: Answer) -> Lie:
    return lambda request: answer if request.path == PATH else None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200, {}, CHAT), "the server does not tell the size (Content-Length)"),
        (Answer(200, {"Transfer-Encoding": "chunked"}, b"0\r\n\r\n"), "the server does not tell the size"),
        (whole(CHAT, Content_Encoding="gzip"), "the server sends the file compressed"),
        (Answer(302, {"Location": "https://x/y"}), "the server redirects to https://x/y (302)"),
        (Answer(403, {"Content-Length": "0"}), "the server answers with status 403"),
        (Answer(416, {"Content-Length": "0"}), "the server answers with status 416"),
        (part(CHAT, 0), "another part of the file"),
        (whole(CHAT, content_length="17"), "the length of the answer is not clear"),
        (Answer(200, {"Content-Length": "1x"}), "Content-Length is not a number"),
        (Answer(200, {"Content-Length": "99999999999999999999"}), "Content-Length is not a number"),
        (Answer(200, {"Content-Length": "9999999999999"}), "of memory, and"),
        (Answer(200, {"Content-Length": str((1 << 64) - 1)}), "of memory, and"),
        (Answer(200, {"Content-Length": "0"}), "it is empty"),
        (Answer(404, {}), "the server has no file http://127.0.0.1:"),
        (Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "this is no answer of HTTP/1.1"),
        (Answer(raw=b"HTTP/1.1 200 OK\nContent-Length: 5\n\n"), "a line ends without a carriage return"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9000), "too many fields"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000), "the head is too long"),
        (whole(b"no model at all" * 100), "GGUF"),
        (whole(CHAT[:-100]), "GGUF|ends|bytes"),
    ],
)
def test_answers_that_are_refused(without_model_sanitized: Hosted, answer: Answer, said: str) -> None:
    with file_server({}, _always(answer)) as server:
        text = refused(load(without_model_sanitized, server))
    assert any(word in text for word in said.split("|")), text


def test_interim_answers_and_bytes_behind_the_body(without_model: Hosted, chat_text: list[str]) -> None:
    raw = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CHAT)
    with file_server({}, _always(Answer(raw=raw + CHAT + b"and more"))) as server:
        assert load(without_model, server).samples() == chat_text


@pytest.mark.parametrize("stated", ["address", "server"])
def test_a_hash(without_model: Hosted, stated: str) -> None:
    files, behind = {PATH: CHAT}, ""
    for digest, good in ((SHA256, True), ("0" * 64, False)):
        if stated == "server":
            files[f"{PATH}.sha256"] = f"{digest}  talks.gguf\n".encode()
        else:
            behind = f"#sha256={digest}"
        with file_server(files) as server:
            done = load(without_model, server, PATH + behind)
        assert done.returncode == (0 if good else 1)
        said = f"…, as the {stated} states it" if good else f"is damaged: its SHA-256 is {SHA256[:8]}…, not 00000000…"
        assert said in done.console


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1/x.gguf", "there is no TLS here"),
        ("ftp://127.0.0.1/x.gguf", "only http:// and tftp:// are spoken here"),
        ("http://user@127.0.0.1/x.gguf", "the host or its port is wrong"),
        ("http://[::1]/x.gguf", "the host or its port is wrong"),
        ("http://127.0.0.1:0/x.gguf", "the host or its port is wrong"),
        ("http://127.0.0.1:65536/x.gguf", "the host or its port is wrong"),
        ("http://127.0.0.1", "the host or its port is wrong"),
        ("http://127.0.0.1/", "the file is missing"),
        ("http://127.0.0.1/é.gguf", "a character that is not possible"),
        ("http://127.0.0.1/x.gguf#sha256=12", "no whole SHA-256"),
        ("http://127.0.0.1/x.gguf#top", "no whole SHA-256"),
        ("http://localhost.example/x.gguf", "a process looks up no names"),
    ],
)
def test_addresses_that_are_refused(without_model_sanitized: Hosted, url: str, said: str) -> None:
    assert said in refused(without_model_sanitized.run(f"{LINE} model={url}"))


def test_the_shell_loads_and_gives_back(without_model: Hosted) -> None:
    with file_server({PATH: CHAT}) as server:
        lines = ("mem", f"load {server.url(PATH)}", "use 2", "generate ab", "use 1", "unload 2", "mem", "load http://x")
        done = without_model.run("mode=shell seed=1 max_tokens=4", "\n".join([*lines, "halt", ""]).encode(), MODULE)
    assert done.returncode == 0, done.console
    assert len(set(free(done))) == 1
    assert len(done.samples()) == 1
    assert f"{server.url(PATH)}: 5 KB of memory are free again" in done.console
    assert "http://x: the host or its port is wrong" in done.console


def test_ctrl_c_ends_a_load_that_hangs(without_model: Hosted) -> None:
    """The model in use goes on, and no memory is lost."""
    answer = whole(PLAIN)
    answer.cut, answer.silent = 5000, True
    with file_server({}, _always(answer)) as server:
        lines = ("mem", f"load {server.url(PATH)}", "\x03mem", "generate ab")
        done = without_model.run("mode=shell seed=1 max_tokens=4", "\n".join([*lines, "halt", ""]).encode(), MODULE)
    assert f"loading {server.url(PATH)} was stopped" in done.console
    assert len(free(done)) == 2
    assert len(set(free(done))) == 1
    assert len(done.samples()) == 1


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K"])
def test_weights_are_arranged_while_they_come(without_model: Hosted, tmp_path: Path, kind: str) -> None:
    """Several megabytes, slowly and with breaks: the logits are those of the same file as a boot module."""
    tokenizer = bpe_tokenizer(range(256), ["ab"])
    shape: dict[str, Any] = {"n_embd": 256, "n_layer": 4, "n_head": 4, "n_head_kv": 4, "n_ff": 512, "head_dim": 64}
    shape |= {"n_vocab": len(tokenizer["tokenizer.ggml.tokens"]), "kind": kind}
    path = lm_tiny.write(tmp_path / "several.gguf", lm_tiny.TINY["llama"], **shape)
    path.write_bytes(with_tokenizer(path.read_bytes(), tokenizer))
    data = path.read_bytes()

    def breaks(request: Request) -> Answer | None:
        if request.path != PATH or request.number > 2:
            return None
        answer = part(data, request.start) if request.start else whole(data)
        answer.cut, answer.slow = 700_000, 0.0001
        return answer

    line = f"{LINE} logits"
    with file_server({PATH: data}, breaks) as server:
        done = load(without_model, server, line=line)
    module = without_model.run(line, options=("--module", str(path)))
    assert done.logits() == module.logits() != []
    assert re.search(r"talks\.gguf: [\d,]+ KB in \d+ ms", done.console)


@pytest.mark.slow
def test_a_server_that_never_gives_more(without_model: Hosted) -> None:
    """It is given up after eight connections in a row, with longer and longer pauses."""
    answer = Answer(raw=b"")
    with file_server({}, _always(answer)) as server:
        done = load(without_model, server)
    assert "cannot be read: the server has closed the connection" in refused(done)
    assert len(server.asked(PATH)) == 8
    assert re.findall(r"again in ([\d.]+) s", done.console) == ["0.25", "0.50", "1.00", "2.00", "4.00", "8.00", "8.00"]
