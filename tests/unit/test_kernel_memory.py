"""How much memory a machine is given, and when it is too little."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import refused
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.arch import DEFAULT, Arch, of_name
from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import KgptError
from kgpt_build.headers import LmBlob
from kgpt_build.kernel.elf import ElfFile, Section, Segment, Symbol
from kgpt_build.kernel.memory import Needs, lm_session, memory_needs
from kgpt_build.models import NO_MODEL, GgufModel, LmSizes, NoModel

MB = 1 << 20
SMOL = LmSizes(
    n_vocab=49152, n_ctx=8192, n_embd=576, n_layer=30, n_head=9, n_head_kv=3, n_ff=1536, head_dim=64, norm_eps=1e-5,
    rope_dim=64,
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tiny(tmp_path: Path) -> GgufModel:
    return models.load_lm(write_lm(tmp_path / "tiny.gguf"))


def image_of(model: GgufModel | NoModel, cmdline: str = "", arch: Arch = DEFAULT) -> ElfFile:
    """An image of nothing but its header, its model, at 16 MiB of memory, and the command line."""
    header = bytes(18) + arch.elf_machine.to_bytes(2, "little")
    place = arch.memory_base + 16 * MB
    blob = b"".join(bytes(piece) for piece in LmBlob(model).pieces())
    data = header + blob + cmdline.encode() + b"\0"
    start, size = len(header), len(data) - len(header) - len(blob)
    return ElfFile(
        path=Path("image.elf"),
        data=data,
        kind="ET_EXEC",
        entry=0,
        segments=(Segment("LOAD", start, place, place, len(data) - start, len(data) - start, 4),),
        sections=(Section(".kgpt.model", "SHT_PROGBITS", place, start, len(blob), 2),),
        symbols=(Symbol("kgpt_build_cmdline", "STT_OBJECT", place + len(blob), size, True),),
    )


def test_a_conversation_of_smollm2() -> None:
    """2 bytes x 30 layers x 2 x 3 heads x 64 values a position."""
    kv, rest = lm_session(SMOL, 162)
    assert kv == 4096 * 30 * 2 * 3 * 64 * 2
    assert 5 * MB < rest < 32 * MB
    assert lm_session(SMOL, 162, 256)[0] == kv // 16
    assert lm_session(SMOL, 162, 1 << 20)[0] == 2 * kv  # no more than it was trained for
    assert lm_session(SMOL, 162, 0, "q8")[0] == kv * 9 // 16
    assert lm_session(SMOL, 162, 0, "f32")[0] == 2 * kv


def test_the_context_of_the_image_and_of_the_user(tiny: GgufModel) -> None:
    whole = memory_needs(image_of(tiny))
    assert whole.kv == lm_session(tiny.hparams, 8)[0]
    assert memory_needs(image_of(tiny, "ctx=8 seed=3")).kv == whole.kv // 2
    assert memory_needs(image_of(tiny, "ctx=8"), ctx=4).kv == whole.kv // 4
    assert memory_needs(image_of(tiny, 'system="ctx=8"')).kv == whole.kv
    assert memory_needs(image_of(tiny, "kv=f32")).kv == 2 * whole.kv
    assert memory_needs(image_of(tiny, "rng=llama2c")).kv == 2 * whole.kv
    assert memory_needs(image_of(tiny), rng="llama2c").kv == 2 * whole.kv
    assert memory_needs(image_of(tiny, "rng=llama2c kv=f16")).kv == whole.kv
    assert memory_needs(image_of(tiny, "kv=f32"), kv="q8").kv == whole.kv * 12 // 16  # 8 bytes and a scale


def test_keeping_a_conversation_takes_a_copy_of_it(tiny: GgufModel) -> None:
    """Of one conversation, however many texts are made at once."""
    image = image_of(tiny)
    needs, more = memory_needs(image, ctx=16), memory_needs(image, ctx=16, keeps=True)
    assert more.total == needs.total + needs.kv
    at_once, kept = memory_needs(image, ctx=16, slots=4), memory_needs(image, ctx=16, slots=4, keeps=True)
    assert kept.total == at_once.total + needs.kv


def test_models_that_the_loader_brings(tiny: GgufModel, tmp_path: Path) -> None:
    chat = tmp_path / "tiny.kgct"
    chat.write_bytes(bytes(100))
    alone = memory_needs(image_of(NO_MODEL))
    brought = memory_needs(image_of(NO_MODEL), modules=(BootModule(tiny.path), BootModule(chat)))
    assert (alone.kv, alone.modules) == (0, 0)
    assert brought.kv == lm_session(tiny.hparams, 8)[0]
    assert tiny.size + 100 < brought.modules < tiny.size + 100 + 9000


def test_too_little_is_refused_and_enough_is_chosen() -> None:
    needs = Needs(image_end=110 * MB, weights=94 * MB, kv=90 * MB, scratch=20 * MB, modules=MB)
    with refused(KgptError, "128 MB memory modules 1.0") as caught:
        needs.check(128)
    assert caught.value.hint == "give --memory 221"
    needs.check(221)
    assert needs.chosen(128) == 256
    assert needs.chosen(512) == 512
    assert Needs(MB, 0, 0, 0).chosen(128) == 128


@pytest.mark.parametrize("modules", [(), (1,), (20,), (100, 100), (127,), (400,)])
def test_a_loader_of_linux_images_needs_room_for_archive_and_tree(modules: tuple[int, ...], tmp_path: Path) -> None:
    """It is enough, and hardly more than the least. Kernels of PCs have loaders that need none."""
    files = []
    for number, size in enumerate(modules):
        files.append(BootModule(tmp_path / str(number), ("kind=file",)))
        with files[-1].path.open("wb") as file:
            file.truncate(size * MB)
    image = image_of(NO_MODEL, arch=of_name("aarch64"))
    end, archive = 16 * MB + image.loads[0].memsz, sum(modules) * MB + 4096 * len(modules)
    room = -(-memory_needs(image, modules=files).to_load // MB)
    least = next(memory for memory in range(2048) if placed(end, archive, memory * MB))
    assert least <= room <= least + 5
    assert all(placed(end, archive, memory * MB) for memory in range(room, room + 512))
    assert memory_needs(image_of(NO_MODEL), modules=files).to_load == 0


def test_too_little_to_load_is_said() -> None:
    with refused(KgptError, "4 MB loading 6.0") as caught:
        Needs(image_end=2 * MB, weights=0, kv=0, scratch=0, to_load=6 * MB).check(4)
    assert caught.value.hint == "give --memory 6"


def placed(end: int, archive: int, memory: int) -> bool:
    """Does QEMU's loader (hw/arm/boot.c) find a place for the tree, of 1 MiB?"""
    start = max(end, min(memory // 2, 128 * MB))
    tree = -(-(start + archive) // (2 * MB)) * 2 * MB
    return tree + MB <= memory
