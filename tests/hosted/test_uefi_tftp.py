"""The boot menu of kgpt.efi after a PXE boot: files by the firmware's TFTP, from a made-up server that lies."""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Callable, Iterator

import pytest
import sticks
from sticks import ENTER, ESCAPE, FILES, LOADED, MENU, MODEL, TFTP, Machine, answer, sha


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return sticks.load(tmp_path_factory.mktemp("tftp"))


@pytest.fixture(scope="module")
def memory() -> Iterator[int]:
    yield from sticks.low_memory()


Make = Callable[..., Machine]


@pytest.fixture
def make(library: ctypes.CDLL, memory: int) -> Make:
    """``make(answers=…)``: see sticks.machine_of."""
    return functools.partial(sticks.machine_of, library, memory, TFTP)


NOWHERE = bytes(4)


@pytest.mark.parametrize(
    "answers",
    [
        (answer("lm\\kgpt.efi"), None, None),
        (answer("lm/EFI/BOOT/BOOTX64.EFI"), None, None),
        (answer("", bytes([10, 0, 0, 2]), (67, b"lm/kgpt.efi")), None, None),
        (answer("", bytes([10, 0, 0, 2]), (67, b"lm/kgpt.efi\0")), None, None),
        (answer("lm/kgpt.efi", NOWHERE, (54, bytes([10, 0, 0, 2]))), None, None),
        (answer("", NOWHERE, (52, b"\1"), (54, bytes([10, 0, 0, 2])), file_field=b"\x43\x0blm/kgpt.efi"), None, None),
        (answer("", bytes([10, 0, 0, 9])), answer(), None),
        (answer("", bytes([10, 0, 0, 9])), answer("menu", bytes([10, 0, 0, 8])), answer()),
        (answer("", bytes([10, 0, 0, 9])), answer(), answer("", bytes([10, 0, 0, 8]))),
    ],
    ids=[
        *("backslash", "EFI/BOOT", "option 67", "with a NUL", "option 54", "overloaded", "a proxy", "a boot server"),
        "a boot server that names no file",
    ],
)
def test_files_lie_beside_the_boot_file(make: Make, answers: tuple[bytes | None, ...]) -> None:
    machine = make(answers=answers)
    assert machine.run(FILES)
    assert machine.modules == LOADED
    assert "100 %" in machine.said


@pytest.mark.parametrize("file", ["kgpt.efi", "EFI/BOOT/BOOTX64.EFI"])
def test_a_boot_file_in_no_folder(make: Make, file: str) -> None:
    """Names then begin with no slash, as the boot file's."""
    machine = make(answers=(answer(file), None, None))
    machine.world.in_folder = 0
    assert machine.run(FILES)
    assert machine.modules == LOADED


def test_a_server_behind_a_router(make: Make) -> None:
    machine = make(
        answers=(answer("", bytes([10, 0, 0, 9]), (3, bytes([10, 0, 0, 1]))), answer(server=b"\x0a\x07\0\2"), None)
    )
    machine.world.far_server = 1
    assert machine.run(FILES)
    assert machine.modules == LOADED


def test_firmware_that_knows_fewer_options(make: Make) -> None:
    machine = make()
    machine.world.old_client = 1
    assert machine.run(FILES)
    assert machine.modules == LOADED


@pytest.mark.parametrize(
    "broken", [b"", answer("x" * 128)[:236] + bytes(4), answer(""), bytes(1472), answer("lm/kgpt.efi")[:236]]
)
def test_an_answer_that_names_no_file(make: Make, broken: bytes) -> None:
    machine = make(answers=(broken.ljust(sticks.PACKET, b"\0"), None, None))
    assert machine.run(FILES)
    assert machine.modules == []
    assert machine.world.requests == 0


