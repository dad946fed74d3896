"""Making images: what is refused before anything is written, missing tools, and the readers of what was made."""

from __future__ import annotations

import io
import os
import shutil
import struct
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from pycdlib import PyCdlib
from refusals import refused

from kgpt_build.arch import DEFAULT
from kgpt_build.boot_modules import read_files
from kgpt_build.cli import invoke
from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.file_hash import sha256_of
from kgpt_build.image import contents, inspect, make, manifest, stick
from kgpt_build.image.contents import Wanted, gather, load_models
from kgpt_build.image.fs import fat, iso9660, partitions
from kgpt_build.image.fs.volumes import content, lay_out, pieces_of
from kgpt_build.image.menu import MenuSettings, efi_menu, grub_cfg, template, with_cmdline
from kgpt_build.image.needs import FIRMWARE
from kgpt_build.kernel.settings import Silent
from kgpt_build.models.catalog import Pulled
from kgpt_build.toolchain import GrubMkimage, GrubModules, Mtools, Xorriso, grub
from kgpt_build.training.corpus import read_corpus

SMALL_LM = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"


def wanted(*names: Path | None, template: str | None = None) -> Wanted:
    return Wanted(load_models(names), read_corpus(None).embedded(), "zig", template)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with refused(UsageError, f"{tmp_path} a folder"):
        make.check_output(tmp_path)


def test_a_device_is_for_kgpt_flash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "stat", lambda self: os.stat_result((0o060660, *[0] * 9)))
    with refused(UsageError, "/dev/sdx device") as caught:
        make.check_output(Path("/dev/sdx"))
    assert "kgpt flash kgpt.iso /dev/sdx" in caught.value.hint


def test_other_things_that_are_no_files() -> None:
    with refused(UsageError, "/dev/null file"):
        make.check_output(Path("/dev/null"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with refused(KgptError, f"k.iso folder {tmp_path / 'none'}"):
        make.check_output(tmp_path / "none" / "k.iso")


def test_a_new_file_and_an_old_one(tmp_path: Path) -> None:
    make.check_output(tmp_path / "k.iso")
    (tmp_path / "k.iso").touch()
    make.check_output(tmp_path / "k.iso")


def test_the_date_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert make.source_date() == make.EPOCH
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert make.source_date() == 1000000000


@pytest.mark.parametrize("text", ["", "yesterday", "-5", "0", "5000000000", "1e9"])
def test_dates_that_are_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with refused(UsageError, f"SOURCE_DATE_EPOCH {text!r}"):
        make.source_date()


def test_a_disk_that_is_too_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 95, 5_000_000))
    with refused(KgptError, "5 MB free image 36"):
        make._check_room(tmp_path, 36_000_000, Silent())


