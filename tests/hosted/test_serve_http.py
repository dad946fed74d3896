"""The server of kgpt serve on the wire: malformed requests, clients that stall or hang up, limits, the queue."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from chats import write_talker
from hosted import Hosted
from serving import Server, also_sanitized, metrics, request, serving, talker_modules

KEY = "a secret key"
LONG = json.dumps({"messages": [{"role": "user", "content": "x"}], "max_tokens": 400, "seed": 1}).encode()
POST = "/v1/chat/completions"


pytest_generate_tests = also_sanitized
SANITIZED = {
    "test_a_malformed_request",
    "test_a_body_that_is_refused",
    "test_a_hang_up_costs_one_token",
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return talker_modules(write_talker(tmp_path_factory.mktemp("http"), n_ctx=16384))


@pytest.fixture(scope="module")
def server(without_model: Hosted, modules: tuple[str, ...]) -> Iterator[Server]:
    with serving(without_model, modules, "slots=2 queue=1 ctx=512 timeout=1") as found:
        yield found


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /health\r\n\r\n", 400),
        (b"GET  /health HTTP/1.1\r\n\r\n", 400),
        (b"GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health HTTP/2.0\r\n\r\n", 505),
        (b"GET /health HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\0\r\n\r\n", 400),
        (b"GE\x01T /health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /h\xc3\xa9alth HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n", 414),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000, 431),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 70 + b"\r\n", 431),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 400),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", 413),
        (b"POST /v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" + b"x" * 200000, 413),
    ],
)
def test_a_malformed_request(server: Server, data: bytes, status: int) -> None:
    """Gets its status and an error object."""
    with server.wire() as wire:
        wire.send(data)
        answer = wire.answer()
        assert answer.status == status
        assert answer.json()["error"]["message"]
        assert answer.fields["connection"] == "close"


def test_a_refused_connection_ends(server: Server) -> None:
    with server.wire() as wire:
        wire.send(b"hello\r\n\r\n" + request("GET", "/health"))
        assert wire.answer().status == 400
        assert wire.ends()


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"{", "", 400),
        (b'{"messages":[]}}', "", 400),
        (b"[]", "", 400),
        (b"", "", 400),
        (b"\xff", "", 400),
        (b"[" * 200, "", 400),
        (b"[" + b"0," * 40000 + b"0]", "", 400),
        (b"{}", "Content-Type: text/plain\r\n", 415),
    ],
)
def test_a_body_that_is_refused(server: Server, body: bytes, more: str, status: int) -> None:
    """The connection goes on."""
    with server.wire() as wire:
        wire.send(request("POST", POST, body, more=more) + request("GET", "/health"))
        assert wire.answer().status == status
        assert wire.answer().status == 200


def test_methods(server: Server) -> None:
    answer = server.ask("DELETE", "/v1/models")
    assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert server.ask("GET", POST).fields["allow"] == "POST, OPTIONS"
    assert server.ask("GET", "/v1/nothing").status == 404
    whole, head = server.ask("GET", "/v1/models"), server.ask("HEAD", "/v1/models")
    assert (head.status, head.body, head.fields) == (200, b"", whole.fields)


def test_a_preflight_of_a_browser(server: Server) -> None:
    more = "Origin: http://page\r\nAccess-Control-Request-Headers: authorization, content-type\r\n"
    answer = server.ask("OPTIONS", POST, more=more + "Access-Control-Request-Method: POST\r\n")
    assert answer.status == 204
    assert answer.fields["access-control-allow-origin"] == "*"
    assert answer.fields["access-control-allow-methods"] == "POST, OPTIONS"
    assert answer.fields["access-control-allow-headers"] == "authorization, content-type"


def test_connections_of_http_1_0(server: Server) -> None:
    with server.wire() as wire:
        wire.send(request("GET", "/health", version="1.0"))
        assert wire.answer().fields["connection"] == "close"
        assert wire.ends()
    with server.wire() as wire:
        for _ in range(2):
            wire.send(request("GET", "/health", version="1.0", more="Connection: Keep-Alive\r\n"))
            assert wire.answer().fields["connection"] == "keep-alive"
    whole = server.ask("POST", POST, LONG)
    assert whole.fields["transfer-encoding"] == "chunked"
    old = server.ask("POST", POST, LONG, version="1.0")
    assert "transfer-encoding" not in old.fields
    assert old.json()["choices"] == whole.json()["choices"]


def test_a_body_in_any_pieces(server: Server) -> None:
    """Chunked or not, byte by byte, and behind "100 Continue"."""
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "seed": 1}).encode()
    whole = server.ask("POST", POST, body).json()["choices"]
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
    head = f"POST {POST} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunked = head + chunks + b"0\r\nTrailer: x\r\n\r\n"
    for data in (chunked, request("POST", POST, body)):
        with server.wire() as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                wire.send(data[i : i + 1])
            wire.send(request("GET", "/health"))
            assert wire.answer().json()["choices"] == whole
            assert wire.answer().status == 200
    with server.wire() as wire:
        wire.send(request("POST", POST, body, more="Expect: 100-continue\r\n").removesuffix(body))
        assert wire.answer().status == 100
        wire.send(body)
        assert wire.answer().json()["choices"] == whole


def test_a_large_body(server: Server) -> None:
    """Larger than the buffer of a client, with much that is ignored."""
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "user": "y" * 60000}).encode()
    assert server.ask("POST", POST, body).status == 200
    head = f"POST {POST} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with server.wire() as wire:
        wire.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) + request("GET", "/health"))
        assert wire.answer().status == 200
        assert wire.answer().json() == {"status": "ok"}


def test_clients_that_stall(server: Server) -> None:
    """Each is told so after the time that it has, while others are served."""
    with server.wire() as head, server.wire() as body, server.wire() as idle:
        head.send(b"GET /health HT")
        body.send(f"POST {POST} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc".encode())
        assert server.ask("GET", "/health").status == 200
        assert head.answer().status == 408
        assert body.answer().status == 408
        idle.send(request("GET", "/health"))
        assert idle.answer().status == 200


def test_a_head_that_comes_byte_by_byte_for_ever(server: Server) -> None:
    with server.wire() as wire:
        wire.socket.settimeout(0.1)
        for _ in range(1000):
            try:
                wire.send(b"x")
                wire.left += wire.socket.recv(1000)
                break
            except TimeoutError:
                continue
        assert b" 408 " in wire.left


def test_the_queue_is_full(without_model: Hosted, modules: tuple[str, ...]) -> None:
    """Two replies run, one waits, the next is refused; those before it are answered."""
    with serving(without_model, modules, "slots=2 queue=1 ctx=16384") as server:
        body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True, "seed": 1}).encode()
        wires = [server.wire() for _ in range(3)]
        for wire in wires[:2]:
            wire.send(request("POST", POST, body))
            assert wire.socket.recv(10, socket.MSG_PEEK)  # it runs
        wires[2].send(request("POST", POST, body))
        answer = server.waits_for(lambda: (got := server.chat(max_tokens=1)).status == 503 and got)
        assert answer.fields["retry-after"] == "1"
        assert answer.json()["error"]["code"] == "queue_full"
        wires[0].socket.close()  # its slot is for the one that waits
        assert wires[2].socket.recv(10, socket.MSG_PEEK)
        for wire in wires[1:]:
            wire.socket.close()
        server.waits_for(lambda: server.chat(max_tokens=1).status == 200)


def test_a_client_that_hangs_up_ends_its_reply(without_model: Hosted, modules: tuple[str, ...]) -> None:
    """With the next token: also while it streams, while the prompt is read, and while it waits for a slot."""
    endless = {"messages": [{"role": "user", "content": "x"}], "stream": True, "seed": 1, "logit_bias": {"70": 100}}
    body = json.dumps({**endless, "max_tokens": 16000}).encode()
    with serving(without_model, modules, "slots=1 queue=2 ctx=16384") as server:
        with server.wire() as runs, server.wire() as waits:
            runs.send(request("POST", POST, body))
            while runs.left.count(b"data:") < 20:
                runs.left += runs.socket.recv(1 << 16)
            waits.send(request("POST", POST, body))
            assert server.ask("GET", "/health").status == 200  # while both are there
            waits.socket.close()
            (waited,) = server.served(1)
            assert (waited["how"], waited["tokens"], waited["prompt_tokens"]) == ("left", 0, 9)
            runs.socket.close()
        _, ran = server.served(2)
        assert ran["how"] == "left"
        assert 19 <= ran["tokens"] < 16000
        reads = json.dumps({**endless, "messages": [{"role": "user", "content": "y" * 16000}]}).encode()
        with server.wire() as wire:
            wire.send(request("POST", POST, reads))
            assert wire.socket.recv(1000)  # the head comes before the prompt is computed
        *_, read = server.served(3)
        assert (read["how"], read["tokens"]) == ("left", 0)
        assert server.chat(max_tokens=2).status == 200


def test_a_hang_up_costs_one_token(without_model: Hosted, modules: tuple[str, ...]) -> None:
    """At most one token is computed after the hang-up.

    The server is stopped between two instructions; all that it has told lies in our socket then. Each token is one
    character of the text. One that is computed but not told yet is counted too, hence 2.
    """
    fields = {"messages": [{"role": "user", "content": "x"}], "stream": True, "logit_bias": {"70": 100}}
    extra = []
    with serving(without_model, modules, "slots=1 queue=2 ctx=16384") as server:
        for i in range(12):
            body = json.dumps({**fields, "seed": i, "max_tokens": 16000}).encode()
            with server.wire() as wire:
                wire.send(request("POST", POST, body))
                while wire.left.count(b"data:") < 5 + 7 * i:
                    wire.left += wire.socket.recv(1 << 16)
                server.process.send_signal(signal.SIGSTOP)
                server.waits_for(lambda: _is_stopped(server.process.pid))
                wire.socket.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while data := wire.socket.recv(1 << 16):
                        wire.left += data
                told = sum(map(len, re.findall(rb'"content":"([^"]*)"', wire.left)))
                assert told >= 4 + 7 * i
            server.process.send_signal(signal.SIGCONT)
            extra.append(server.served(i + 1)[-1]["tokens"] - told)
        usage = server.chat(max_tokens=2, seed=1).json()["usage"]
        counted = metrics(server)["llamacpp:tokens_predicted_total"]
    assert counted == sum(event["tokens"] for event in server.served(12)) + usage["completion_tokens"]
    assert max(extra) <= 2, extra


def _is_stopped(pid: int) -> bool:
    """No instruction of the process runs."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_client_that_does_not_read_gives_its_slot_back(without_model: Hosted, modules: tuple[str, ...]) -> None:
    """After the time that it has; the replies of others go on meanwhile."""
    fields = {"messages": [{"role": "user", "content": "x"}], "seed": 1, "logit_bias": {"70": 100}}
    more = {"stream": True, "logprobs": True, "top_logprobs": 20, "max_tokens": 15000}
    with serving(without_model, modules, "slots=2 ctx=16384 timeout=1") as server, server.wire(window=4096) as wire:
        wire.send(request("POST", POST, json.dumps({**fields, **more}).encode()))
        assert wire.socket.recv(100)
        assert server.chat(max_tokens=5).status == 200
        stalled, others = server.served(2)[::-1]
        assert (stalled["how"], others["how"]) == ("left", "whole")
        assert server.chat(max_tokens=5).status == 200


