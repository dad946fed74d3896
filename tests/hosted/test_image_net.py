"""``kgpt image net``: the folder that a server gives to PCs without a disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tiny_lm import write_lm

from kgpt_build.cli import invoke
from kgpt_build.errors import UsageError
from kgpt_build.kernel import pe


def test_the_folder_has_all_that_the_menu_names(tmp_path: Path) -> None:
    model, out = write_lm(tmp_path / "tiny.gguf"), tmp_path / "new" / "served"
    assert invoke(["image", "net", str(model), "default", "-o", str(out)]) == 0
    pe.require_efi(pe.read_pe(out / "kgpt.efi"))
    lines = [line.split() for line in (out / "kgpt" / "menu.cfg").read_text().splitlines()]
    for kernel in {line[1] for line in lines if line[:1] == ["kernel"]}:
        pe.require_efi(pe.read_pe(out / kernel.lstrip("/")))
    modules = [line for line in lines if line[:1] == ["module"]]
    assert {line[1] for line in modules} == {"/models/tiny.gguf", "/models/tiny.kgct"}
    for _, path, *words in modules:
        digest = hashlib.sha256((out / path.lstrip("/")).read_bytes()).hexdigest()
        assert f"sha256={digest}" in words
    assert (out / "models" / "tiny.gguf").read_bytes() == model.read_bytes()


def test_a_folder_with_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("x")
    assert invoke(["image", "net", "default", "-o", str(tmp_path)]) == UsageError.exit_code
    assert "is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
