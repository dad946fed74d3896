"""What the documents list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import generate_options
import pytest

from kgpt_build.cli import COMMANDS
from kgpt_build.settings import options

ROOT = Path(__file__).parents[2]
README_LINES, COLUMNS = 200, 110


def test_the_tables_of_the_command_line_are_current() -> None:
    text = generate_options.DOCUMENT.read_text()
    assert text == generate_options.document(text), "run make generated"
    assert set(options()) <= set(re.findall(r"`([a-z0-9_]+)", text))


def test_every_command_is_described() -> None:
    described = set(re.findall(r"`kgpt ([a-z]+)", (ROOT / "docs" / "commands.md").read_text()))
    assert set(COMMANDS) <= described


def test_every_command_of_the_chat_is_described() -> None:
    app = ROOT / "kernel_c" / "app"
    sources = "".join(path.read_text() for room in ("shell", "chat") for path in (app / room).glob("*.c"))
    rows = re.findall(r'\{"([a-z?]+)", "[^{}]*, KG_(?:CHAT|SHELL_AND_CHAT)\}', sources)
    assert {"set", "history", "?"} <= set(rows)
    assert set(rows) <= set(re.findall(r"`/([a-z?]+)", (ROOT / "docs" / "chat.md").read_text()))


def test_every_document_can_be_found_from_the_readme_or_the_architecture() -> None:
    texts = "".join((ROOT / name).read_text() for name in ("README.md", "docs/architecture.md", "CONTRIBUTING.md"))
    assert [path.name for path in (ROOT / "docs").glob("*.md") if path.name not in texts] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


def anchors(path: Path) -> set[str]:
    """What a link can name in a document: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_lead_to_a_heading(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]*)\)", path.read_text()):
        assert anchor in anchors(path.parent / target if target else path), anchor


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= README_LINES
    assert [line for line in lines if len(line) > COLUMNS] == []


def prose(text: str) -> list[str]:
    """The lines of a document without code, tables, comments and pictures."""
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if not re.match(r"\||<!--|!\[", line)]


@pytest.mark.parametrize(
    "path", [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_lines_of_prose_are_short(path: Path) -> None:
    assert [line for line in prose(path.read_text()) if len(line) > COLUMNS] == []


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_sources_that_are_named_exist(path: Path) -> None:
    """A path may begin at a room: `x86_64/start.c`."""
    folders = ("kernel_c", "kgpt_build", "tests", "boot", "linker", "benchmarks", "scripts")
    sources = {str(file) for folder in folders for file in (ROOT / folder).rglob("*.*")}
    named = re.findall(r"`([\w/.-]+/[\w.-]+\.(?:py|c|h|def|mk|S|ld))`", path.read_text())
    assert [name for name in named if not any(source.endswith(f"/{name}") for source in sources)] == []


def test_paths_in_contributing_exist() -> None:
    """Of each, a file or a folder below the repository's root; an upper-case NAME stands for what is added."""
    words = re.findall(r"`([^` ]*/[^` ]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    paths = [word for word in words if "NAME" not in word]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
