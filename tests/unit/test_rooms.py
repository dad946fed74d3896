"""Each room lists its own sources, and kernel.mk includes every room."""

from __future__ import annotations

import re

import pytest
from rooms import KERNEL, listed

ROOMS = sorted(str(path.parent.relative_to(KERNEL)) for path in KERNEL.rglob("room.mk"))
_IMAGES = (
    *("ENGINE", "ENGINE_NO_LM", "ENGINE_LM", "ENGINE_NO_TRAIN", "ENGINE_TRAIN", "ENGINE_LARGE"),
    "ENGINE_NO_LARGE",
    *("MODEL", "MODEL_TRAIN", "BARE", "BARE_DRIVERS", "BARE_NO_DRIVERS", "BARE_NET", "BARE_NO_NET"),
    *("HOSTED", "RUNTIME", "UEFI"),
)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_its_sources(room: str) -> None:
    """All of them, and no others."""
    there = {f"kernel_c/{path.relative_to(KERNEL)}" for end in ("c", "S") for path in (KERNEL / room).glob(f"*.{end}")}
    assert set(listed(*_IMAGES, rooms=(room,))) == there


def test_no_source_is_in_no_room() -> None:
    sources = {str(path.parent.relative_to(KERNEL)) for end in ("c", "S") for path in KERNEL.rglob(f"*.{end}")}
    assert sources == set(ROOMS)


def test_the_makefile_includes_every_room() -> None:
    text = (KERNEL / "kernel.mk").read_text(encoding="utf-8").replace("\\\n", " ")
    words = {word for _, value in re.findall(r"^(ROOMS\w*) :=(.*)$", text, re.MULTILINE) for word in value.split()}
    assert {word for word in words if not word.startswith("$")} == set(ROOMS)


def test_hosted_tests_have_every_driver() -> None:
    header = (KERNEL.parent / "tests" / "hosted" / "drivers.h").read_text(encoding="utf-8")
    rooms = [room for room in ROOMS if room.startswith("platform/drivers")]
    included = {f"kernel_c/{name}" for name in re.findall(r'#include "(platform/.*\.c)"', header)}
    assert included == set(listed("BARE_DRIVERS", "BARE_NET", rooms=rooms))
