"""Builds by real compilers: reproducible, of shared objects, described, and whole or not there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from odd import ALL_ODD
from refusals import refused
from toy import toy_model

from kgpt_build import cli, models, paths, toolchain
from kgpt_build.errors import KgptError
from kgpt_build.file_hash import sha256_of
from kgpt_build.kernel import manifest
from kgpt_build.kernel.build import BuildResult, BuildSettings, build, build_cached, content_key
from kgpt_build.kernel.check import check_kernel
from kgpt_build.kernel.inspect import inspect
from kgpt_build.toolchain import Toolchain
from kgpt_build.toolchain.zig import Zig


def copy_sources(target: Path) -> Path:
    """A copy of what is compiled, to be changed."""
    for name in paths.SOURCE_FOLDERS:
        shutil.copytree(paths.source_root() / name, target / name)
    return target


@pytest.fixture
def own_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_sources(tmp_path / "sources")
    monkeypatch.setattr(paths, "source_root", lambda: root)
    return root


def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, but for what the compiler keeps."""
    zig = paths.make_cache_dir("zig")
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "zig").symlink_to(zig)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    """A build of the toy model from an empty cache, which lies beside it."""
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as monkeypatch:
        empty_cache(folder, monkeypatch)
        return build(BuildSettings(toy_model(), folder / "out"))


