"""What llama-bench prints, and the builds of other engines that benchmarks find."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.inference import peers, slots, speculation
from benchmarks.inference.figures import Workload
from benchmarks.inference.peers import Peer
from kgpt_build.errors import KgptError

OUTPUT = (Path(__file__).parents[1] / "golden" / "llama_bench.json").read_text()
"""Of llama-bench -p 8,16 -n 4 -d 32 -r 2 -o json."""
TESTS = [Workload("pp", 8, 32, "q8"), Workload("pp", 16, 32, "q8"), Workload("tg", 4, 32, "q8")]


def test_rates_are_those_of_llama_bench() -> None:
    shown = [entry["avg_ts"] for entry in json.loads(OUTPUT)]
    assert peers.parse(OUTPUT, TESTS) == pytest.approx(shown, rel=0.05)  # the mean of two rates, not their median
    assert peers.parse(OUTPUT, TESTS[::-1]) == peers.parse(OUTPUT, TESTS)[::-1]


def test_an_output_without_depths_is_read() -> None:
    entries = [{key: value for key, value in entry.items() if key != "n_depth"} for entry in json.loads(OUTPUT)]
    assert len(peers.parse(json.dumps(entries), [Workload("pp", 8), Workload("tg", 4)])) == 2


def test_a_missing_test_is_named() -> None:
    with pytest.raises(KgptError, match="did not measure pp9 @ d32, q8 KV, tg4"):
        peers.parse(OUTPUT, [Workload("pp", 9, 32, "q8"), Workload("tg", 4)])


@pytest.mark.parametrize("output", ["", "error: no model", "[1]", '[{"n_prompt": 8}]', "{}"])
def test_other_output_is_refused(output: str) -> None:
    with pytest.raises(KgptError):
        peers.parse(output, TESTS)


def script(folder: Path, body: str) -> Peer:
    """A peer whose llama-bench is a shell script."""
    program = folder / "llama.cpp" / "bin" / "llama-bench"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return Peer("llama.cpp", folder / "llama.cpp")


def test_a_peer_is_asked_for_all_tests_at_once(tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text(OUTPUT)
    peer = script(tmp_path, f'echo "$@" >>{tmp_path}/words\ncat {golden}')
    assert peer.rates(Path("m.gguf"), TESTS, threads=2, repeat=2) == peers.parse(OUTPUT, TESTS)
    words = (tmp_path / "words").read_text().splitlines()[-1]
    assert words == "-m m.gguf -t 2 -r 2 -o json -p 8,16 -n 4 -d 32 -ctk q8_0 -ctv q8_0 -fa 1"


def test_a_long_prompt_is_not_computed_twice(tmp_path: Path) -> None:
    peer = script(tmp_path, f'echo "$@" >>{tmp_path}/words\necho "--n-depth"; exit 0')
    with pytest.raises(KgptError):
        peer.rates(Path("m.gguf"), [Workload("pp", 8192)], threads=1, repeat=1)
    assert (tmp_path / "words").read_text().splitlines()[-1].endswith("-p 8192 -n 0 --no-warmup")


def test_a_failure_shows_its_last_line(tmp_path: Path) -> None:
    peer = script(tmp_path, "echo first >&2; echo 'cannot load m.gguf' >&2; exit 1")
    with pytest.raises(KgptError, match="llama-bench failed: cannot load"):
        peer.rates(Path("m.gguf"), TESTS, threads=1, repeat=1)


def test_only_peers_that_were_built_are_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    assert peers.available() == []
    peer = script(tmp_path, "exit 0")
    assert peers.available() == [peer]
    assert peer.flags() == ""
    (peer.folder / "CMakeCache.txt").write_text("CMAKE_BUILD_TYPE:STRING=Release\nX:BOOL=ON\nGGML_NATIVE:BOOL=ON\n")
    assert peer.flags() == "CMAKE_BUILD_TYPE=Release, GGML_NATIVE=ON"


BATCHED = """llama_batched_bench: n_kv_max = 1280
{"n_kv_max": 1280, "n_threads": 2, "pp": 64, "tg": 16, "pl": 1, "n_kv": 80, "t_tg": 0.161, "speed_tg": 99.25, "t": 0.4}
{"n_kv_max": 1280, "n_threads": 2, "pp": 64, "tg": 16, "pl": 8, "n_kv": 640, "t_tg": 0.64, "speed_tg": 200.1, "t": 2.0}
"""


def test_rates_of_several_sequences_are_those_of_all_together() -> None:
    assert slots.parse_theirs(BATCHED) == {1: 99.25, 8: 200.1}
    with pytest.raises(KgptError, match="printed no result"):
        slots.parse_theirs("main: no model")
    events = [
        {"event": "boot"},
        {"event": "bench", "test": "tg16 @ d64", "tokens": 16, "us": [160000]},
        {"event": "bench", "test": "tg16 x8 @ d64", "tokens": 128, "slots": 8, "us": [640000, 320000, 640000]},
    ]
    assert slots.parse_ours([json.dumps(event).encode() for event in events]) == {1: 100, 8: 200}


def test_the_speed_of_a_reply_is_that_after_its_first_token() -> None:
    events: list[dict[str, object]] = [{"event": "speed", "tokens": 11, "decode_us": 500_000}]
    assert speculation.speed_of(events) == 20
    with pytest.raises(KgptError, match="sent no event speed"):
        speculation.speed_of([{"event": "boot"}])
