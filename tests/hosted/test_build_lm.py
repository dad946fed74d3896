"""Images for language models: built, looked into, packed, and asked for by the command line."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import refused
from shard_files import split
from tiny_lm import write_lm

from kgpt_build import cli, models
from kgpt_build.errors import KgptError
from kgpt_build.headers import LmBlob
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.check import check_kernel
from kgpt_build.kernel.content import content_of
from kgpt_build.kernel.elf import read_elf
from kgpt_build.kernel.inspect import as_json, inspect
from kgpt_build.kernel.pack import content_for, pack
from kgpt_build.models import NO_MODEL, GgufModel


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> GgufModel:
    return models.load_lm(write_lm(tmp_path_factory.mktemp("lm") / "tiny.gguf"))


@pytest.fixture(scope="session")
def kernel(tiny: GgufModel) -> Path:
    return build_cached(tiny)


@pytest.fixture(scope="session")
def empty_kernel() -> Path:
    return build_cached(NO_MODEL)


def test_a_kernel_holds_its_model(tiny: GgufModel, kernel: Path) -> None:
    check_kernel(kernel, content_of(tiny, None))
    with refused(KgptError, f"{kernel.name} model given"):
        check_kernel(kernel, content_of(tiny, "none"))
    found = inspect(kernel)
    assert found.loaders == ("pvh", "multiboot1", "multiboot2")
    assert found.wx_problems == ()
    described = as_json(found)["model"]
    assert (described["name"], described["arch"], described["sha256"]) == ("Tiny llama", "llama", tiny.sha256)
    assert (described["types"], described["tokenizer"]) == (dict(tiny.types), "gpt2")
    assert (described["pre_tokenizer"], described["chat_family"]) == ("gpt-2", "chatml")
    assert described["hyperparameters"]["n_ctx"] == 16


def test_the_same_build_is_found_in_the_cache(tiny: GgufModel, kernel: Path) -> None:
    assert build_cached(tiny.path) == kernel
    assert build_cached(tiny, chat_template="none") != kernel


def test_shards_are_built_and_run_as_one_model(tiny: GgufModel, tmp_path: Path) -> None:
    first = split(tiny.path, tmp_path / "shard.gguf", split_max_tensors=8)[0]
    described = as_json(inspect(build_cached(first)))["model"]
    assert (described["parameters"], described["types"]) == (tiny.n_parameters, dict(tiny.types))
    words = ("--target", "hosted", "--prompt", "abc", "--max-tokens", "9", "--temperature", "3", "--seed", "5")
    texts = {
        subprocess.run(
            [sys.executable, "-m", "kgpt_build", "run", str(path), *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        ).stdout
        for path in (first, tiny.path)
    }  # fmt: skip
    assert len(texts) == 1
    assert texts != {""}


def test_the_hosted_program_holds_it_too(tiny: GgufModel) -> None:
    found = inspect(build_cached(tiny, target="hosted"))
    assert found.model is not None
    assert found.model.sha256 == tiny.sha256


def test_a_model_is_packed_into_a_kernel_without_one(tiny: GgufModel, empty_kernel: Path, tmp_path: Path) -> None:
    """And another one into that, and a small one after it."""
    content = content_for(empty_kernel, tiny.path, None)
    first = pack(empty_kernel, content, tmp_path / "first.elf")
    check_kernel(tmp_path / "first.elf", content)
    other = models.load_lm(write_lm(tmp_path / "other.gguf", "qwen3"))
    second = content_for(tmp_path / "first.elf", other.path, "none")
    assert isinstance(second, LmBlob)
    assert second.chat == b""
    pack(tmp_path / "first.elf", second, tmp_path / "second.elf")
    check_kernel(tmp_path / "second.elf", second)
    micro = content_for(empty_kernel, models.DEFAULT_MODEL, None)
    pack(tmp_path / "second.elf", micro, tmp_path / "third.elf")
    found = inspect(tmp_path / "third.elf").model
    assert found is not None
    assert found.lm is not None
    assert found.lm.arch == "microgpt"
    packed = read_elf(tmp_path / "first.elf")
    assert packed.symbol_by_name["kg_image_end"].address == first.loads[-1].vaddr + content_size(content)


def content_size(content: object) -> int:
    assert isinstance(content, LmBlob)
    return content.layout.size


def test_kinds_of_kernels_are_told_apart(kernel: Path, tiny: GgufModel, tmp_path: Path) -> None:
    micro = build_cached()
    with refused(KgptError, "kernel architecture microgpt model Tiny llama"):
        pack(micro, content_for(micro, tiny.path, None), tmp_path / "x.elf")
    with refused(KgptError, "kernel language models model default microgpt"):
        pack(kernel, models.load_microgpt(), tmp_path / "x.elf")
    assert not (tmp_path / "x.elf").exists()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which more than one build finds the objects of the one before."""
    return tmp_path_factory.mktemp("workshop")


def test_the_command_line(tiny: GgufModel, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `kgpt build` was asked for is in the manifest, whose line repeats the build."""
    monkeypatch.chdir(workshop)
    words = ["build", str(tiny.path), "--system", "Be brief.", "--ctx", "8", "--chat-template", "llama3", "-o", "a"]
    assert cli.invoke(words) == 0
    described = json.loads(Path("a/manifest.json").read_text())
    assert described["cmdline"] == 'system="Be brief." ctx=8'
    assert (described["lm"], described["chat_template"]) == (False, "llama3")
    assert (described["model"]["arch"], described["model"]["sha256"]) == ("llama", tiny.sha256)
    Path("a/kernel.elf").rename("first.elf")
    assert cli.invoke(shlex.split(described["reproduce"])[1:]) == 0
    assert Path("a/kernel.elf").read_bytes() == Path("first.elf").read_bytes()


def test_without_a_model(workshop: Path, monkeypatch: pytest.MonkeyPatch, empty_kernel: Path) -> None:
    monkeypatch.chdir(workshop)
    Path("model.gguf").write_bytes(models.DEFAULT_MODEL.read_bytes())  # --lm alone does not take it
    assert cli.invoke(["build", "--lm", "-o", "a"]) == 0
    assert Path("a/kernel.elf").read_bytes() == empty_kernel.read_bytes()
    described = json.loads(Path("a/manifest.json").read_text())
    assert (described["lm"], described["model"]["arch"], described["model"]["file"]) == (True, "none", None)
    assert " --lm" in described["reproduce"]
    assert inspect(empty_kernel).model is not None


def test_a_context_that_is_too_long_is_refused_before_the_boot(
    tiny: GgufModel,
    kernel: Path,
    empty_kernel: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In an image that is there already, and of a model that comes as a module, which is the one in use."""
    monkeypatch.setattr("kgpt_build.cli.talk.run.find_qemu", lambda _arch: "qemu")
    for words in ([str(kernel)], [str(empty_kernel), "--model", str(tiny.path)]):
        assert cli.invoke(["run", *words, "--ctx", "17", "--accel", "tcg", "--dry-run"]) == 2
        assert "a context of 17 is more than Tiny llama was trained for" in capsys.readouterr().err