@pytest.fixture
def warm_cache(first_build: BuildResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, as it is after the first build."""
    cache = empty_cache(tmp_path, monkeypatch)
    shutil.copytree(first_build.output.parents[1] / "cache" / "objects", cache / "objects")
    return cache


@pytest.mark.parametrize("name", toolchain.NAMES)
def test_each_toolchain_builds_a_kernel_that_passes_its_checks(tmp_path: Path, name: str) -> None:
    result = build(BuildSettings(out=tmp_path, toolchain=name))
    check_kernel(result.output, models.load_microgpt())
    found = inspect(result.output)
    assert found.loaders == ("pvh", "multiboot1", "multiboot2")
    assert found.wx_problems == ()
    assert found.tests
    assert found.sha256 == result.sha256


def test_two_directories_and_environments_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_sources: Path
) -> None:
    monkeypatch.undo()
    first = build(BuildSettings(out=tmp_path / "a"))
    monkeypatch.setattr(paths, "source_root", lambda: own_sources)
    for name, value in {"CFLAGS": "-O0", "CPATH": "/nowhere", "MAKEFLAGS": "-n", "SOURCE_DATE_EPOCH": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    second = build(BuildSettings(out=Path("deeper/down/b"), jobs=1))
    assert second.sha256 == first.sha256
    assert second.output.read_bytes() == first.output.read_bytes()
    inside = build(
        BuildSettings(out=own_sources / "build")
    )  # as in a checkout: the generated headers lie below the sources
    assert inside.sha256 == first.sha256
    for folder in (tmp_path, own_sources, Zig().find().parent, Path.home()):
        assert f"{folder}/".encode() not in first.output.read_bytes()


def test_only_what_changed_is_compiled_again(
    tmp_path: Path, warm_cache: Path, first_build: BuildResult, own_sources: Path
) -> None:
    """Whatever the folder is, and whatever the time stamps are: what was compiled once lies in the cache."""
    settings, first = BuildSettings(toy_model(), tmp_path / "out"), first_build
    assert len(first.compiled) > 10
    assert build(settings).compiled == ()
    elsewhere = build(replace(settings, out=tmp_path / "elsewhere"))
    assert (elsewhere.compiled, elsewhere.sha256) == ((), first.sha256)
    other = build(replace(settings, model=toy_model("abc", n_embd=8)))
    assert other.compiled == ("kernel_c/app/model_data.c",)
    assert other.sha256 != first.sha256
    main = own_sources / "kernel_c" / "app" / "main.c"
    good = main.read_bytes()
    main.touch()
    assert build(settings).compiled == ()
    main.write_bytes(good + b"/* changed */")
    assert build(settings).compiled == ("kernel_c/app/main.c",)
    main.write_bytes(good)
    os.utime(main, (1, 1))
    assert (again := build(settings)).compiled == ()
    assert again.sha256 == first.sha256


def test_the_program_for_uefi_is_not_compiled_again(tmp_path: Path) -> None:
    """Its files include a header that the compiler's command names, not the source."""
    first, again = (build(BuildSettings(out=tmp_path / name, efi=True)) for name in ("first", "again"))
    assert again.compiled == ()
    assert first.efi
    assert again.efi
    assert first.efi.read_bytes() == again.efi.read_bytes()


def test_a_header_that_changed_compiles_what_includes_it(
    tmp_path: Path, warm_cache: Path, first_build: BuildResult, own_sources: Path
) -> None:
    """And so does one that is new, and found before the one that was."""
    settings, first = BuildSettings(toy_model(), tmp_path / "out"), first_build
    app = own_sources / "kernel_c" / "app"
    header = app / "run" / "cpus.h"
    users = {f"kernel_c/app/{path.name}" for path in app.glob("*.c") if b'"app/run/cpus.h"' in path.read_bytes()}
    header.write_bytes(header.read_bytes() + b"/* changed */")
    compiled = set(build(settings).compiled)
    assert users & set(first.compiled) <= compiled < set(first.compiled)
    nearer = app / "kgpt"
    nearer.mkdir()
    shutil.copy(own_sources / "kernel_c" / "include" / "kgpt" / "status.h", nearer / "status.h")
    compiled = set(build(settings).compiled)
    assert compiled
    assert all(name.startswith("kernel_c/app/") for name in compiled)


def test_other_flags_are_other_objects(tmp_path: Path, warm_cache: Path, first_build: BuildResult) -> None:
    settings, first = BuildSettings(toy_model(), tmp_path / "out"), first_build
    debug = build(replace(settings, debug=True))
    assert len(debug.compiled) == len(first.compiled)
    assert debug.sha256 != first.sha256
    assert (again := build(settings)).compiled == ()
    assert again.sha256 == first.sha256


def test_another_compiler_version_compiles_everything(
    tmp_path: Path, warm_cache: Path, first_build: BuildResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Toolchain, "versions", lambda self: {"zig": "0.17.0-other"})
    assert len(build(BuildSettings(toy_model(), tmp_path / "out")).compiled) == len(first_build.compiled)


def test_damaged_objects_are_not_taken(tmp_path: Path, warm_cache: Path, first_build: BuildResult) -> None:
    """A flipped bit, half a file, nothing, another object's bytes, a folder in the way."""
    settings, first = BuildSettings(toy_model(), tmp_path / "out"), first_build
    kept = sorted((warm_cache / "objects").glob("??/*"))
    assert len(kept) == len(first.compiled)
    other = kept[1].read_bytes()
    for number, path in enumerate(kept):
        data = bytearray(path.read_bytes())
        if number % 5 == 0:
            data[len(data) // 2] ^= 1
        path.write_bytes((data, data[: len(data) // 2], b"", other, data)[number % 5])
        if number % 5 == 4:
            path.unlink()
            path.mkdir()
    again = build(settings)
    assert again.sha256 == first.sha256
    assert len(again.compiled) == len(first.compiled)


@pytest.mark.parametrize("obstacle", ["file", "objects", "read-only", "space"])
def test_a_cache_that_cannot_be_used_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    expected = build(BuildSettings(toy_model(), tmp_path / "a"))
    empty_cache(tmp_path, monkeypatch)
    cache = tmp_path / "cache"
    if obstacle == "file":
        monkeypatch.setenv("KGPT_CACHE", str(expected.output))
    elif obstacle == "objects":
        (cache / "objects").write_text("mine")
    elif obstacle == "space":
        cache = cache.rename(tmp_path / "a cache $(x) #;")
        monkeypatch.setenv("KGPT_CACHE", str(cache))
    else:
        make_read_only(cache, monkeypatch)
    settings = BuildSettings(toy_model(), tmp_path / "b")
    result = build(settings)
    assert result.sha256 == expected.sha256
    if obstacle == "space":
        assert build(settings).compiled == ()
        assert build_cached(toy_model()).is_relative_to(cache)


def make_read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write to any folder: what is refused here is what paths.make_dir tries."""
    good = paths.make_dir

    def make_dir(path: Path) -> Path:
        if path.is_relative_to(folder):
            raise KgptError(f"cannot write to {path}: Read-only file system", "")
        return good(path)

    monkeypatch.setattr(paths, "make_dir", make_dir)


def test_builds_at_the_same_time_share_their_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come second wait for the first one's objects, and compile what is theirs."""
    empty_cache(tmp_path, monkeypatch)
    models_of_all = [toy_model(seed=seed) for seed in range(4)]
    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(build, BuildSettings(model, tmp_path / str(number)))
            for number, model in enumerate(models_of_all)
        ]
        results = [job.result() for job in jobs]
    counts = sorted(len(result.compiled) for result in results)
    assert counts[:-1] == [1, 1, 1]
    assert counts[-1] > 10
    for result, model in zip(results, models_of_all, strict=True):
        check_kernel(result.output, model)


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "out" / ".work"
    left.mkdir(parents=True)
    (left / "kernel.elf").write_bytes(b"half")
    build(BuildSettings(toy_model(), tmp_path / "out"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {".lock", "include", "kernel.elf", "manifest.json", "model.gguf"}


def test_manifest_says_what_it_was_made_of_and_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "my model.gguf"
    models.save_gguf(toy_model(), model)
    monkeypatch.chdir(tmp_path)
    assert cli.invoke(["build", model.name, "-o", "out", "--cmdline", 'prompt="a b" exit', "--debug"]) == 0
    said = capsys.readouterr()
    described = manifest.read(tmp_path / "out")
    sha256 = sha256_of(tmp_path / "out" / "kernel.elf")
    assert described["output"]["sha256"] == sha256
    assert f"wrote out/kernel.elf: {described['output']['size']:,} bytes, sha256 {sha256}" in said.out
    # The model, and what is compiled for kernel.elf and for kgpt.efi: no line for each file.
    assert len(said.err.splitlines()) <= 3
    assert said.err.startswith("kgpt: model toy: microgpt, ")
    assert described["model"]["sha256"] == toy_model().sha256
    assert described["model"]["file_sha256"] == sha256_of(model)
    assert described["tools"]["zig"] == Zig.pinned
    assert described["inputs"]["sources"]["boot/entry.S"] == sha256_of(paths.source_root() / "boot" / "entry.S")
    assert described["inputs"]["headers"]["kgpt_config.h"] == sha256_of(tmp_path / "out" / "include" / "kgpt_config.h")
    assert "-ffreestanding" in described["flags"]

    shutil.rmtree(tmp_path / "out")
    monkeypatch.chdir("/")
    words = shlex.split(described["reproduce"])
    assert words[0] == "kgpt"
    assert cli.invoke(words[1:]) == 0
    assert sha256_of(tmp_path / "out" / "kernel.elf") == sha256


def test_a_model_in_memory_is_kept_for_the_reproduce_line(tmp_path: Path) -> None:
    first = build(BuildSettings(toy_model(), tmp_path / "out"))
    words = shlex.split(json.loads(first.manifest.read_text())["reproduce"])
    again = build(BuildSettings(Path(words[2]), tmp_path / "again"))
    assert again.sha256 == first.sha256


def test_a_build_that_fails_leaves_no_image(tmp_path: Path, own_sources: Path) -> None:
    settings = BuildSettings(toy_model(), tmp_path / "out")
    build(settings)
    source = own_sources / "kernel_c" / "app" / "main.c"
    good = source.read_text()
    source.write_text(good + "\nint broken = ;\n")
    with pytest.raises(KgptError) as caught:
        build(settings)
    assert re.search(r"zig: .*main\.c:.*error", caught.value.message)
    assert "the command was: " in caught.value.hint
    assert not (tmp_path / "out" / "kernel.elf").exists()
    assert not (tmp_path / "out" / "manifest.json").exists()
    source.write_text(good)
    assert build(settings).output.exists()


def test_an_image_that_fails_its_checks_is_not_published(tmp_path: Path, own_sources: Path) -> None:
    settings = BuildSettings(toy_model(), tmp_path / "out")
    build(settings)
    entry = own_sources / "boot" / "entry.S"
    entry.write_text(entry.read_text().replace("0xE85250D6", "0xE85250D7"))
    with refused(KgptError, "kernel.elf multiboot 2 header"):
        build(settings)
    assert not (tmp_path / "out" / "kernel.elf").exists()
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_bad_input_spares_the_old_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = build(BuildSettings(toy_model(), tmp_path / "out"))
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    assert cli.invoke(["build", str(tmp_path / "bad.gguf"), "-o", str(tmp_path / "out")]) == 1
    assert "bad.gguf" in capsys.readouterr().err
    assert sha256_of(result.output) == result.sha256


@pytest.mark.parametrize(
    ("name", "words"),
    [("file", "is a file, not a folder"), ("file/below", "cannot write to")],
)
def test_output_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    (tmp_path / "file").write_text("mine")
    assert cli.invoke(["build", "-o", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "-o" in error
    assert (tmp_path / "file").read_text() == "mine"


def test_a_missing_tool_has_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.invoke(["build", "-o", str(tmp_path / "out")]) == 3
    assert capsys.readouterr().err.splitlines()[1] == "  apt-get install make"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", toolchain.NAMES)
def test_folders_with_every_odd_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The sources, the cache, the output, TMPDIR and the model: the same bytes, and nothing beside them."""
    expected = build(BuildSettings(toy_model(), tmp_path / "plain", toolchain=name))
    top = tmp_path / ALL_ODD
    root = copy_sources(top / "sources")
    before = sorted(root.rglob("*"))
    (top / "tmp").mkdir()
    models.save_gguf(toy_model(), top / f"{ALL_ODD}.gguf")
    monkeypatch.setattr(paths, "source_root", lambda: root)
    monkeypatch.setattr(tempfile, "tempdir", str(top / "tmp"))
    monkeypatch.setenv("KGPT_CACHE", str(top / "cache"))
    settings = BuildSettings(top / f"{ALL_ODD}.gguf", top / "out", toolchain=name)
    result = build(settings)
    assert result.output == top / "out" / "kernel.elf"
    assert result.sha256 == expected.sha256
    assert (top / "out" / "include" / "kgpt_config.h").is_file()
    assert build(settings).compiled == ()
    assert sha256_of(build_cached(toy_model(), toolchain=name)) == expected.sha256
    assert sorted(root.rglob("*")) == before
    assert json.loads(result.manifest.read_bytes())["model"]["file"] == str(top / f"{ALL_ODD}.gguf")


def test_a_compiler_in_a_folder_with_every_odd_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = build(BuildSettings(toy_model(), tmp_path / "a", toolchain="gcc"))
    programs = tmp_path / ALL_ODD.replace("\n", "").replace(":", "").replace("=", "")
    programs.mkdir()
    for name in ("gcc", "ld"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert build(BuildSettings(toy_model(), tmp_path / "b", toolchain="gcc")).sha256 == expected.sha256


def test_cached_images_are_found_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_cache(tmp_path, monkeypatch)
    first = build_cached(toy_model())
    stamp = first.stat().st_mtime_ns
    models.save_gguf(toy_model(), tmp_path / "toy.gguf")
    assert build_cached(tmp_path / "toy.gguf") == first
    assert first.stat().st_mtime_ns == stamp
    assert build_cached(toy_model(seed=5)) != first
    first.write_bytes(first.read_bytes()[:-1])
    assert build_cached(toy_model()) == first
    check_kernel(first, toy_model())


def test_everything_that_decides_the_bytes_is_in_the_key(own_sources: Path) -> None:
    base = BuildSettings(toy_model())
    changes = [
        BuildSettings(toy_model(seed=2)),
        replace(base, debug=True),
        replace(base, cmdline="exit"),
        replace(base, toolchain="gcc"),
        replace(base, target="hosted"),
    ]
    keys = [content_key(settings) for settings in (base, *changes)]
    header = own_sources / "kernel_c" / "include" / "kgpt" / "status.h"
    header.write_text(header.read_text() + "\n")
    keys.append(content_key(base))
    assert len(set(keys)) == len(keys)
    assert content_key(replace(base, out=Path("/elsewhere"))) == keys[-1]


def test_old_images_leave_the_cache_but_none_that_was_used_lately(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_cache(tmp_path, monkeypatch)
    monkeypatch.setattr("kgpt_build.kernel.build._CACHED_KERNELS", 1)
    old, lately = (build_cached(toy_model(seed=seed)) for seed in (1, 2))
    long_ago = time.time() - 7200
    os.utime(old.parent, (long_ago, long_ago))
    new = build_cached(toy_model(seed=3))
    assert [image.exists() for image in (old, lately, new)] == [False, True, True]
