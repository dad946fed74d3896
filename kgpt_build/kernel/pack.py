"""Replaces the model in a linked kernel by lief, without a compiler.

The linker script puts the model into the last segment, and the kernel reads its own end from a loader's header.
So a model of another size changes only bytes, sizes and end addresses.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import lief

from kgpt_build import models, paths
from kgpt_build.errors import KgptError
from kgpt_build.headers import LmBlob
from kgpt_build.headers.blob import BlobInfo, Layout, layout, model_blob, read_blob
from kgpt_build.kernel import check, loaders
from kgpt_build.kernel.content import content_of
from kgpt_build.kernel.elf import MODEL_SECTION, ElfFile, Section, parse_elf, read_elf
from kgpt_build.models import Model

_E_SHOFF, _E_SHENTSIZE, _SH_OFFSET = 40, 58, 24
_ALIGN = 64


def content_for(image_path: Path, model: Path, chat_template: str | None) -> Model | LmBlob:
    """The content of the file ``model`` for the kernel ``image_path``. Raises KgptError, UsageError."""
    elf = read_elf(image_path)
    if _embedded(elf).is_lm and model.suffix == ".gguf":
        return content_of(models.load_lm(model), chat_template)
    return content_of(models.load(model), chat_template)


def pack(image_path: Path, model: Model | LmBlob, out: Path) -> ElfFile:
    """Write the kernel ``image_path`` with ``model`` in it to ``out``, atomically, and return it.

    Raises KgptError if the kernel is damaged, holds no model or one of another architecture, or the result would not
    pass the checks that a built kernel passes.
    """
    elf = check.check_kernel(image_path)
    _require_same_arch(elf, model)
    data = _with_model(elf, model)
    packed = parse_elf(out, data)
    check.require_kernel(packed, model)
    paths.write_atomically(out, data, mode=0o755)
    return packed


def _require_same_arch(elf: ElfFile, model: Model | LmBlob) -> None:
    embedded = _embedded(elf)
    if embedded.is_lm != isinstance(model, LmBlob) or (isinstance(model, Model) and embedded.arch != model.arch):
        given = model.model if isinstance(model, LmBlob) else model
        ours = "language models" if embedded.is_lm else f"the architecture {embedded.arch}"
        raise KgptError(
            f"{elf.path} is a kernel for {ours}, the model {given.name} is {given.arch}",
            "build a kernel for this model: kgpt build",
        )


def _embedded(elf: ElfFile) -> BlobInfo:
    """The header of the model in ``elf``. Raises KgptError if it is missing or damaged."""
    blob = elf.model_bytes()
    try:
        if blob is None:
            raise KgptError("it has no model to replace", "give a kernel that kgpt build made")
        return read_blob(blob)
    except KgptError as error:
        raise KgptError(f"{elf.path}: {error.message}", error.hint) from error


def _with_model(elf: ElfFile, model: Model | LmBlob) -> bytes:
    """The bytes of ``elf`` with ``model`` in the place of its own."""
    place, section = _layout(model), _model_section(elf)
    data = bytearray(_resized(elf.data, section, place.size, _symbols(section.address, model)))
    at = section.offset
    for piece in model.pieces() if isinstance(model, LmBlob) else [model_blob(model)]:
        data[at : at + len(piece)] = piece
        at += len(piece)
    if place.size < section.size:  # overwrite all of the old model
        end = section.offset + section.size
        data[at:end] = bytes(end - at)
        _close_gap(data, at, end)
    return loaders.with_end(bytes(data), elf, section.address + place.size)  # nothing before the model has moved


def _close_gap(data: bytearray, begin: int, end: int) -> None:
    """Remove the zeros from ``begin`` to ``end``: move section headers and unloaded sections down over them.

    They move by a multiple of their largest alignment, so a few zeros stay.
    """
    distance = (end - begin) // _ALIGN * _ALIGN
    (headers,) = struct.unpack_from("<Q", data, _E_SHOFF)
    size, count = struct.unpack_from("<2H", data, _E_SHENTSIZE)
    for place in [headers + i * size + _SH_OFFSET for i in range(count)]:
        (offset,) = struct.unpack_from("<Q", data, place)
        if offset >= end:
            struct.pack_into("<Q", data, place, offset - distance)
    if headers >= end:
        struct.pack_into("<Q", data, _E_SHOFF, headers - distance)
    del data[end - distance : end]


def _layout(model: Model | LmBlob) -> Layout:
    return model.layout if isinstance(model, LmBlob) else layout(model)


def _model_section(elf: ElfFile) -> Section:
    """The section of the model. Raises KgptError unless the last segment holds only this section."""
    section = elf.section(MODEL_SECTION)
    last = max(elf.loads, key=lambda load: load.vaddr)
    if section is None or (section.address, section.size) != (last.vaddr, last.filesz):
        raise KgptError(f"{elf.path}: its model is not alone in the last segment", "build it again with kgpt build")
    return section


def _symbols(address: int, model: Model | LmBlob) -> dict[str, tuple[int, int]]:
    """Name -> new (address, size) of the symbols that depend on the model; the section begins at ``address``."""
    place, vocab = _layout(model), "kgpt_chat" if isinstance(model, LmBlob) else "kgpt_vocab"
    end = (address + place.size, 0)
    return {
        vocab: (address + place.vocab_offset, place.vocab_size),
        "kgpt_weights": (address + place.weights_offset, place.weights_size),
        "kg_model_end": end,
        "kg_image_end": end,
    }


def _resized(data: bytes, section: Section, size: int, symbols: dict[str, tuple[int, int]]) -> bytes:
    """``data`` with ``size`` bytes for its model section; the rest of the file moves up if the section grows.

    lief does not write the content: it would hold each byte several times in memory.
    """
    lief.logging.disable()  # lief's warnings do not concern the user; the result is checked
    elf = lief.ELF.parse(io.BytesIO(data))
    target = elf.get_section(section.name) if elf else None
    if elf is None or target is None:
        raise KgptError("lief cannot read the kernel", "build it again with kgpt build")
    if size > section.size:
        elf.extend(target, size - section.size)  # moves the file offsets of all that follows, not of the section
    else:
        segment = next(segment for segment in elf.segments if segment.virtual_address == section.address)
        target.size = segment.physical_size = segment.virtual_size = size
    for symbol in elf.symtab_symbols:
        if symbol.name in symbols:
            symbol.value, symbol.size = symbols[str(symbol.name)]
    return bytes(elf.write_to_bytes())
