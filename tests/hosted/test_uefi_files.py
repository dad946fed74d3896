"""The boot menu of kgpt.efi and its files, from a made-up medium or server that lies, breaks off or is silent."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
import sticks
from sticks import (
    CHAT,
    DENIED,
    DOWN,
    ENTER,
    ESCAPE,
    FILES,
    HTTP,
    LOADED,
    MENU,
    MODEL,
    ROOM,
    STICK,
    TFTP,
    Machine,
    device_path,
    node,
    sha,
)

from kgpt_build.headers import font
from kgpt_build.vm.picture import Picture
from kgpt_build.vm.screen import Screen, read_pixels


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return sticks.load(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def memory() -> Iterator[int]:
    yield from sticks.low_memory()


Make = Callable[..., Machine]


@pytest.fixture
def make(library: ctypes.CDLL, memory: int) -> Make:
    """``make(server, url)``: see sticks.machine_of."""
    return functools.partial(sticks.machine_of, library, memory)


everywhere = pytest.mark.parametrize("server", [STICK, HTTP, TFTP], ids=["stick", "http", "tftp"])


@everywhere
def test_the_default_entry_is_loaded_after_its_time(make: Make, server: int) -> None:
    machine = make(server)
    assert machine.run(FILES)
    assert machine.modules == LOADED
    assert machine.words == "mode=chat"
    assert "Starts in 1 s" in machine.said
    assert "100 %" in machine.said


@everywhere
@pytest.mark.parametrize("most", [1, 100, 4096, 1 << 19])
def test_reads_are_as_short_as_firmware_likes(make: Make, server: int, most: int) -> None:
    machine = make(server)
    machine.world.most_bytes = most
    files = {**FILES, "/models/m.gguf": b"x" * 5000}
    assert machine.run({**files, "/kgpt/menu.cfg": MENU.replace(sha(MODEL), sha(b"x" * 5000)).encode()})
    assert machine.modules[0][1] == b"x" * 5000


@everywhere
def test_without_a_menu_the_kernel_starts(make: Make, server: int) -> None:
    machine = make(server)
    assert machine.run({})
    assert machine.modules == []
    assert machine.said == ""


def _absent(name: str) -> tuple[str, str, str]:
    text = f"/models/{name}: it is not on the "
    return f"{text}stick", f"{text}server (404)", f"{text}server"


@everywhere
@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"/models/m.gguf": None},
            (
                "/models/m.gguf: it is not on the stick",
                "it is not on the server (404)",
                "m.gguf: it is not on the server",
            ),
        ),
        (
            {"/models/m.kgct": None},
            (
                "/models/m.kgct: it is not on the stick",
                "it is not on the server (404)",
                "m.kgct: it is not on the server",
            ),
        ),
        ({"/models/m.gguf": MODEL[:-1] + b"!"}, ("/models/m.gguf: it is damaged: its SHA-256 is",) * 3),
        ({"/models/m.gguf": MODEL[:-1]}, ("/models/m.gguf: it is damaged: its SHA-256 is",) * 3),
        ({"/models/m.kgct": bytes(ROOM)}, ("/models/m.kgct: there is no memory for its 26 MB in one piece",) * 3),
    ],
    ids=["no model", "no template", "another byte", "a byte less", "too large"],
)
def test_a_wrong_file_leads_back_to_the_menu(
    make: Make, server: int, files: dict[str, bytes | None], said: tuple[str, str, str]
) -> None:
    """The second try of the same entry then fails in the same way: nothing starts by itself any more."""
    machine = make(server)
    changed = {path: data for path, data in {**FILES, **files}.items() if data is not None}
    assert not machine.run(changed)
    assert "kgpt: NOT STARTED" in machine.said
    assert said[server] in machine.said
    assert machine.modules == []


@everywhere
def test_after_an_error_another_entry_can_be_chosen(make: Make, server: int) -> None:
    """Esc stops the reading of the first entry; any key leads to the menu, which waits; then another kernel starts."""
    machine = make(server)
    keys = (ENTER, ESCAPE, (0, ord("x")), DOWN, ENTER)
    assert not machine.run({**FILES, "/kgpt/other.efi": b"a program"}, *keys)
    assert "/models/m.gguf: reading was stopped by Esc" in machine.said
    assert machine.world.started == 1
    options = ctypes.string_at(machine.library.driver_options(), 2 * len("menu=other mode=shell")).decode("utf-16-le")
    assert options == "menu=other mode=shell"


@everywhere
def test_a_program_that_secure_boot_refuses(make: Make, server: int) -> None:
    machine = make(server)
    machine.world.load_status = DENIED
    assert not machine.run({**FILES, "/kgpt/other.efi": b"a program"}, DOWN, ENTER)
    assert "/kgpt/other.efi: Secure Boot refuses this program" in machine.said


@everywhere
def test_a_program_that_is_missing(make: Make, server: int) -> None:
    machine = make(server)
    machine.world.load_status = 1 << 63 | 14
    assert not machine.run(FILES, DOWN, ENTER)
    where = ("stick", "server (404)", "server")[server]
    assert f"/kgpt/other.efi: it is not on the {where}" in machine.said


@everywhere
def test_the_started_program_finds_its_entry(make: Make, server: int) -> None:
    machine = make(server)
    machine.library.driver_words(b"menu=chat mode=chat seed=7")
    assert machine.run(FILES)
    assert machine.modules == LOADED
    assert machine.words.strip() == "mode=chat seed=7"
    assert "Starts in" not in machine.said


def test_a_stick_that_breaks_while_it_is_read(make: Make) -> None:
    machine = make(STICK)
    machine.world.fails_after = 1 << 20
    assert not machine.run(FILES)
    assert "/models/m.gguf: " in machine.said
    assert "the firmware could not read it" in machine.said or "the stick cannot be read there" in machine.said


def test_menus_that_were_added_to_a_stick(make: Make) -> None:
    machine = make(STICK)
    more = f"entry more More\nwords mode=chat\nmodule /models/more.gguf more.gguf sha256={sha(CHAT)}\n".encode()
    files = {**FILES, "/models/more.menu": more, "/models/more.gguf": CHAT}
    assert machine.run(files, DOWN, DOWN, ENTER)
    assert machine.modules == [("more.gguf", CHAT, True)]


def test_a_model_in_parts(make: Make) -> None:
    machine = make(STICK)
    menu = f"timeout 0\nentry a A\nmodule /models/m.gguf m.gguf parts=3 sha256={sha(MODEL)}\n".encode()
    parts = {f"/models/m.gguf.{i + 1}": MODEL[i * 1_000_000 : (i + 1) * 1_000_000] for i in range(3)}
    assert machine.run({"/kgpt/menu.cfg": menu, **parts})
    assert machine.modules[0][1] == MODEL


@everywhere
def test_a_menu_with_a_fault_says_where(make: Make, server: int) -> None:
    machine = make(server)
    machine.run({"/kgpt/menu.cfg": b"timeout 1\nfoo bar\n"}, ENTER)
    assert "line 2 of /kgpt/menu.cfg" in machine.said


# In pixels.


WAITS = {**FILES, "/kgpt/menu.cfg": MENU.replace("timeout 1", "timeout -1").encode()}
Pixels = npt.NDArray[np.uint8]


def drawn(machine: Machine, size: tuple[int, int], *keys: tuple[int, int], files: dict[str, bytes]) -> Pixels:
    """The pixels of the screen where the loader ends or waits."""
    width, height = size
    pixels = np.full((height, width, 4), 0x55, np.uint8)
    machine.library.driver_picture(pixels.ctypes.data, width, height)
    machine.run(files, *keys)
    return np.ascontiguousarray(pixels[:, :, 2::-1])


def draw(machine: Machine, size: tuple[int, int], *keys: tuple[int, int], files: dict[str, bytes] = FILES) -> Screen:
    """The characters of that screen. A full block is read as a blank."""
    return read_pixels(Picture(drawn(machine, size, *keys, files=files)), font.readable())


@pytest.mark.parametrize("size", [(800, 600), (1280, 800), (3840, 2160)])
def test_the_menu_in_pixels(make: Make, size: tuple[int, int]) -> None:
    machine = make(STICK)
    screen = draw(machine, size, DOWN, files=WAITS)
    assert screen.unknown == 0
    assert screen.lines[1].split() == ["▄▀", "▄▀▀▀", "▀▀▄", "▀▀", "▀▀", "kgpt", "1.2"]
    assert screen.lines[5:8] == (
        "  Chat",
        "  Another kernel",
        "  [ ] safe graphics: for a screen that stays black",
    )
    assert screen.status.startswith("Up, Down: choose.")
    papers = screen.background
    assert papers[6][0] == papers[6][-1] != papers[5][0]
    assert machine.said == ""


def test_letters_are_as_large_on_a_large_screen(make: Make) -> None:
    small, large = (drawn(make(STICK), size, files=WAITS) for size in ((960, 540), (3840, 2160)))
    assert (large[::4, ::4] == small).all()
    assert (large[3::4, 3::4] == small).all()


def test_the_time_and_a_serial_port_beside_pixels(make: Make) -> None:
    machine = make(STICK)
    machine.world.has_serial = 1
    slow = {**FILES, "/kgpt/menu.cfg": MENU.replace("timeout 1", "timeout 3600").encode()}
    screen = draw(machine, (800, 600), files=slow)
    assert screen.status.startswith("Starts in 3")
    assert "Starts in 3600 s" in machine.said
    assert "\n  Another kernel\n" in machine.said


@everywhere
def test_progress_and_errors_in_pixels(make: Make, server: int) -> None:
    screen = draw(make(server), (800, 600))
    assert "Loading /models/m.kgct (2 of 2). Esc: back to the menu." in screen.text
    row = next(i for i, line in enumerate(screen.lines) if "100 %" in line)
    papers = screen.background[row]
    assert papers[0] == papers[-1] == 0, "what is not the bar is black"
    assert len({*papers[3:30], 0}) == 2, "the bar is full"
    broken = {path: data for path, data in FILES.items() if path != "/models/m.gguf"}
    screen = draw(make(server), (800, 600), files=broken)
    assert "/models/m.gguf: it is not on the" in screen.text
    assert screen.status == "Any key goes back to the menu."


@pytest.mark.parametrize("size", [(300, 200), (160, 64)])
def test_a_small_screen_shows_the_menu_in_text(make: Make, size: tuple[int, int]) -> None:
    machine = make(STICK)
    width, height = size
    pixels = np.full((height, width, 4), 0x55, np.uint8)
    machine.library.driver_picture(pixels.ctypes.data, width, height)
    assert machine.run(FILES)
    assert (pixels == 0x55).all()
    assert "\n  Another kernel\n" in machine.said


# A server that lies.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fails_after": 1 << 20}, "/models/m.gguf: the connection to the server broke"),
        ({"served_size": len(MENU) - 1}, "/models/m.gguf: it is damaged"),
        ({"served_size": len(MENU) + 1}, "/kgpt/menu.cfg: the connection to the server broke"),
        ({"served_size": 2 << 20}, "/kgpt/menu.cfg: the connection to the server broke"),
        ({"served_size": 1 << 62}, "/kgpt/menu.cfg: there is no memory for it"),
        ({"no_length": 1}, "/kgpt/menu.cfg: the server does not tell its size"),
        ({"http_status": 20}, "/kgpt/menu.cfg: the server does not give it"),
        ({"silent": 1}, "/kgpt/menu.cfg: the server does not answer"),
        ({"no_service": 1}, "/kgpt/menu.cfg: the firmware has no connection to the network"),
    ],
)
def test_a_server_that_lies(make: Make, change: dict[str, int], said: str) -> None:
    """One line, and then a key leads on: to the kernel if there is no menu."""
    machine = make(HTTP)
    sticks.lie(machine, change)
    machine.run(FILES)
    assert said in machine.said.replace("\n", " ")
    assert machine.modules == []


@pytest.mark.parametrize(("requests", "path", "keys"), sticks.SILENT.values(), ids=sticks.SILENT)
def test_esc_ends_the_wait_for_a_silent_server(
    make: Make, requests: int, path: str, keys: tuple[tuple[int, int], ...]
) -> None:
    """The server is silent after so many requests. Its patience is 30 s."""
    machine = make(HTTP)
    machine.world.silent_after = requests
    machine.run(FILES, *keys)
    assert f"{path}: reading was stopped by Esc" in machine.said.replace("\n", " ")
    assert "look at the server" not in machine.said
    assert machine.library.driver_key_taken() < 1_000_000, "Esc was seen after more than a second"
    assert machine.modules == []


def test_firmware_that_waits_by_itself(make: Make) -> None:
    """For 5 s, and then it fails: it is asked again, for 30 s in all, and Esc is seen in between."""
    late = make(HTTP)
    late.world.tries_late = 4
    assert late.run(FILES)
    assert late.modules == LOADED
    silent = make(HTTP)
    silent.world.tries_late = 100
    silent.run(FILES)
    assert "/kgpt/menu.cfg: the server does not answer" in silent.said.replace("\n", " ")
    assert 92 <= silent.world.tries_late <= 95
    stopped = make(HTTP)
    stopped.world.tries_late = 100
    stopped.run(FILES, ESCAPE)
    assert "/kgpt/menu.cfg: reading was stopped by Esc" in stopped.said.replace("\n", " ")
    assert stopped.world.tries_late == 99


def test_seconds_are_told_while_firmware_waits_by_itself(make: Make) -> None:
    """By a timer: each try lasts 5 s. The menu is asked for, then comes."""
    machine = make(HTTP)
    machine.world.tries_late = 2
    assert machine.run(FILES)
    assert machine.modules == LOADED
    assert sticks.silences(machine.said, "/kgpt/menu.cfg") == list(range(1, 10))


def test_a_program_of_the_menu_comes_with_progress(make: Make) -> None:
    machine = make(HTTP)
    menu = b"timeout 0\nentry a A\nkernel /kgpt/other.efi\n"
    machine.run({"/kgpt/menu.cfg": menu, "/kgpt/other.efi": MODEL})
    assert machine.world.started == 1
    assert "Loading /kgpt/other.efi. Esc: back to the menu." in machine.said
    assert "100 %" in machine.said


@pytest.mark.parametrize(
    "url",
    ["http://10.0.2.2:80/lm/kgpt.efi", "http://10.0.2.2:80/lm/EFI/BOOT/BOOTX64.EFI", "http://10.0.2.2:80/lm/x"],
)
def test_files_lie_beside_the_program(make: Make, url: str) -> None:
    machine = make(HTTP, url)
    assert machine.run(FILES)
    assert machine.modules == LOADED


def test_an_address_of_the_device_path_is_used(make: Make) -> None:
    assert make(HTTP, address=bytes([10, 0, 2, 15])).run(FILES)
    wrong = make(HTTP, address=bytes([11, 0, 2, 15]))
    wrong.run(FILES)
    assert "no connection to the network" in wrong.said


@pytest.mark.parametrize("url", ["ftp://10.0.2.2/kgpt.efi", "http", "http://", "x" * 600, ""])
def test_what_is_no_url(make: Make, url: str) -> None:
    machine = make(HTTP, "http://10.0.2.2:80/lm/kgpt.efi")
    path = device_path(url)[:200] + node(0x7F, 0xFF, b"")
    machine.library.driver_begin(machine.world.memory, ROOM, path, len(path), True)
    assert machine.run(FILES)
    assert machine.modules == []