def test_more_than_65_536_blocks(make: Make) -> None:
    """Their numbers begin again at 0."""
    machine = make()
    machine.world.most_bytes = 3
    data = bytes(range(251)) * 800
    assert len(data) > 3 * 65_536
    menu = f"timeout 0\nentry a A\nmodule /models/m.gguf m.gguf sha256={sha(data)}\n".encode()
    assert machine.run({"/kgpt/menu.cfg": menu, "/models/m.gguf": data})
    assert machine.modules == [("m.gguf", data, True)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fails_after": 1 << 20}, "/models/m.gguf: the connection to the server broke"),
        ({"served_size": len(MENU) - 1}, "/kgpt/menu.cfg: it is longer than the server said"),
        ({"served_size": len(MENU) + 1}, "/kgpt/menu.cfg: it ends early"),
        ({"served_size": 1 << 62}, "/kgpt/menu.cfg: there is no memory for it"),
        ({"no_length": 1}, "/kgpt/menu.cfg: the server does not tell its size"),
        ({"http_status": 20}, "/kgpt/menu.cfg: the server does not give it"),
        ({"silent": 1}, "/kgpt/menu.cfg: the server does not answer"),
        ({"no_service": 1}, "/kgpt/menu.cfg: the firmware has no connection to the network"),
    ],
)
def test_a_server_that_lies(make: Make, change: dict[str, int], said: str) -> None:
    machine = make()
    sticks.lie(machine, change)
    machine.run(FILES)
    assert said in machine.said.replace("\n", " ")
    assert machine.modules == []


@pytest.mark.parametrize(("requests", "path", "keys"), sticks.SILENT.values(), ids=sticks.SILENT)
def test_esc_ends_the_wait_for_a_silent_server(
    make: Make, requests: int, path: str, keys: tuple[tuple[int, int], ...]
) -> None:
    """The server is silent after so many requests. Its patience is 30 s."""
    machine = make()
    machine.world.silent_after = requests
    machine.run(FILES, *keys)
    assert f"{path}: reading was stopped by Esc" in machine.said.replace("\n", " ")
    assert machine.library.driver_key_taken() < 2_500_000, "Esc was seen after more than 2.5 s"
    assert machine.modules == []


def test_esc_stops_a_file_that_comes(make: Make) -> None:
    """The server is told: the next packet is answered with an error."""
    machine = make()
    assert not machine.run({**FILES, "/models/m.gguf": MODEL * 3}, ENTER, ESCAPE)
    assert "/models/m.gguf: reading was stopped by Esc" in machine.said
    assert machine.world.refused_packets == 1


def test_a_server_that_answers_late(make: Make) -> None:
    """Firmware waits for a second, and fails: it is asked again, for 30 s in all."""
    late = make()
    late.world.tries_late = 4
    assert late.run(FILES)
    assert late.modules == LOADED
    silent = make()
    silent.world.tries_late = 100
    silent.run(FILES)
    assert "/kgpt/menu.cfg: the server does not answer" in silent.said.replace("\n", " ")
    assert 65 <= silent.world.tries_late <= 71


@pytest.mark.parametrize(("requests", "path", "keys"), sticks.SILENT.values(), ids=sticks.SILENT)
def test_a_silent_server_is_told_each_second(
    make: Make, requests: int, path: str, keys: tuple[tuple[int, int], ...]
) -> None:
    machine = make()
    machine.world.silent_after = requests
    machine.run(FILES, *keys[:-1])
    assert sticks.silences(machine.said, path) == list(range(1, 31))
    assert f"{path}: the server does not answer" in machine.said.replace("\n", " ")


def test_a_server_that_answers_is_not_called_silent(make: Make) -> None:
    machine = make()
    assert machine.run(FILES)
    assert "no answer" not in machine.said


def test_a_server_that_says_nothing_of_a_missing_menu(make: Make) -> None:
    """Some servers ignore requests for files that they do not have, and an appliance has no menu, and nobody beside
    it: its kernel starts.
    """
    machine = make()
    machine.world.silent = 1
    assert machine.run(FILES)
    left = [int(text) for text in re.findall(r"Starts without a menu in (\d+) s\.", machine.said)]
    assert left == list(range(10, 0, -1))
    assert machine.modules == []


def test_a_busy_host_does_not_make_seconds_long(make: Make) -> None:
    """The menu measures its clock by short waits, most of which last longer than they should. Each try of the firmware
    lasts a second.
    """
    machine = make()
    machine.world.slow_stalls, machine.world.tries_late = 7, 100
    machine.run(FILES)
    assert 65 <= machine.world.tries_late <= 71