@pytest.mark.parametrize(
    ("tool", "message", "package"),
    [
        (GrubMkimage(), "grub-mkimage boot loader", "apt-get install grub-common"),
        (Xorriso(), "xorriso kgpt image", "apt-get install xorriso"),
        (Mtools(), "mtools FAT", "apt-get install mtools"),
        (GrubModules(DEFAULT.grub[0]), "GRUB i386-pc BIOS", "apt-get install grub-pc-bin"),
        (GrubModules(DEFAULT.grub[1]), "GRUB x86_64-efi UEFI", "apt-get install grub-efi-amd64-bin"),
    ],
)
def test_missing_tools_are_named(
    monkeypatch: pytest.MonkeyPatch, tool: GrubMkimage, message: str, package: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(grub, "_FOLDERS", ("/nowhere",))
    with refused(ToolMissing, message) as caught:
        tool.require()
    assert caught.value.hint == package


def test_a_missing_tool_ends_the_command_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert invoke(["image", "iso", "-o", "k.iso"]) == 3
    assert "apt-get install grub-common" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_stick_needs_mtools_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = bytearray(70 * 512)
    struct.pack_into("<B3xB3xII", image, 446, 0x80, 0x0C, 1, 69)
    image[510:512] = b"\x55\xaa"
    (tmp_path / "k.img").write_bytes(image)
    monkeypatch.setenv("PATH", "/nowhere")
    assert invoke(["inspect", str(tmp_path / "k.img")]) == 3
    assert "apt-get install mtools" in capsys.readouterr().err
    with pytest.raises(ToolMissing):
        inspect.memory_wanted(tmp_path / "k.img")


def test_what_is_in_an_image_of_a_microgpt() -> None:
    found = gather(wanted(None), Silent())
    assert [plan.path for plan in found.kernels] == ["/kgpt/default.elf", "/kgpt/train.elf"]
    assert [entry.id for entry in found.entries] == ["default-generate", "default-shell", "train", "selftest"]
    assert not found.items


def test_what_is_in_an_image_of_a_language_model() -> None:
    found = gather(wanted(SMALL_LM, template="chatml"), Silent(), taken=["chat"])
    assert [plan.path for plan in found.kernels] == ["/kgpt/lm.elf"]
    assert [item.path for item in found.items] == ["/models/chat-2.gguf", "/models/chat-2.kgct"]
    chat = found.entries[0]
    assert (chat.id, chat.title, chat.words) == ("chat-2-chat", "chat: chat", ("mode=chat", "modules=2"))
    assert [module.words[1] for module in chat.modules] == [f"sha256={item.sha256}" for item in found.items]
    assert [entry.id for entry in found.entries[1:]] == [
        "chat-2-generate",
        "chat-2-shell",
        "chat-2-serve",
        "selftest-lm",
    ]


def test_files_are_modules_of_each_entry_of_a_language_model(tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    path.write_text("text")
    files = tuple(read_files([path]))
    found = gather(replace(wanted(SMALL_LM, template="chatml"), files=files), Silent())
    assert found.items[-1].path == "/files/a_b.txt"
    for entry in found.entries[:3]:
        assert entry.words[1] == "modules=3"
        assert entry.modules[2].words == ("a_b.txt", "kind=file", f"sha256={found.items[-1].sha256}")
    assert found.entries[4].id == "selftest-lm"
    assert not found.entries[4].modules
    with refused(UsageError, "files chat language model"):
        gather(replace(wanted(None), files=files), Silent())


def test_the_entry_that_serves_has_the_model_and_its_template(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    found = gather(replace(wanted(SMALL_LM, template="chatml"), files=tuple(read_files([path]))), Silent())
    entry = found.entries[3]
    assert (entry.id, entry.title) == ("chat-serve", "chat: serve (API)")
    assert entry.words == ("mode=serve", "slots=4", "alias=chat", "modules=2")
    assert [module.path for module in entry.modules] == ["/models/chat.gguf", "/models/chat.kgct"]
    assert entry.kernel == found.entries[0].kernel
    settings = MenuSettings("key=secret port=80 slots=8", default="chat-serve")
    entries = with_cmdline(found.entries, settings.cmdline)
    words = "mode=serve slots=4 alias=chat modules=2 key=secret port=80 slots=8"
    grub, efi = grub_cfg(entries, settings, template()), efi_menu(entries, settings, entry.kernel)
    assert f"multiboot2 /kgpt/lm.elf {words}\n" in grub
    assert "default chat-serve\n" in efi
    assert f"entry chat-serve chat: serve (API)\nwords {words}\nmodule /models/chat.gguf " in efi


def test_a_language_model_without_a_template_does_not_chat() -> None:
    ids = [entry.id for entry in gather(wanted(SMALL_LM, template="none"), Silent()).entries]
    assert ids == ["chat-generate", "chat-shell", "chat-serve", "selftest-lm"]


def test_a_pulled_model_that_is_no_longer_what_was_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.gguf"
    shutil.copy(SMALL_LM, path)
    record = Pulled("tiny-lm", path, "here", "0" * 64, "2026-01-01T00:00:00", path.stat().st_size)
    monkeypatch.setattr(contents, "pulled", lambda: [record])
    assert load_models([path])[0].label == "tiny-lm"
    with refused(KgptError, f"tiny.gguf damaged SHA-256 tiny-lm {'0' * 64}"):
        gather(wanted(path), Silent())


def test_a_model_twice() -> None:
    with refused(UsageError, "default twice"):
        load_models([None, None])


def test_a_model_that_no_module_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_MODEL", 1000)
    with refused(KgptError, "chat.gguf boot module 0 MB"):
        gather(wanted(SMALL_LM), Silent())


def test_names_for_files() -> None:
    taken: set[str] = set()
    assert contents._slug("SmolLM2-135M Instruct.Q4_1", taken) == "smollm2-135m-instruct-q4-1"
    assert contents._slug("smollm2_135m-instruct q4.1", taken) == "smollm2-135m-instruct-q4-1-2"
    assert contents._slug("Übung/../..", taken) == "bung"
    assert contents._slug("日本", taken) == "model"
    assert contents._slug("train", taken) == "train-2"


def test_the_core_knows_where_its_rest_lies() -> None:
    data = stick.placed(b"x" * 1000)
    assert len(data) == 1024
    assert struct.unpack_from("<Q", data, 500) == (2,)
    with refused(KgptError, "GRUB's core 1,048,576 bytes partition"):
        stick.placed(bytes(2048 * 512))


def test_what_the_manifest_says_of_a_core_is_the_same_wherever_it_lies() -> None:
    data = bytearray(range(256)) * 16
    moved = bytearray(data)
    moved[8:64] = bytes(56)
    moved[2548:2556] = bytes(8)
    assert manifest.digest_of("/boot/grub/bios.img", bytes(data)) == manifest.digest_of(
        "/boot/grub/bios.img", bytes(moved)
    )
    assert manifest.digest_of("/EFI/BOOT/BOOTX64.EFI", bytes(data)) != manifest.digest_of("/x", bytes(moved))


@pytest.mark.parametrize("data", [b"", b"no image at all", bytes(100_000)])
def test_what_is_no_image(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert not inspect.is_image(path)
    with refused(KgptError, "x: kernel disc disk"):
        inspect.inspect(path)


def test_a_disc_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(0x8000) + b"\1CD001" + bytes(3000))
    assert inspect.is_image(path)
    with refused(KgptError, "x: disc"):
        inspect.inspect(path)


@pytest.fixture
def disc() -> bytearray:
    """With two files, of which a BIOS boots one."""
    iso, out = PyCdlib(), io.BytesIO()
    iso.new(rock_ridge="1.09", vol_ident="KGPT")
    iso.add_directory("/KGPT", rr_name="kgpt")
    for data, short, name in ((b"core" * 600, "/CORE.;1", "core"), (b"kernel", "/KGPT/A.;1", "a long name.elf")):
        iso.add_fp(io.BytesIO(data), len(data), short, rr_name=name)
    iso.add_eltorito("/CORE.;1", bootcatfile="/BOOT.CAT;1", rr_bootcatname="boot.cat")
    iso.write_fp(out)
    return bytearray(out.getvalue())


def test_a_disc_needs_no_program_to_be_run(disc: bytearray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = b'{"format": 1, "entries": [{"memory": 17}, {"memory": 228}]}'
    iso, path = PyCdlib(), tmp_path / "k.iso"
    iso.open_fp(io.BytesIO(disc))
    iso.add_fp(io.BytesIO(described), len(described), "/KGPT/M.;1", rr_name="manifest.json")
    iso.write(str(path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert inspect.memory_wanted(path) == 228 + FIRMWARE


def test_a_disc_is_read(disc: bytearray) -> None:
    read = iso9660.Disc(io.BytesIO(disc))
    assert read.label == "KGPT"
    assert read.files == {"/core": 2400, "/kgpt/a long name.elf": 6, "/boot.cat": 2048}
    assert content(read, "/kgpt/a long name.elf") == b"kernel"
    assert {platform: read.file_at(at) for platform, at in read.boots().items()} == {iso9660.BIOS: "/core"}


@pytest.mark.parametrize("end", [100, 18 * 2048, 23 * 2048, 27 * 2048])
def test_discs_that_are_cut_off(disc: bytearray, end: int) -> None:
    with refused(KgptError, "disc damaged"):
        iso9660.Disc(io.BytesIO(disc[:end]))


def test_a_boot_catalog_with_a_wrong_sum(disc: bytearray) -> None:
    disc[disc.index(b"\x55\xaa\x88") - 20] ^= 1
    with refused(KgptError, "disc damaged"):
        iso9660.Disc(io.BytesIO(disc))


def test_a_damaged_gpt() -> None:
    image = bytearray(70 * 512)
    struct.pack_into("<B3xB3xII", image, 446, 0, 0xEE, 1, 69)
    image[510:512] = b"\x55\xaa"
    with refused(KgptError, "GPT damaged"):
        partitions.partitions(io.BytesIO(bytes(image)))
    struct.pack_into("<8sIII", image, 512, b"EFI PART", 0x10000, 92, 0)
    struct.pack_into("<QII", image, 512 + 72, 2, 4, 128)
    with refused(KgptError, "check sum GPT"):
        partitions.partitions(io.BytesIO(bytes(image)))


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"{", "manifest damaged"), (b"[]", "manifest version"), (b'{"format": 9}', "manifest version")],
)
def test_manifests_that_cannot_be_used(data: bytes, message: str) -> None:
    with refused(KgptError, message):
        manifest.parse(data, "x")


def test_a_model_that_fat_cannot_hold_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in parts, has its own memory need, and only the menu of UEFI offers it."""
    size = SMALL_LM.stat().st_size
    monkeypatch.setattr(contents, "MAX_MODEL", size // 2)
    monkeypatch.setattr(contents, "PART", size // 2 + 1)
    found = gather(replace(wanted(SMALL_LM, template="none"), large=True), Silent())
    paths = ["/models/chat.gguf.1", "/models/chat.gguf.2"]
    assert [item.path for item in found.items] == paths
    assert b"".join(b"".join(pieces_of(item.source)) for item in found.items) == SMALL_LM.read_bytes()
    entry = found.entries[0]
    assert not entry.bios
    (module,) = entry.modules
    assert module.path == "/models/chat.gguf"
    assert module.words == ("chat.gguf", "parts=2", f"sha256={sha256_of(SMALL_LM)}")
    assert found.entries[-1].bios
    if shutil.which("mtools"):
        files = {item.path: item.source for item in found.items}
        shape = fat.shape(files, bits=32)
        lay_out(files, tmp_path / "tree")
        fat.write(tmp_path / "image", 0, shape, fat.Names("X", 1), tmp_path / "tree", 1735689600, files)
        with (tmp_path / "image").open("rb") as image:
            written = fat.Fat(image, 0)
            assert b"".join(content(written, path) for path in paths) == SMALL_LM.read_bytes()
