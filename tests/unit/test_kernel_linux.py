"""Checks of kernels for loaders of Linux, and a model of another size in one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elves import AARCH64, BASE, PAGE, Elf
from toy import toy_model

from kgpt_build.errors import KgptError
from kgpt_build.kernel import check, loaders
from kgpt_build.kernel.elf import read_elf

GOOD = Elf(toy_model(), machine=AARCH64, elf_type=3)


def test_a_good_kernel(tmp_path: Path) -> None:
    kernel = check.check_kernel(GOOD.write(tmp_path / "k.elf"), GOOD.model)
    assert loaders.supported(kernel) == ["pvh", "linux"]  # the note is for x86-64, but it is there
    header = loaders.linux_image(kernel)
    assert header is not None
    assert (header.offset, BASE + header.size) == (PAGE, kernel.loads[-1].paddr + kernel.loads[-1].memsz)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"elf_type": 2}, "its ELF type is ET_EXEC, not ET_DYN"),
        ({"image_size": PAGE}, "its header says 4,096 bytes, not "),
        ({"undefined": "memcpy"}, "undefined symbols: memcpy"),
        ({"text_flags": 7}, "writable and executable"),
        ({"entry": BASE + 2 * PAGE}, "is not in code"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(KgptError) as caught:
        check.check_kernel(replace(GOOD, **change).write(tmp_path / "k.elf"))
    assert words in caught.value.message


def test_segments_that_are_not_one_range(tmp_path: Path) -> None:
    """A loader takes the bytes as they follow each other in the file."""
    data = bytearray(GOOD.build())
    at = 64 + 2 * 56 + 8  # the place in the file of the third segment
    data[at : at + 8] = (5 * PAGE).to_bytes(8, "little")
    (path := tmp_path / "k.elf").write_bytes(data.ljust(6 * PAGE, b"\0"))
    with pytest.raises(KgptError) as caught:
        check.check_kernel(path)
    assert f"the segment at 0x{BASE + 2 * PAGE:x} is at 0x{BASE + 4 * PAGE:x} in the image" in caught.value.message


def test_a_header_that_is_not_there(tmp_path: Path) -> None:
    data = bytearray(GOOD.build())
    data[PAGE + 56] ^= 1
    (path := tmp_path / "k.elf").write_bytes(data)
    assert list(check.loader_problems(read_elf(path))) == ["it has no header of a Linux image at its start"]


def test_another_end(tmp_path: Path) -> None:
    """The header says how much of memory the kernel takes with its model."""
    kernel = read_elf(GOOD.write(tmp_path / "k.elf"))
    changed = loaders.with_end(kernel.data, kernel, BASE + 0x123440)
    assert [i for i, (a, b) in enumerate(zip(kernel.data, changed, strict=True)) if a != b]
    (tmp_path / "other.elf").write_bytes(changed)
    header = loaders.linux_image(read_elf(tmp_path / "other.elf"))
    assert header is not None
    assert header.size == 0x123440
