"""Models to pull: wheels with tiny models, pip and the cache, all of them fakes; for kgpt pull's tests."""

from __future__ import annotations

import hashlib
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tiny_lm import write_lm

from kgpt_build import process
from kgpt_build.models import catalog
from kgpt_build.models.catalog import Known, Wheel
from kgpt_build.models.pull.terms import Terms

HF = "hf:someone/tiny-GGUF/sub/Tiny.Q8_0.gguf"


class Said:
    """Progress that is kept."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def amount(self, done: int, total: int) -> None:
        assert 0 <= done <= total


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def model_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def tiny_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a tiny model, which the catalog calls tiny."""
    model = write_lm(tmp_path / "tiny.gguf")
    path = tmp_path / "tiny_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(model, "tiny_package/tiny.gguf")
    known = Known(
        wheels=(Wheel("tiny-package==1.0", "tiny_package/tiny.gguf", sha256(path), path.stat().st_size),),
        sha256=sha256(model),
        size=model.stat().st_size,
        license="none",
        about="says little",
    )
    monkeypatch.setitem(catalog.KNOWN, "tiny", known)
    return path


@pytest.fixture
def parted_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three wheels, whose parts make a model that comes under terms; the catalog calls it parted."""
    model = write_lm(tmp_path / "parted.gguf")
    data, folder, wheels = model.read_bytes(), tmp_path / "parts", []
    folder.mkdir()
    for number in range(3):
        path = folder / f"parted_{number}-1.0-py3-none-any.whl"
        member = f"parted_{number}/data/model.part{number}"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, data[number * 1000 : (number + 1) * 1000 if number < 2 else None])
            archive.writestr(f"parted_{number}/__init__.py", "raise RuntimeError('imported')")
        wheels.append(Wheel(f"parted-{number}==1.0", member, sha256(path), path.stat().st_size))
    terms_of_it = Terms("the Terms of Parts", "You may do with it\nwhat parts allow.", "https://parts.invalid/terms")
    known = Known(tuple(wheels), sha256(model), model.stat().st_size, "Parts", "in parts", terms_of_it)
    monkeypatch.setitem(catalog.KNOWN, "parted", known)
    return folder


@pytest.fixture
def fake_pip(tiny_wheel: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """pip that brings the wheel; the calls of it."""
    calls: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> process.Completed:
        calls.append([str(word) for word in argv])
        folder = Path(argv[argv.index("--dest") + 1])
        folder.mkdir()
        (folder / tiny_wheel.name).write_bytes(tiny_wheel.read_bytes())
        return process.Completed("")

    monkeypatch.setattr(process, "run", run)
    return calls


def left(cache: Path) -> list[str]:
    """What lies in the folder of models."""
    return sorted(path.name for path in (cache / "models").iterdir() if path.name != ".lock")


def fake_hub(monkeypatch: pytest.MonkeyPatch, model: Path, **changes: Any) -> list[tuple[Any, ...]]:
    """A huggingface_hub that has one file, by any name, or those in its folder, by their names; its calls."""
    calls: list[tuple[Any, ...]] = []

    def named(file: str) -> Path:
        found = model.with_name(file.rpartition("/")[2])
        return found if found.exists() else model

    def hf_hub_url(repository: str, file: str) -> str:
        return f"{repository}|{file}"

    def get_hf_file_metadata(url: str) -> Any:
        calls.append(("metadata", url))
        if isinstance(changes.get("error"), Exception):
            raise changes["error"]
        file = named(url)
        said = {"etag": sha256(file), "size": file.stat().st_size, "commit_hash": "c0ffee", **changes}
        return types.SimpleNamespace(**said)

    def hf_hub_download(repository: str, file: str, *, revision: str, local_dir: str) -> str:
        calls.append(("download", repository, file, revision))
        target = Path(local_dir) / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(named(file).read_bytes())
        return str(target)

    module = types.ModuleType("huggingface_hub")
    for function in (hf_hub_url, get_hf_file_metadata, hf_hub_download):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls
