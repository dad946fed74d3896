"""Checks a linked kernel: static, W^X, layout, the loaders' headers, and the embedded model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.headers import LmBlob
from kgpt_build.headers.blob import model_blob
from kgpt_build.kernel import loaders
from kgpt_build.kernel.elf import MODEL_SECTION, ElfFile, read_elf
from kgpt_build.models import Model


def check_kernel(path: Path, model: Model | LmBlob | None = None) -> ElfFile:
    """Check the bare kernel ``path``, and that it holds ``model`` if one is given.

    Raises KgptError that names all faults.
    """
    elf = read_elf(path)
    require_kernel(elf, model)
    return elf


def require_kernel(elf: ElfFile, model: Model | LmBlob | None = None) -> None:
    """Like check_kernel, for a kernel that is in memory."""
    problems = [
        *static_problems(elf),
        *wx_problems(elf),
        *layout_problems(elf),
        *loader_problems(elf),
        *(model_problems(elf, model) if model else []),
    ]
    if problems:
        found = "; ".join(problems)
        raise KgptError(f"{elf.path} is not a kernel that can boot: {found}", "build it again with kgpt build")


def check_hosted(path: Path, model: Model | LmBlob) -> ElfFile:
    """Check that the hosted program ``path`` holds ``model``. Raises KgptError."""
    elf = read_elf(path)
    if problems := list(model_problems(elf, model)):
        raise KgptError(f"{path} is wrong: {'; '.join(problems)}", "build it again with kgpt build --target hosted")
    return elf


def static_problems(elf: ElfFile) -> Iterator[str]:
    """Nothing is left for a dynamic linker: a kernel has none."""
    kind = "ET_DYN" if elf.arch.moves_itself else "ET_EXEC"
    if elf.kind != kind:
        yield f"its ELF type is {elf.kind}, not {kind}"
    if missing := sorted(symbol.name for symbol in elf.symbols if not symbol.defined and symbol.name):
        yield f"undefined symbols: {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}"
    if any(segment.kind in ("DYNAMIC", "INTERP") for segment in elf.segments):
        yield "it asks for a dynamic linker"
    left = [section for section in elf.sections if section.kind in ("SHT_DYNAMIC", "SHT_RELA", "SHT_REL")]
    if any(section.alloc and section.size for section in left):
        yield "it has relocations left"


def wx_problems(elf: ElfFile) -> Iterator[str]:
    """W^X: no writable segment or section is executable."""
    for segment in elf.segments:
        if segment.kind in ("LOAD", "GNU_STACK") and segment.write and segment.execute:
            yield f"its {segment.kind} segment at 0x{segment.vaddr:x} is writable and executable"
    for section in elf.sections:
        if section.alloc and section.write and section.execute:
            yield f"its section {section.name} is writable and executable"


def layout_problems(elf: ElfFile) -> Iterator[str]:
    """Segments start at pages, so that paging can protect each; they rise without overlap; the entry point is code."""
    loads = elf.loads
    if not loads:
        yield "nothing of it is loaded"
    for before, after in pairwise(loads):
        if after.vaddr < before.vaddr + before.memsz:
            yield f"its segments at 0x{before.vaddr:x} and 0x{after.vaddr:x} overlap"
    page = elf.arch.page_size
    yield from (f"its segment at 0x{load.vaddr:x} does not start a page" for load in loads if load.vaddr % page)
    if not in_code(elf, elf.entry):
        yield f"its entry point 0x{elf.entry:x} is not in code"


def loader_problems(elf: ElfFile) -> Iterator[str]:
    """Each loader of the architecture finds its header."""
    for name in elf.arch.loaders:
        yield from _LOADER_PROBLEMS[name](elf)


def _pvh_problems(elf: ElfFile) -> Iterator[str]:
    entry = loaders.pvh_entry(elf)
    if entry is None:
        yield "it has no PVH note"
    elif not in_code(elf, entry):
        yield f"its PVH entry point 0x{entry:x} is not in code"


def _multiboot2_problems(elf: ElfFile) -> Iterator[str]:
    if loaders.multiboot2(elf.data) is None:
        yield f"it has no multiboot 2 header in its first {loaders.MULTIBOOT2_SEARCH} bytes"


def _multiboot1_problems(elf: ElfFile) -> Iterator[str]:
    header = loaders.multiboot1(elf.data)
    if header is None:
        yield f"it has no multiboot 1 header in its first {loaders.MULTIBOOT1_SEARCH} bytes"
    else:
        yield from _address_problems(elf, header)


def _address_problems(elf: ElfFile, header: loaders.Multiboot1) -> Iterator[str]:
    """The address fields of multiboot 1 load the same bytes to the same addresses as the program headers do."""
    if not header.has_addresses:
        yield "its multiboot 1 header has no address fields"
        return
    loads = elf.loads
    if not loads:
        return
    # The loader computes file offsets from the header: address minus offset must be the same in all segments.
    step = header.header_addr - header.offset
    yield from (
        f"multiboot 1 would load the segment at 0x{load.paddr:x} to 0x{load.offset + step:x}"
        for load in loads
        if load.filesz and load.paddr != load.offset + step
    )
    start, end = min(load.paddr for load in loads), max(load.paddr + load.filesz for load in loads)
    bss_end = max(load.paddr + load.memsz for load in loads)
    if header.load_addr != start or header.load_end_addr != end:
        yield f"multiboot 1 would load 0x{header.load_addr:x}-0x{header.load_end_addr:x}, not 0x{start:x}-0x{end:x}"
    if max(header.bss_end_addr, header.load_end_addr) < bss_end:
        yield f"multiboot 1 would clear bss up to 0x{header.bss_end_addr:x}, not 0x{bss_end:x}"
    if not in_code(elf, header.entry_addr):
        yield f"its multiboot 1 entry point 0x{header.entry_addr:x} is not in code"


def _linux_problems(elf: ElfFile) -> Iterator[str]:
    """An image for Linux's loaders is one range of the file, at its own address, and begins with its header."""
    loads, header = elf.loads, loaders.linux_image(elf)
    if header is None:
        yield "it has no header of a Linux image at its start"
        return
    first, last = loads[0], loads[-1]
    step = first.paddr - first.offset
    yield from (
        f"the segment at 0x{load.paddr:x} is at 0x{load.offset + step:x} in the image"
        for load in loads
        if load.paddr != load.offset + step
    )
    size = last.paddr + last.memsz - first.paddr
    if header.size != size or last.filesz != last.memsz:
        yield f"its header says {header.size:,} bytes, not {size:,}"


_LOADER_PROBLEMS: dict[str, Callable[[ElfFile], Iterator[str]]] = {
    "pvh": _pvh_problems,
    "multiboot1": _multiboot1_problems,
    "multiboot2": _multiboot2_problems,
    "linux": _linux_problems,
}


def model_problems(elf: ElfFile, model: Model | LmBlob) -> Iterator[str]:
    """The embedded model is ``model``, byte for byte."""
    found = elf.model_bytes()
    if found is None:
        yield f"it has no model (section {MODEL_SECTION})"
    elif not _begins_with(found, model.pieces() if isinstance(model, LmBlob) else (model_blob(model),)):
        yield "its model is not the one that was given"


def _begins_with(found: memoryview, pieces: Iterable[bytes | memoryview]) -> bool:
    at = 0
    for piece in pieces:
        if found[at : at + len(piece)] != piece:
            return False
        at += len(piece)
    return True


def in_code(elf: ElfFile, address: int) -> bool:
    """Is ``address`` in the file's part of an executable segment?"""
    return any(load.execute and load.vaddr <= address < load.vaddr + load.filesz for load in elf.loads)
