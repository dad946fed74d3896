"""Models from TFTP servers: loss, duplicates, other orders, errors, lies, numbers of blocks that begin again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hosted import Hosted, Run
from terminal import Terminal
from test_disk_models import CHAT, TEMPLATE
from test_load_http import LINE
from tftp_server import How, TftpServer, tftp_server

NAME = "models/talks.gguf"
FILES = {NAME: CHAT, "models/talks.kgct": TEMPLATE}
FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"


@pytest.fixture(scope="module")
def text(without_model: Hosted) -> list[str]:
    """What the model says as a boot module."""
    return without_model.run(LINE, options=("--module", str(FOLDER / "chat.gguf"))).samples()


def load(program: Hosted, server: TftpServer, line: str = LINE) -> Run:
    return program.run(f"{line} model={server.url(NAME)}")


def test_a_model_and_its_template(without_model_sanitized: Hosted, text: list[str]) -> None:
    with tftp_server(FILES) as server:
        done = load(without_model_sanitized, server)
        talked = load(without_model_sanitized, server, LINE.replace("mode=generate", "mode=chat"))
    assert (done.returncode, done.samples()) == (0, text), done.console
    assert talked.one("config")["mode"] == "chat"
    assert server.requests[:3] == [f"{NAME}.sha256", "models/talks.kgct", NAME]
    assert server.told[2] == {"blksize": "1428", "tsize": "0", "windowsize": "16"}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("block", "window"), [(64, 16), (512, 1), (512, 4)])
def test_a_network_that_loses_doubles_and_swaps(
    without_model: Hosted, text: list[str], seed: int, block: int, window: int
) -> None:
    how = How(block=block, window=window, loses=0.03, doubles=0.1, swaps=0.1, seed=seed)
    with tftp_server(FILES, how) as server:
        done = load(without_model, server)
    assert (done.returncode, done.samples()) == (0, text), done.console


def test_numbers_of_blocks_begin_again(without_model: Hosted) -> None:
    """65,536 blocks and more: the hash is right, though the rest of the file is no model."""
    data = b"GGUF" + bytes(range(256)) * 2100
    with tftp_server({NAME: data}, How(block=8)) as server:
        done = load(without_model, server)
    assert len(data) > 65536 * 8
    assert f"SHA-256 {hashlib.sha256(data).hexdigest()[:8]}…; the server states none" in done.console


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (How(error=(1, "File not found")), "the server has no file tftp://"),
        (How(error=(2, "Access violation")), "the server answers with error 2: Access violation"),
        (How(block=512, window=2, fails_behind=4), "the server answers with error 0: the disk fails"),
        (How(options=None), "the server does not tell the size (option tsize)"),
        (How(options={"tsize": ""}), "the server does not tell the size (option tsize)"),
        (How(options={"tsize": "1x"}), "an option of the server is malformed"),
        (How(options={"tsize": "99999999999999999999"}), "an option of the server is malformed"),
        (How(options={"tsize": "9999999999999"}), "of memory, and"),
        (How(options={"blksize": "1429"}), "the server grants an option that was not asked for"),
        (How(options={"windowsize": "0"}), "the server grants an option that was not asked for"),
        (How(options={"timeout": "1"}), "the server grants an option that was not asked for"),
        (How(body=CHAT + b"more"), "the server sends more than it has told"),
        (How(body=CHAT[:-1]), "the server ends before the size that it has told"),
        (How(body=CHAT[:100]), "the server ends before the size that it has told"),
    ],
)
def test_what_is_refused(without_model_sanitized: Hosted, how: How, said: str) -> None:
    with tftp_server({NAME: CHAT}, how) as server:
        done = load(without_model_sanitized, server)
    assert done.returncode == 1
    assert said in done.console


@pytest.mark.slow
def test_nobody_answers(without_model: Hosted) -> None:
    with tftp_server(FILES, How(loses=1)) as server:
        done = load(without_model, server)
    assert "no TFTP server answers" in done.console


@pytest.mark.parametrize(
    "how",
    [How(ignores_missing=True), How(silent_behind=(NAME, 2), window=1)],
    ids=["ignores missing files", "stops in the middle"],
)
def test_a_silent_server_is_told_each_second(without_model: Hosted, tmp_path: Path, how: How) -> None:
    """The first file that is asked for is the model's hash, which the server does not have."""
    with tftp_server(FILES, how) as server:
        words = without_model.argv(f"{LINE} model={server.url(NAME)}", 2)
        with Terminal(words, os.environ, tmp_path, columns=80) as terminal:
            for second in (1, 2):
                terminal.expect(rf"127\.0\.0\.1: no answer for {second} s; Ctrl-C stops")
            terminal.type("\x03")
            terminal.expect(r"loading tftp://127\.0\.0\.1:\d+/models/talks\.gguf was stopped")
            assert terminal.wait() == 1
