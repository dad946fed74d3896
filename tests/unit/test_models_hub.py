"""kgpt pull from the Hugging Face hub; the hub is a fake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pulls import HF, Said, fake_hub, left
from refusals import refused
from shard_files import split
from tiny_lm import write_lm

from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.models import load_lm, resolve
from kgpt_build.models.pull import hub
from kgpt_build.models.pull.fetch import pull

pytestmark = pytest.mark.usefixtures("model_cache")


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_cache: Path) -> None:
    calls = fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"))
    pulled = pull(HF, Said())
    assert (pulled.name, pulled.source) == ("tiny.q8_0", HF)
    assert calls[1] == ("download", "someone/tiny-GGUF", "sub/Tiny.Q8_0.gguf", "c0ffee")
    assert left(model_cache) == ["tiny.q8_0.gguf", "tiny.q8_0.json"]
    assert resolve(Path("tiny.q8_0")) == pulled.path
    assert pull(HF, Said()) == pulled
    assert len(calls) == 2
    assert pull(HF, Said(), name="mine").name == "mine"


def test_the_hub_has_another_file_than_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_cache: Path
) -> None:
    fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"), etag="f" * 64)
    with refused(KgptError, f"SHA-256 {'f' * 64}"):
        pull(HF, Said())
    assert left(model_cache) == []


def test_what_the_engine_cannot_run_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_cache: Path
) -> None:
    fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf", "mamba"))
    with refused(KgptError, f"{HF} architecture 'mamba'") as caught:
        pull(HF, Said())
    assert "llama" in caught.value.hint
    assert left(model_cache) == []


def test_the_hub_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, message in (("GatedRepoError", "owner gives"), ("TimeoutError", "read timed out")):
        error = type(name, (Exception,), {})("read timed out\nmore")
        fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"), error=error)
        with refused(KgptError, f"{HF} downloaded {message}"):
            pull(HF, Said())


def test_the_hub_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with refused(ToolMissing, "huggingface_hub installed") as caught:
        pull(HF, Said())
    assert caught.value.hint == "pip install 'kgpt[hf]'"


FIRST = "hf:someone/tiny-GGUF/sub/Tiny-00001-of-00003.gguf"


def test_a_model_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_cache: Path) -> None:
    """All are downloaded and checked, and joined; or all are taken from where the first one is."""
    whole = write_lm(tmp_path / "whole.gguf")
    (tmp_path / "hub").mkdir()
    files = split(whole, tmp_path / "hub" / "Tiny.gguf", split_max_tensors=8)
    calls = fake_hub(monkeypatch, files[0])
    pulled = pull(FIRST, Said())
    assert (pulled.name, pulled.source) == ("tiny", FIRST)
    assert [call[2] for call in calls if call[0] == "download"] == [f"sub/{path.name}" for path in files]
    assert left(model_cache) == ["tiny.gguf", "tiny.json"]
    assert load_lm(pulled.path).n_parameters == load_lm(whole).n_parameters
    assert pull(FIRST, Said()) == pulled
    assert pull(FIRST, Said(), name="given", given=files[0]).sha256 == pulled.sha256
    files[2].unlink()
    with refused(KgptError, "shard Tiny-00003-of-00003.gguf missing"):
        pull(FIRST, Said(), name="other", given=files[0])
    assert left(model_cache) == ["given.gguf", "given.json", "tiny.gguf", "tiny.json"]


def test_the_hub_has_another_shard_than_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_cache: Path
) -> None:
    files = split(write_lm(tmp_path / "w.gguf"), tmp_path / "Tiny.gguf", split_max_tensors=8)
    fake_hub(monkeypatch, files[0], etag="f" * 64)
    with refused(KgptError, f"shard {FIRST} SHA-256 {'f' * 64}"):
        pull(FIRST, Said())
    assert left(model_cache) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf:org/file.gguf", "address model"),
        ("hf:org/repo/file.bin", "address model"),
        ("hf:org/repo/../file.gguf", "address model"),
        ("hf:org/repo/m-00002-of-00003.gguf", "shard first"),
    ],
)
def test_addresses(text: str, message: str) -> None:
    with refused(UsageError, f"{text} {message}"):
        hub.parse(text)
