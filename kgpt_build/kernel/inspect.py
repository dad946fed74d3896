"""Inspects a kernel: loaders, segments, sizes, model, self-tests, and whether W^X holds."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kgpt_build.arch import Arch
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import sha256_of
from kgpt_build.headers.blob import BlobInfo, read_blob
from kgpt_build.headers.prefill import Prefill
from kgpt_build.kernel import check, loaders
from kgpt_build.kernel.elf import MODEL_SECTION, TESTS_SECTION, ElfFile, Section, Segment, Symbol, read_elf

_LARGEST = 10
_TEST_CASE = struct.Struct("<QQQ")  # struct kg_test_case of kernel_c/include/kgpt/test.h: name, file, function
_NAME_LIMIT = 256


@dataclass(frozen=True)
class Inspection:
    """All that `kgpt inspect` shows; sizes in bytes. ``wx_problems`` is empty where W^X holds."""

    path: Path
    size: int
    sha256: str
    entry: int
    arch: Arch
    loaders: tuple[str, ...]
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    largest: tuple[Symbol, ...]
    kernel_size: int
    model: BlobInfo | None
    tests: tuple[str, ...]
    wx_problems: tuple[str, ...]


def inspect(path: Path) -> Inspection:
    """Inspect the kernel ``path``. Raises KgptError if it or its model is damaged."""
    elf = read_elf(path)
    blob = elf.model_bytes()
    try:
        model, tests = read_blob(blob) if blob is not None else None, test_names(elf)
    except KgptError as error:
        raise KgptError(f"{path}: {error.message}", error.hint) from error
    return Inspection(
        path=path,
        size=len(elf.data),
        sha256=sha256_of(path),
        entry=elf.entry,
        arch=elf.arch,
        loaders=tuple(loaders.supported(elf)),
        segments=tuple(elf.loads),
        sections=tuple(section for section in elf.sections if section.alloc),
        largest=_largest_symbols(elf),
        kernel_size=kernel_size(elf),
        model=model,
        tests=tests,
        wx_problems=tuple(check.wx_problems(elf)),
    )


def kernel_size(elf: ElfFile) -> int:
    """Bytes of text and read-only data without the model."""
    return sum(
        section.size
        for section in elf.sections
        if section.alloc and not section.write and section.name != MODEL_SECTION
    )


def test_names(elf: ElfFile) -> tuple[str, ...]:
    """The names ("suite.name") of the self-tests in the kernel, in the order in which it runs them.

    Raises KgptError if the list points outside of the kernel.
    """
    section = elf.section(TESTS_SECTION)
    if section is None:
        return ()
    cases = elf.section_bytes(section)
    whole = len(cases) - len(cases) % _TEST_CASE.size
    return tuple(_text(elf, name) for name, *_ in _TEST_CASE.iter_unpack(cases[:whole]) if name)


def _text(elf: ElfFile, address: int) -> str:
    """The NUL-terminated text at ``address``."""
    for segment in elf.loads:
        start = address - segment.vaddr
        if 0 <= start < segment.filesz:
            begin = segment.offset + start
            raw, end, _ = elf.data[begin : begin + min(_NAME_LIMIT, segment.filesz - start)].partition(b"\0")
            if end and raw.isascii():
                return raw.decode()
    raise KgptError(f"damaged: the name of a self-test is not at 0x{address:x}", "build it again with kgpt build")


def _largest_symbols(elf: ElfFile) -> tuple[Symbol, ...]:
    sized = [symbol for symbol in elf.symbols if symbol.size and symbol.kind in ("STT_FUNC", "STT_OBJECT")]
    return tuple(sorted(sized, key=lambda symbol: (-symbol.size, symbol.name))[:_LARGEST])


def as_json(found: Inspection) -> dict[str, Any]:
    """``found`` in plain types, for `--json`; addresses are strings, ``"0x…"``, as in the machine channel."""
    return {
        "file": str(found.path),
        "size": found.size,
        "sha256": found.sha256,
        "entry": hex(found.entry),
        "arch": found.arch.name,
        "loaders": list(found.loaders),
        "wx": not found.wx_problems,
        "wx_problems": list(found.wx_problems),
        "kernel_size": found.kernel_size,
        "segments": [
            {
                "address": hex(segment.vaddr),
                "file_size": segment.filesz,
                "memory_size": segment.memsz,
                "permissions": segment.permissions,
            }
            for segment in found.segments
        ],
        "sections": [
            {"name": section.name, "address": hex(section.address), "size": section.size} for section in found.sections
        ],
        "largest_symbols": [
            {"name": symbol.name, "address": hex(symbol.address), "size": symbol.size} for symbol in found.largest
        ],
        "model": _model_json(found.model) if found.model else None,
        "tests": list(found.tests),
    }


def _model_json(model: BlobInfo) -> dict[str, Any]:
    described = {
        "name": model.name,
        "arch": model.arch,
        "sha256": model.sha256,
        "size": model.size,
        "parameters": model.n_parameters,
        "hyperparameters": asdict(model.hparams),
    }
    if not model.is_lm:
        return {**described, "tokens": list(model.tokens)}
    if model.lm is None:
        return described
    return {
        **described,
        "arch": model.lm.arch,
        "hyperparameters": asdict(model.lm.hparams),
        "types": dict(model.lm.types),
        "tokenizer": model.lm.vocabulary.model,
        "pre_tokenizer": model.lm.vocabulary.pre,
        "chat_family": model.chat_family,
        "prefill": _prefill_json(model.prefill) if model.prefill else None,
    }


def _prefill_json(prefill: Prefill) -> dict[str, Any]:
    return {"tokens": len(prefill.tokens), "kv": prefill.kv, "size": prefill.size, "system": prefill.system}
