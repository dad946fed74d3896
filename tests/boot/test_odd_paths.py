"""Every command where every path has every odd character: HOME, TMPDIR, the folder at hand, all files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from boots import Kgpt, need
from odd import ALL_ODD

from kgpt_build.paths import source_root

pytestmark = pytest.mark.slow

TRAINED, PACKED, STICK, DISC, DISK = (f"{ALL_ODD}{ending}" for ending in (".gguf", ".elf", ".img", ".iso", " disk"))
TCG = ("--accel", "tcg")
COMMANDS: list[tuple[str, ...]] = [
    ("run", "--default", "--samples", "2", *TCG),
    ("train", "--steps", "2", "-o", TRAINED, "--plot", f"{ALL_ODD}.svg", *TCG),
    ("train", "--target", "hosted", "--steps", "4", "--resume", TRAINED),
    ("build", TRAINED, "-o", ALL_ODD),
    ("run", "--samples", "2", *TCG, "--", TRAINED),
    ("run", "--target", "hosted", "--samples", "2", "--", TRAINED),
    ("smoke", *TCG, f"{ALL_ODD}/kernel.elf", "--junit", f"{ALL_ODD}.xml"),
    ("verify", TRAINED),
    ("pack", f"{ALL_ODD}/kernel.elf", TRAINED, "-o", PACKED),
    ("inspect", PACKED),
    ("run", "--samples", "2", *TCG, "--", PACKED),
    ("screenshot", *TCG, PACKED, "-o", f"{ALL_ODD}.png"),
    ("image", "usb", TRAINED, "-o", STICK, "--timeout", "0", "--cmdline", "exit"),
    ("image", "iso", TRAINED, "-o", DISC, "--timeout", "0", "--cmdline", "exit"),
    ("inspect", STICK),
    ("run", *TCG, "--", DISC),
    ("flash", "--force", "--yes", STICK, DISK),
    ("run", *TCG, "--medium", "disk", "--", DISK),
    ("flash", "--list"),
    ("models",),
    ("doctor",),
]


@pytest.fixture
def _sources_stay_as_they_are() -> Iterator[None]:
    before = sorted(source_root().glob("*"))
    yield
    assert sorted(source_root().glob("*")) == before, "a word of a path has become a folder"


@pytest.mark.usefixtures("_sources_stay_as_they_are")
def test_every_command(kgpt: Kgpt, tmp_path: Path) -> None:
    need("grub-mkimage", "xorriso", "mformat")
    home, here = tmp_path / ALL_ODD, tmp_path / ALL_ODD / f"work {ALL_ODD}"
    here.mkdir(parents=True)
    (home / "t m p").mkdir()
    (here / DISK).write_bytes(bytes(64 << 20))
    env = {"HOME": str(home), "TMPDIR": str(home / "t m p"), "KGPT_CACHE": "", "XDG_CACHE_HOME": ""}
    for words in COMMANDS:
        done = kgpt(*words, env=env, cwd=here)
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert not list((home / "t m p").iterdir()), words
    files = {ALL_ODD, TRAINED, PACKED, STICK, DISC, DISK, f"{STICK}.manifest.json", f"{DISC}.manifest.json"}
    files |= {f"{ALL_ODD}{ending}" for ending in (".state", ".svg", ".xml", ".png")}
    assert {path.name for path in here.iterdir()} == files
    shutil.rmtree(home)