def test_the_key(without_model: Hosted, modules: tuple[str, ...]) -> None:
    with serving(without_model, modules, f'ctx=512 key="{KEY}"') as server:
        assert server.ask("GET", "/health").status == 200
        for more in (
            "",
            "Authorization: Bearer \r\n",
            f"Authorization: Bearer {KEY}x\r\n",
            f"Authorization: {KEY}\r\n",
        ):
            answer = server.ask("GET", "/v1/models", more=more)
            assert (answer.status, answer.fields["www-authenticate"]) == (401, "Bearer")
        assert server.ask("GET", "/v1/models", more=f"Authorization: bearer {KEY}\r\n").status == 200


def test_the_key_is_told_to_nobody(without_model: Hosted, modules: tuple[str, ...]) -> None:
    done = without_model.run(f'prompt=x max_tokens=1 ctx=512 key="{KEY}" exit', b"", modules)
    assert done.returncode == 0
    assert done.one("boot")["cmdline"] == "prompt=x max_tokens=1 ctx=512 key="
    assert KEY not in done.console + json.dumps(done.events)


def test_many_connections(server: Server) -> None:
    """More than there are places: the one that has been idle longest gives way."""
    wires = [server.wire() for _ in range(64)]
    for wire in wires:
        wire.send(request("GET", "/health"))
        assert wire.answer().status == 200
    for wire in wires:  # all are still there
        wire.send(request("GET", "/health"))
        assert wire.answer().status == 200
    more = [server.wire() for _ in range(100)]
    for wire in more:
        wire.send(request("GET", "/health"))
        assert wire.answer().status == 200
    for wire in wires + more:
        wire.socket.close()


def test_the_port_is_taken(server: Server, without_model: Hosted, modules: tuple[str, ...]) -> None:
    done = without_model.run(f"mode=serve port={server.port} ctx=512", b"", modules)
    assert done.returncode == 1
    assert str(server.port) in done.one("error")["message"]
    assert "port=" in done.one("error")["hint"]
