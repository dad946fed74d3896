"""What the kernel and the host share of the memory that lasts: kernel_c/include/kgpt/store.def."""

from __future__ import annotations

from kgpt_build.def_files import Row, rows


def _rows(kind: str) -> list[Row]:
    return [row for row in rows("include/kgpt/store.def") if row.kind == kind]


NUMBERS = {row.arguments[0]: int(row.arguments[1]) for row in _rows("STORE_NUMBER")}
TEXTS = {row.arguments[0]: row.arguments[1] for row in _rows("STORE_TEXT")}
KINDS = {int(row.arguments[1]): row.arguments[2] for row in _rows("STORE_KIND")}
"""Kinds of records, by their numbers."""
KIND_NUMBERS = {row.arguments[0]: int(row.arguments[1]) for row in _rows("STORE_KIND")}
KEPT_NUMBERS = {row.arguments[0]: int(row.arguments[1]) for row in _rows("KEPT_NUMBER")}
KEPT_TEXTS = {row.arguments[0]: row.arguments[1] for row in _rows("KEPT_TEXT")}
