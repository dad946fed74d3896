"""The arrows of docs/architecture.md hold in C and in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from arrows import arrows, c_circles, c_uses, python_uses, wrong_arrows
from rooms import KERNEL, ROOT

PACKAGE = ROOT / "kgpt_build"
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ALLOWED_C, ALLOWED_PYTHON = arrows(DOCUMENT, "C"), arrows(DOCUMENT, "Python")


def texts(root: Path, *ends: str) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for end in ends
        for path in sorted(root.rglob(f"*.{end}"))
    }


C = texts(KERNEL, "c", "h", "def")


def test_the_arrows_of_c_point_down() -> None:
    assert wrong_arrows(c_uses(C, ALLOWED_C.contracts), ALLOWED_C) == []


def test_no_c_files_call_each_other_in_a_circle() -> None:
    assert c_circles(C, ALLOWED_C.contracts) == []


def test_the_arrows_of_python_point_down() -> None:
    assert wrong_arrows(python_uses(texts(PACKAGE, "py"), PACKAGE.name), ALLOWED_PYTHON) == []


def test_every_contract_is_there() -> None:
    assert [name for name in ALLOWED_C.contracts if name not in C and f"include/{name}" not in C] == []


def test_rooms_that_the_document_does_not_know_are_seen() -> None:
    assert wrong_arrows([("attic/a.c", "core/a.h")], ALLOWED_C) == ["attic/a.c: in no room of docs/architecture.md"]


def test_a_private_header_from_above_is_seen() -> None:
    made_up = {"core/a.c": '#include "app/main.h"\n', "app/main.h": ""}
    assert wrong_arrows(c_uses(made_up), ALLOWED_C) == ["core/a.c uses app/main.h, but core is not above app"]
    assert wrong_arrows(c_uses({"app/a.c": '#include "core/a.h"\n', "core/a.h": ""}), ALLOWED_C) == []


def test_a_public_header_stands_for_the_file_behind_it() -> None:
    """But a contract stands for itself."""
    made_up = {
        "core/a.c": '#include "kgpt/b.h"\n',
        "include/kgpt/b.h": "int kg_b(int x);\n",
        "infer/b.c": "int kg_b(int x)\n{\n    return x;\n}\n",
    }
    assert wrong_arrows(c_uses(made_up), ALLOWED_C) == ["core/a.c uses infer/b.c, but core is not above infer"]
    assert wrong_arrows(c_uses(made_up, {"kgpt/b.h"}), ALLOWED_C) == []


def test_a_circle_is_seen() -> None:
    """If no header explains it."""
    made_up = {
        "core/a.c": "int kg_a(void)\n{\n    return kg_b();\n}\n",
        "core/b.c": "int kg_b(void)\n{\n    return kg_a();\n}\n",
        "core/ab.h": "/* Circle: a.c\n * b.c */\nint kg_a(void);\nint kg_b(void);\n",
    }
    assert c_circles(made_up) == []
    assert c_circles(made_up, {"core/ab.h"}) == []
    made_up["core/ab.h"] = "int kg_a(void);\nint kg_b(void);\n"
    assert c_circles(made_up) == ["core/a.c core/b.c"]
    assert c_circles(made_up, {"core/ab.h"}) == []


@pytest.mark.parametrize(
    "line",
    [
        "import kgpt_build.vm.machine",
        "from kgpt_build.vm import machine",
        "from kgpt_build import vm",
        "from ..vm import machine",
    ],
)
def test_an_import_from_above_is_seen(line: str) -> None:
    """Also inside a function."""
    made_up = {"kernel/build.py": f"def build() -> None:\n    {line}\n"}
    (wrong,) = wrong_arrows(python_uses(made_up, "kgpt_build"), ALLOWED_PYTHON)
    assert "kernel is not above vm" in wrong
