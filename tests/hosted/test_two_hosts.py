"""Two hosts of different architectures build the same bytes. The other host's zig runs in qemu-user.

PRoot calls the emulator for every program that this zig starts: zig starts itself to compile a file.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pace
import pytest

from kgpt_build import paths
from kgpt_build.arch import ALL, Arch, of_host, of_name
from kgpt_build.kernel import makefile
from kgpt_build.kernel.build import BuildResult, BuildSettings, build
from kgpt_build.kernel.inspect import inspect
from kgpt_build.kernel.objects import Key, Objects
from kgpt_build.models import NO_MODEL, NoModel
from kgpt_build.toolchain.zig import Zig

OTHER_HOST = of_name("aarch64")
WHEEL = f"ziglang-{Zig.pinned}-*aarch64*.whl"
"""In the virtual environment; `make test-slow` downloads it there."""
SIMD = ("_avx2", "_avx512", "_avx512vnni", "_avxvnni", "_clmul", "_crc", "_dotprod", "_i8mm", "_neon", "_sha", "_swar")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(pace.limit(3600))]


@pytest.fixture(scope="module")
def other_zig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program `zig` that is the other host's."""
    wheels = sorted(Path(sys.prefix).glob(WHEEL))
    if not wheels:
        pytest.skip(f"the test needs {WHEEL} in {sys.prefix}: make test-slow brings it")
    emulator = OTHER_HOST.user_emulator.program
    if of_host() is OTHER_HOST or not shutil.which("proot") or not shutil.which(emulator):
        pytest.skip(f"the test needs another host than {OTHER_HOST.title}, proot and {emulator}")
    folder = tmp_path_factory.mktemp("host")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        wheel.extractall(folder)
    zig = folder / "ziglang" / "zig"
    program = zig.rename(zig.with_name("zig-of-the-other-host"))
    program.chmod(0o755)
    assert int.from_bytes(program.read_bytes()[18:20], "little") == OTHER_HOST.elf_machine
    zig.write_text(f'#!/bin/sh\nexec proot -q {emulator} {program} "$@"\n')
    zig.chmod(0o755)
    return zig


@pytest.fixture(autouse=True)
def more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makefile, "_SECONDS", pace.limit(3600))


def build_with(zig: Path | None, folder: Path, model: NoModel | None, arch: Arch) -> BuildResult:
    """Build into ``folder``, where the cache is, too. None: the zig of this host."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("KGPT_CACHE", str(folder / "cache"))
        if zig:
            monkeypatch.setattr(Zig, "find", lambda _: zig)
        return build(BuildSettings(model, folder / "out", arch=arch, efi=model is not None))


@pytest.mark.parametrize("arch", ALL, ids=lambda arch: arch.name)
def test_the_default_kernel(other_zig: Path, tmp_path: Path, arch: Arch) -> None:
    """Every file is compiled by both."""
    own, other = (build_with(zig, tmp_path / str(zig is None), None, arch) for zig in (None, other_zig))
    assert sorted(own.compiled) == sorted(other.compiled)
    assert len(own.compiled) > 100
    assert own.output.read_bytes() == other.output.read_bytes()
    assert inspect(other.output).arch is arch


@pytest.mark.parametrize("arch", ALL, ids=lambda arch: arch.name)
def test_a_kernel_for_language_models(
    other_zig: Path, tmp_path: Path, arch: Arch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest file of each room, and all files with instructions of their own, are compiled by both.

    The other host links these with the remaining objects of this host, for kernel.elf and for kgpt.efi. All 460 files
    would take it an hour.
    """
    own = build_with(None, tmp_path / "own", NO_MODEL, arch)
    wanted = chosen(set(own.compiled))
    assert len(wanted) > 70
    shutil.copytree(tmp_path / "own" / "cache" / "objects", tmp_path / "other" / "cache" / "objects")
    take = Objects.take

    def take_others(objects: Objects, key: Key, target: Path) -> bool:
        name = str(target.with_suffix("")).rpartition("/obj/")[2].removeprefix("uefi/")
        return name not in wanted and take(objects, key, target)

    monkeypatch.setattr(Objects, "take", take_others)
    other = build_with(other_zig, tmp_path / "other", NO_MODEL, arch)
    assert {name.rpartition(".")[0] for name in other.compiled} == wanted
    assert own.output.read_bytes() == other.output.read_bytes()
    assert own.efi
    assert other.efi
    assert own.efi.read_bytes() == other.efi.read_bytes()


def chosen(sources: set[str]) -> set[str]:
    """Names without suffixes."""
    size = {name: (paths.source_root() / name).stat().st_size for name in sources}
    rooms = {str(Path(name).parent) for name in sources}
    largest = {
        max((name for name in sources if str(Path(name).parent) == room), key=size.__getitem__) for room in rooms
    }
    return {name.rpartition(".")[0] for name in sources if name in largest or Path(name).stem.endswith(SIMD)}
