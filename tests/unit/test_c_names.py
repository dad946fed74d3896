"""A name of a C function leads to one place."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from arrows import bare
from rooms import KERNEL

_ATTRIBUTE = r"__attribute__\(\(\w+\)\)"
_STATIC = re.compile(
    rf"^(?:{_ATTRIBUTE} |_Noreturn )*static[ \n](?:[\w \n*]|{_ATTRIBUTE})*?[ \n*](\w+)\([^;{{}}]*\)\n\{{", re.MULTILINE
)


def shared_statics(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Names of static functions that two files define, with the files."""
    where: dict[str, set[str]] = defaultdict(set)
    for path, text in files.items():
        for name in _STATIC.findall(bare(text)):
            where[name].add(path)
    return {name: sorted(paths) for name, paths in where.items() if len(paths) > 1}


def test_no_two_files_have_a_static_function_of_the_same_name() -> None:
    files = {str(p.relative_to(KERNEL)): p.read_text(encoding="utf-8") for p in KERNEL.rglob("*.[ch]")}
    assert len(files) > 300
    assert shared_statics(files) == {}


def test_a_name_that_comes_twice_is_seen() -> None:
    made_up = {
        "a.c": "static int take(void)\n{\n    return 1;\n}\n",
        "b.c": "__attribute__((noinline)) static inline const char *take(const char *from,\n    int n)\n{\n}\n",
        "c.c": "/* static int take(void)\n{ */\nstatic int take(void);\nint taken(void)\n{\n    return take();\n}\n",
    }
    assert shared_statics(made_up) == {"take": ["a.c", "b.c"]}
