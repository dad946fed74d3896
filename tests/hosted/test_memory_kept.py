"""Conversations that outlive a run: the same continuation, bit for bit, and what is refused."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chats import Talker, asked, write_talker
from hosted import Hosted, Run
from refusals import lacks

from kgpt_build.cli import invoke
from kgpt_build.file_hash import sha256_of
from kgpt_build.memory import empty_store, read_store

WORDS = "seed=5 temperature=1.2 max_tokens=7 logits"


@pytest.fixture(scope="module")
def talker(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Talker:
    return Talker(without_model, write_talker(tmp_path_factory.mktemp("talker")))


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "memory.kgm"
    path.write_bytes(empty_store(8 << 20))
    return path


def says(talker: Talker, typed: str, memory: Path, words: str = WORDS) -> Run:
    modules = ("--module", f"{talker.model} sha256={sha256_of(talker.model)}", *talker.modules[2:])
    return talker.program.run(f"cpus=1 ctx=512 {words}", typed.encode(), (*modules, "--memory", str(memory)))


def bits(run: Run, n: int) -> list[tuple[int, bytes]]:
    """Token and logits of the last ``n`` replies."""
    last = max(sample for sample, *_ in run.logits())
    return [(token, logits) for sample, _, token, logits in run.logits() if sample > last - n]


@pytest.mark.parametrize("kv", ["f16", "q8", "f32"])
def test_the_same_continuation(talker: Talker, memory: Path, kv: str) -> None:
    """As without the break, also of /regen; with the settings of that run."""
    words = f"{WORDS} kv={kv}"
    whole = says(talker, "hello\nhow are you\n/regen\nand now\n", memory, words)
    before = says(talker, "hello\nhow are you\n/save first\n", memory, words)
    assert "first is kept: " in before.console
    after = says(talker, "/load first\n/regen\nand now\n/history\n", memory, f"logits kv={kv}")
    assert "first goes on: " in after.console
    assert bits(after, 2) == bits(whole, 2)
    assert after.samples() == whole.samples()[-2:]
    assert asked(after.console)[-3:] == ["hello", "how are you", "and now"]


def test_another_type_of_cache_is_computed_anew(talker: Talker, memory: Path) -> None:
    whole = says(talker, "hello\nand now\n", memory, f"{WORDS} kv=f32")
    says(talker, "hello\n/save a\n", memory, f"{WORDS} kv=f32")
    other = says(talker, "/load a\nand now\n", memory, f"{WORDS} kv=f16")
    assert not lacks(other.console, "kept with kv=f32 this run has kv=f16 computed anew")
    assert other.returncode == 0
    assert len(other.samples()) == 1
    again = says(talker, "/load a\nand now\n", memory, f"{WORDS} kv=f32")
    assert bits(again, 1) == bits(whole, 1)


def test_brought_to_another_memory(talker: Talker, memory: Path, tmp_path: Path) -> None:
    """By the host, which reads and fills the file; the bits stay."""
    whole = says(talker, "hello\nand now\n", memory)
    says(talker, "hello\n/save a\nmore\n/save b\n", memory)
    raw, other = tmp_path / "raw", tmp_path / "other"
    assert invoke(["memory", "make", str(other), "--size", "1"]) == 0
    assert invoke(["memory", "make", str(other)]) == 2
    assert invoke(["memory", "export", str(memory), "a", "--raw", "-o", str(raw)]) == 0
    for name in ("x", "y", "x"):
        assert invoke(["memory", "import", str(other), name, str(raw)]) == 0
    assert bits(says(talker, "/load x\nand now\n", other), 1) == bits(whole, 1)
    listed = says(talker, "/load\n", other).console
    assert not lacks(listed, "x y 2 kept")
    assert len(re.findall(r"^[xy] .* \d{4}-\d\d-\d\d \d\d:\d\d UTC$", listed, re.MULTILINE)) == 2
    text = tmp_path / "text"
    assert invoke(["memory", "export", str(other), "y", "-o", str(text)]) == 0
    told = json.loads(text.read_text())
    assert told["kv"] == "f16"
    assert told["last_reply"] == whole.samples()[0]
    assert told["model"] == sha256_of(talker.model)
    age = datetime.now(UTC) - datetime.fromisoformat(told["kept"])
    assert timedelta(0) <= age < timedelta(hours=1)


def test_what_the_host_refuses(memory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").write_bytes(b"KGCV" + bytes(500))
    for words, facts in (
        (["import", str(memory), "a", str(tmp_path / "raw")], "raw damaged"),
        (["import", str(memory), "a b", str(tmp_path / "raw")], "no name"),
        (["export", str(memory), "a"], "keeps no conversation a"),
        (["ls", str(tmp_path / "none")], "none cannot be read"),
        (["ls", str(tmp_path / "raw")], "raw too small"),
    ):
        assert invoke(["memory", *words]) in (1, 2)
        assert not lacks(capsys.readouterr().err, facts)
    assert memory.read_bytes() == empty_store(8 << 20)


def test_kept_again_listed_and_forgotten(talker: Talker, memory: Path) -> None:
    says(talker, "hello\n/save a\n/save b\nmore\n/save a\n", memory)
    assert [record.name for record in read_store(memory.read_bytes()).records] == ["a", "b"]
    done = says(talker, "/load\n/forget a\n/load a\n/forget c\n/save\n", memory)
    assert not lacks(done.console, "2 kept a is forgotten 1 kept")
    assert [e["message"] for e in done.of("error")] == [f'no conversation "{name}" is kept' for name in "ac"]


def test_what_is_refused(talker: Talker, memory: Path, tmp_path: Path) -> None:
    """And then nothing was written."""
    before = memory.read_bytes()
    done = says(talker, "/save a\nhello\n/save a b\n", memory)
    assert [e["message"][:24] for e in done.of("error")] == ["there is no conversation", "a name has 1 to 31 lette"]
    assert memory.read_bytes() == before
    small = tmp_path / "small"
    small.write_bytes(empty_store(65536))
    done = says(talker, f"{'hello ' * 80}\n/save a\n/save b\n/save c\n/save a\n", small)
    assert [e["message"][:8] for e in done.of("error")] == ["c needs ", "a needs "]
    assert not lacks(done.of("error")[0]["message"], "KB 8 KB are free in the memory")
    assert [record.name for record in read_store(small.read_bytes()).records if record.whole] == ["a", "b"]
    none = tmp_path / "none"
    assert "No such file" in says(talker, "/load a\n", none).console
    none.write_bytes(bytes(100_000))
    assert not lacks(says(talker, "/load a\n", none).one("error")["message"], "no memory no disk holds one")
    none.write_bytes(before[:8].ljust(100_000, b"\0"))
    assert not lacks(says(talker, "/load a\n", none).one("error")["message"], "was not made by kgpt")


def test_another_model_and_a_small_context(talker: Talker, memory: Path, tmp_path: Path) -> None:
    says(talker, f"{'hello ' * 40}\n/save a\n", memory)
    done = says(talker, "/load a\nhello\n", memory, f"{WORDS} ctx=64")
    assert not lacks(done.one("error")["message"], "tokens, context 64")
    other = Talker(talker.program, write_talker(tmp_path, words=["another"]))
    done = says(other, "/load a\nhello\n", memory)
    assert not lacks(done.one("error")["message"], "the kept conversation another vocabulary")
    assert len(done.samples()) == 1


def test_another_model_with_the_same_vocabulary_computes_its_tokens(
    talker: Talker, memory: Path, tmp_path: Path
) -> None:
    """The continuation is that of the other model: the same bits as if the tokens had been its own."""
    says(talker, "hello\n/save a\n", memory)
    other = Talker(talker.program, write_talker(tmp_path, n_ctx=1024))
    done = says(other, "/load a\n/history\nand now\n/save b\n", memory)
    assert not lacks(done.console, "another model of the same vocabulary computed anew a goes on b is kept")
    assert asked(done.console)[-1] == "hello"
    again = says(other, "/load a\nand now\n", memory, f"{WORDS} ubatch=1")
    assert bits(again, 1) == bits(done, 1)
    assert not lacks(says(other, "/load b\nmore\n", memory).console, "b goes on:")


def test_without_a_memory_or_a_hash(talker: Talker, memory: Path) -> None:
    assert not lacks(talker.says(b"/load a\n").one("error")["message"], "came without its SHA-256")
    modules = (*talker.modules, "--memory", str(memory))
    done = talker.program.run("cpus=1 ctx=512 max_tokens=3", b"hello\n/save a\n", modules)
    assert not lacks(done.one("error")["message"], "came without its SHA-256")
