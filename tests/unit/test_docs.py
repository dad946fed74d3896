"""What the documents list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kgpt_build.cli import COMMANDS
from kgpt_build.paths import source_root

ROOT = Path(__file__).parents[2]
README_LINES, COLUMNS = 200, 110

_KEY = re.compile(r"^KG_(?:RUN|SAMPLING|LM_SAMPLING|LM|ADAM|TRAIN)\(([a-z0-9_]+), [A-Z]", re.MULTILINE)


def _keys() -> set[str]:
    """The words of the kernel's command line."""
    return set(_KEY.findall((source_root() / "kernel_c" / "include" / "kgpt" / "options.def").read_text()))


def test_every_word_of_the_command_line_is_described() -> None:
    words = set(re.findall(r"`([a-z0-9_]+)", (ROOT / "docs" / "cmdline.md").read_text()))
    assert len(_keys()) > 40
    assert _keys() <= words


def test_every_command_is_described() -> None:
    described = set(re.findall(r"`kgpt ([a-z]+)", (ROOT / "docs" / "commands.md").read_text()))
    assert set(COMMANDS) <= described


def test_every_document_can_be_found_from_the_readme_or_the_architecture() -> None:
    texts = "".join((ROOT / name).read_text() for name in ("README.md", "docs/architecture.md", "CONTRIBUTING.md"))
    assert [path.name for path in (ROOT / "docs").glob("*.md") if path.name not in texts] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= README_LINES
    assert [line for line in lines if len(line) > COLUMNS] == []


def prose(text: str) -> list[str]:
    """The lines of a document without code, tables, comments and pictures."""
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if not re.match(r"\||<!--|!\[", line)]


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_lines_of_prose_are_short(path: Path) -> None:
    long = [line for line in prose(path.read_text()) if len(line) > COLUMNS]
    assert (long != []) == (path.name in {"architecture.md", "chat.md", "platform.md"}), long
