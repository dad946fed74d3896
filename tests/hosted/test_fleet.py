"""docs/fleet.md: two servers behind nginx, watched by Prometheus. The configurations are those of that page."""

from __future__ import annotations

import getpass
import grp
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pace
import pytest
from chats import write_talker
from hosted import SECONDS, Hosted
from serving import NAME, Server, metrics, serving, talker_modules

from kgpt_build.cli.talk.reach import free_port

openai = pytest.importorskip("openai")
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NGINX, reason="needs nginx: apt-get install nginx-light"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl: apt-get install openssl"),
]

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"
KEY = "sesame"
CTX = 16384
END = 1
"""The token that ends a reply."""
THREADS, REQUESTS, LONG = 8, 40, 2
"""LONG streams, and as many whole answers, run when the machine is killed."""
LONG_TOKENS, SHORT_TOKENS = 6000, 25
BEFORE = 8
"""Short requests that are answered before it is killed."""


def block(language: str) -> str:
    """The code of the page in this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


def fitted(text: str, changes: dict[str, str]) -> str:
    """``text`` with addresses and paths of this test, in one pass."""
    for old in changes:
        assert old in text, old
    return re.sub("|".join(map(re.escape, changes)), lambda match: changes[match[0]], text)


@dataclass(frozen=True)
class Fleet:
    """Two servers, and the proxy before them."""

    servers: tuple[Server, Server]
    port: int
    folder: Path

    def client(self) -> Any:
        """That of the page."""
        found: dict[str, Any] = {}
        changes = {"kgpt.crt": str(self.folder / "kgpt.crt"), "kgpt.example": self.name, "KEY": KEY}
        exec(fitted(block("python"), changes), found)
        return found["client"].with_options(max_retries=0, timeout=pace.limit(SECONDS))

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def log(self) -> list[str]:
        """Of each request that has ended: method, status, the servers that it was given to."""
        return (self.folder / "access.log").read_text().splitlines()


def certify(folder: Path) -> None:
    command = fitted(block("sh"), {"DNS:kgpt.example": "IP:127.0.0.1"})
    subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)


def configure(folder: Path, servers: tuple[Server, Server], port: int) -> Path:
    """The page's file, and around it what a distribution's nginx.conf has, in a folder of its own."""
    changes = {f"10.0.0.1{i + 1}:8080": f"{server.host}:{server.port}" for i, server in enumerate(servers)}
    changes |= {"listen 443": f"listen 127.0.0.1:{port}", "/etc/nginx/": f"{folder}/"}
    (folder / "kgpt.conf").write_text(fitted(block("nginx"), changes))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    path = folder / "nginx.conf"
    path.write_text(
        f"user {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name};\nworker_processes 2;\ndaemon off;\n"
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n"
        + "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        + "log_format fleet '$request_method $status $upstream_addr';\n"
        + f"access_log {folder}/access.log fleet;\ninclude {folder}/kgpt.conf;\n}}\n"
    )
    return path


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(words: list[str], port: int, log: Path) -> Iterator[None]:
    """A program that listens on the port, while the block runs."""
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        assert any(listens(port) or process.poll() is not None for _ in pace.attempts(SECONDS, 0.05))
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def fleet(program: Hosted, modules: tuple[str, ...], folder: Path) -> Iterator[Fleet]:
    words = f"slots={THREADS} ctx={CTX} key={KEY}"
    with ExitStack() as stack:
        servers = (
            stack.enter_context(serving(program, modules, words)),
            stack.enter_context(serving(program, modules, words)),
        )
        certify(folder)
        port = free_port("127.0.0.1")
        config = configure(folder, servers, port)
        argv = [str(NGINX), "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)]
        stack.enter_context(running(argv, port, folder / "out.log"))
        yield Fleet(servers, port, folder)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return talker_modules(write_talker(tmp_path_factory.mktemp("fleet-model"), n_ctx=CTX))


@pytest.fixture(scope="module")
def quiet(without_model: Hosted, modules: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet in which nothing dies."""
    with fleet(without_model, modules, tmp_path_factory.mktemp("fleet")) as found:
        yield found


def asked(seed: int, tokens: int) -> dict[str, Any]:
    """A reply that never ends by itself: the model's token for that is ruled out."""
    said = [{"role": "user", "content": f"Question {seed}"}]
    return {"model": NAME, "messages": said, "seed": seed, "max_tokens": tokens, "logit_bias": {str(END): -100}}


def counts(server: Server) -> dict[str, float]:
    return metrics(server, f"Authorization: Bearer {KEY}\r\n")


def test_requests_over_tls(quiet: Fleet) -> None:
    with quiet.client() as client:
        assert [model.id for model in client.models.list()] == [NAME]
        whole = client.chat.completions.create(**asked(1, 30)).choices[0].message.content
        parts = client.chat.completions.create(**asked(1, 30), stream=True)
        assert "".join(part.choices[0].delta.content or "" for part in parts) == whole
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="else").models.list()
    with (
        openai.OpenAI(base_url=f"https://{quiet.name}/v1", api_key=KEY, max_retries=0) as stranger,
        pytest.raises(openai.APIConnectionError),
    ):
        stranger.models.list()  # it does not know the certificate


def test_both_machines_work(quiet: Fleet) -> None:
    before = [counts(server)["llamacpp:tokens_predicted_total"] for server in quiet.servers]
    with quiet.client() as client, ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda seed: client.chat.completions.create(**asked(seed, 9)), range(16)))
    grown = [
        counts(server)["llamacpp:tokens_predicted_total"] - old
        for server, old in zip(quiet.servers, before, strict=True)
    ]
    assert sum(grown) == 16 * 9
    assert min(grown) > 0


