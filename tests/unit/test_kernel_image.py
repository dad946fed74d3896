"""Reading, checking, inspecting and packing an image that was made without a compiler."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elves import BASE, PAGE, Elf
from refusals import refused
from toy import toy_model

from kgpt_build.cli import invoke
from kgpt_build.errors import KgptError
from kgpt_build.headers.blob import model_blob
from kgpt_build.kernel import check, loaders
from kgpt_build.kernel.elf import parse_elf, read_elf
from kgpt_build.kernel.inspect import inspect
from kgpt_build.kernel.pack import pack

MODEL = toy_model()
HERE = Path("image.elf")


def test_good_kernel_passes_and_offers_every_loader(tmp_path: Path) -> None:
    image = check.check_kernel(Elf(MODEL).write(tmp_path / "k.elf"), MODEL)
    assert loaders.supported(image) == ["pvh", "multiboot1", "multiboot2"]
    assert [load.permissions for load in image.loads] == ["r-x", "r--", "rw-", "r--"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_flags": 7}, "writable and executable"),
        ({"data_flags": 7}, "LOAD segment at 0x1002000 is writable and executable"),
        ({"elf_type": 3}, "ET_DYN, not ET_EXEC"),
        ({"undefined": "memcpy"}, "undefined symbols: memcpy"),
        ({"multiboot1_checksum": 1}, "no multiboot 1 header in its first 8192 bytes"),
        ({"multiboot2_magic": 1}, "no multiboot 2 header in its first 32768 bytes"),
        ({"note_name": b"Hen\0"}, "no PVH note"),
        ({"entry": BASE + 2 * PAGE}, "entry point 0x1002000 is not in code"),
        ({"load_end": BASE + PAGE}, "multiboot 1 would load 0x1000000-0x1001000"),
        ({"model": toy_model(seed=2)}, "its model is not the one that was given"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = replace(Elf(MODEL), **change).write(tmp_path / "k.elf")
    with pytest.raises(KgptError) as caught:
        check.check_kernel(path, MODEL)
    assert words in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"hello, world", "not an ELF file"),
        (b"\x7fELF\x02\x01", "truncated: 6 bytes"),
        (b"\x7fELF\x01\x01".ljust(64, b"\0"), "not a 64-bit"),
        (replace(Elf(MODEL), machine=243).build(), "another processor (ELF machine 243"),
        (Elf(MODEL).build()[:-1], "truncated or damaged: section headers"),
        (Elf(MODEL).build()[:0x2100], "truncated"),
    ],
)
def test_what_is_no_image_is_refused_by_name(data: bytes, words: str) -> None:
    with refused(KgptError, "image.elf:") as caught:
        parse_elf(HERE, data)
    assert words in caught.value.message


def test_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with refused(KgptError, "absent.elf No such file"):
        read_elf(tmp_path / "absent.elf")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data, path = Elf(MODEL).build(), tmp_path / "k.elf"
    for size in [*range(200), *range(200, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(KgptError):
            inspect(path)


def test_flipped_bytes_give_an_answer_or_a_clear_error(tmp_path: Path) -> None:
    """Headers, tables and model are damaged a byte at a time: never anything but KgptError."""
    data, path = Elf(MODEL).build(), tmp_path / "k.elf"
    rng = random.Random(7)
    tables = range(len(data) - 0x400, len(data))
    places = [*range(0x200), *tables, *(rng.randrange(len(data)) for _ in range(300))]
    refused: list[str] = []
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            inspect(path)
            check.check_kernel(path)
        except KgptError as error:
            refused.append(error.message)
    assert len(refused) > 100
    assert all(str(path) in message for message in refused)


def test_inspect_tells_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Elf(MODEL).write(tmp_path / "k.elf")
    assert invoke(["inspect", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["loaders"] == ["pvh", "multiboot1", "multiboot2"]
    assert found["wx"] is True
    assert found["tests"] == ["suite.one", "suite.two"]
    assert found["model"]["sha256"] == MODEL.sha256
    assert found["model"]["hyperparameters"]["n_embd"] == MODEL.hparams.n_embd
    assert found["kernel_size"] == 0x200 + 0x40 + len("suite.one suite.two ")
    assert found["largest_symbols"] == [{"name": "start", "address": hex(BASE + 0x80), "size": 16}]
    assert [segment["permissions"] for segment in found["segments"]] == ["r-x", "r--", "rw-", "r--"]


def test_inspect_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = Elf(MODEL).write(tmp_path / "k.elf")
    assert invoke(["inspect", str(good)]) == 0
    text = capsys.readouterr().out
    for words in (
        "pvh, multiboot1, multiboot2",
        "W^X       holds",
        "2 self-tests",
        f"toy: {MODEL.arch}",
        "0x01000000  r-x",
    ):
        assert words in text
    bad = replace(Elf(MODEL), data_flags=7).write(tmp_path / "bad.elf")
    assert invoke(["inspect", str(bad)]) == 0
    assert "W^X       its LOAD segment at 0x1002000 is writable and executable" in capsys.readouterr().out


def test_inspect_refuses_a_damaged_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(Elf(MODEL).build())
    data[data.index(model_blob(MODEL)[:64]) + 400] ^= 1
    path = tmp_path / "k.elf"
    path.write_bytes(data)
    assert invoke(["inspect", str(path)]) == 1
    assert "check sum of the embedded model is wrong" in capsys.readouterr().err


@pytest.mark.parametrize("other", [toy_model(seed=9), toy_model("abcdefgh", n_ctx=8, n_embd=16, n_layer=2)])
def test_pack_puts_another_model_in(tmp_path: Path, other: Any) -> None:
    source = Elf(MODEL).write(tmp_path / "k.elf")
    before = source.read_bytes()
    packed = pack(source, other, tmp_path / "new.elf")
    assert source.read_bytes() == before
    check.check_kernel(tmp_path / "new.elf", other)
    blob = model_blob(other)
    header = loaders.multiboot1(packed.data)
    assert header is not None
    assert header.load_end_addr == BASE + 3 * PAGE + len(blob)
    assert packed.section_bytes(packed.sections[3]) == blob
    assert [symbol.name for symbol in packed.symbols] == ["start"]


def test_pack_of_a_smaller_model_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    large = toy_model("abcdefgh", n_ctx=8, n_embd=16, n_layer=2)
    source = Elf(large).write(tmp_path / "k.elf")
    packed = pack(source, MODEL, tmp_path / "new.elf")
    check.check_kernel(tmp_path / "new.elf", MODEL)
    assert large.weight_bytes()[-256:] not in packed.data
    saved = len(model_blob(large)) - len(model_blob(MODEL))
    assert 0 <= len(packed.data) - (source.stat().st_size - saved) < 64
    assert [symbol.name for symbol in packed.symbols] == [symbol.name for symbol in read_elf(source).symbols]
    again = pack(tmp_path / "new.elf", large, tmp_path / "again.elf")
    assert bytes(again.model_bytes() or b"") == model_blob(large)


def test_pack_refuses_another_architecture_and_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "k.elf"
    source.write_bytes(Elf(MODEL).build().replace(b"microgpt", b"mamba\0\0\0"))
    with refused(KgptError, "k.elf architecture mamba toy microgpt"):
        pack(source, MODEL, tmp_path / "new.elf")
    assert [path.name for path in tmp_path.iterdir()] == ["k.elf"]


def test_pack_refuses_a_damaged_image(tmp_path: Path) -> None:
    source = tmp_path / "k.elf"
    source.write_bytes(Elf(MODEL).build()[:-100])
    with refused(KgptError, "k.elf truncated damaged"):
        pack(source, MODEL, tmp_path / "new.elf")
    assert not (tmp_path / "new.elf").exists()
