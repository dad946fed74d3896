"""`kgpt corpus --strip-comments` removes what a compiler's own lexer takes as a comment, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kgpt_build.corpora.comments import strip_comments

KERNEL = Path(__file__).resolve().parents[2] / "kernel_c"
ODD = r"""
int a = '"'; /* a */ char *s = "/* no */ // no \" /* no"; // a \
continued /* comment
int b = 4 / 2; /* * / ** // "quote */ char c = '\''; /**/ int d = a /* x */ / /* y */ b;
char *t = "ends \
/* not here */ on the next line"; //* a line
int e = a//* not a block */ b
    ; /* the end "
"""


def squeezed(text: str) -> str:
    """``text`` without white space and continued lines, in which the two may differ."""
    return re.sub(r"\s+", "", text.replace("\\\n", ""))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not there")
def test_as_gcc_removes_them_from_the_sources_of_the_kernel() -> None:
    texts = [path.read_text() for suffix in ("c", "h") for path in sorted(KERNEL.rglob(f"*.{suffix}"))]
    text = "\n".join([*texts, ODD + "*/"])
    # gcc would follow the directives, and replace __LINE__, _Pragma and others like them.
    text = re.sub(r"^(\s*)#", r"\1@", text, flags=re.MULTILINE).replace("__", "_two_")
    text = text.replace("_Pragma", "Pragma_")
    words = ["gcc", "-undef", "-E", "-P", "-x", "c", "-"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    stripped = strip_comments(text)
    assert len(stripped) < len(text)
    assert squeezed(stripped) == squeezed(done.stdout)