def test_what_tells_of_one_machine_stays_inside(quiet: Fleet) -> None:
    with quiet.client() as client:
        for path in ("metrics", "slots"):
            with pytest.raises(openai.NotFoundError):
                client.with_options(base_url=f"https://{quiet.name}").get(f"/{path}", cast_to=object)


def test_who_hangs_up_ends_the_reply(quiet: Fleet) -> None:
    def cancelled() -> float:
        return sum(counts(server)["kgpt_cancelled_total"] for server in quiet.servers)

    before = cancelled()
    with quiet.client() as client, client.chat.completions.create(**asked(1, LONG_TOKENS), stream=True) as stream:
        next(iter(stream))
    quiet.servers[0].waits_for(lambda: cancelled() == before + 1)


@pytest.mark.skipif(not shutil.which("prometheus"), reason="needs prometheus: apt-get install prometheus")
def test_prometheus(quiet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    targets = [f"{server.host}:{server.port}" for server in quiet.servers]
    changes = {f"10.0.0.1{i + 1}:8080": target for i, target in enumerate(targets)}
    config = tmp_path / "prometheus.yml"
    config.write_text(fitted(block("yaml"), {**changes, "/etc/prometheus/kgpt.key": str(tmp_path / "key")}))
    port = free_port("127.0.0.1")

    def query(expression: str) -> dict[str, float]:
        words = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{words}") as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code != 503:  # it still starts
                raise
            return {}
        return {row["metric"].get("instance", ""): float(row["value"][1]) for row in found}

    with quiet.client() as client:
        client.chat.completions.create(**asked(1, 9))
    argv = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data"]
    with running([*argv, f"--web.listen-address=127.0.0.1:{port}"], port, tmp_path / "log"):
        for expression in re.findall(r"^\| `([^`]*)` \| ", PAGE.read_text().split("## Prometheus")[1], re.MULTILINE):
            wanted = 1 if expression.startswith("sum") else 2
            assert any(len(query(expression)) == wanted for _ in pace.attempts(SECONDS, 0.2)), expression
        assert query('up{job="kgpt"}') == dict.fromkeys(targets, 1.0)
        assert query("llamacpp:tokens_predicted_total") == {
            target: counts(server)["llamacpp:tokens_predicted_total"]
            for target, server in zip(targets, quiet.servers, strict=True)
        }


@dataclass
class Got:
    """What came of a request."""

    began: threading.Event
    """A stream's first text is there."""
    text: str = ""
    error: Exception | None = None


def take(client: Any, seed: int, tokens: int, stream: bool, got: Got) -> Got:
    """Ask. Only a stream that has begun may end with an error."""
    answer = client.chat.completions.create(**asked(seed, tokens), stream=stream)
    if not stream:
        got.text = answer.choices[0].message.content
        return got
    reason = None
    try:
        for part in answer:
            got.text += part.choices[0].delta.content or ""
            reason = part.choices[0].finish_reason or reason
            if got.text:
                got.began.set()
    except Exception as error:  # of OpenAI's client, or of the one below it
        got.error = error
    assert (reason == "length") != (got.error is not None)
    return got


def busy_slots(server: Server) -> int:
    more = f"Authorization: Bearer {KEY}\r\n"
    return sum(slot["is_processing"] for slot in server.ask("GET", "/slots", more=more).json())


def test_a_machine_dies_under_load(without_model: Hosted, modules: tuple[str, ...], tmp_path: Path) -> None:
    short = range(2 * LONG, REQUESTS)
    with fleet(without_model, modules, tmp_path) as machines, machines.client() as client:
        dies, lives = machines.servers
        body = {"content": "<|im_end|>"}
        tokens = lives.ask("POST", "/tokenize", json.dumps(body).encode(), more=f"Authorization: Bearer {KEY}\r\n")
        assert tokens.json()["tokens"] == [END]
        with ThreadPoolExecutor(THREADS) as threads:
            answers: list[Future[Got]] = []

            def ask(seed: int, n: int, stream: bool) -> Got:
                got = Got(threading.Event())
                answers.append(threads.submit(take, client, seed, n, stream, got))
                return got

            for seed in range(LONG):  # least_conn gives one to each machine
                assert ask(seed, LONG_TOKENS, True).began.wait(pace.limit(SECONDS))
            for seed in range(LONG, 2 * LONG):
                ask(seed, LONG_TOKENS, False)
                lives.waits_for(lambda seed=seed: busy_slots(dies) + busy_slots(lives) == seed + 1)
            assert busy_slots(dies) == busy_slots(lives) == 2
            for seed in short:
                ask(seed, SHORT_TOKENS, seed % 2 == 0)
            lives.waits_for(lambda: sum(answer.done() for answer in answers) >= BEFORE)
            dies.process.kill()
            dies.process.wait()
            got = [answer.result() for answer in answers]
        broken = [seed for seed in range(REQUESTS) if got[seed].error]
        assert len([seed for seed in broken if seed < LONG]) == 1
        tried = [line for line in machines.log() if re.fullmatch(rf"POST 200 {dies.host}:{dies.port}, .*", line)]
        assert len(tried) >= 1  # the long answer that had not begun
        for seed in range(REQUESTS):
            n = LONG_TOKENS if seed < 2 * LONG else SHORT_TOKENS
            alone = client.chat.completions.create(**asked(seed, n)).choices[0].message.content
            if seed in broken:
                assert alone.startswith(got[seed].text)
                assert seed >= LONG or alone != got[seed].text
                assert isinstance(got[seed].error, openai.APIConnectionError)
            else:
                assert got[seed].text == alone
        assert counts(lives)["kgpt_requests_total"] > REQUESTS
