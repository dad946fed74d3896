"""Loading a model from a disk: in parts, with a hash that the disk states, stopped, and too large to be used."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import disks
import lm_tiny
import pytest
from hosted import Hosted
from shell_models import bpe_tokenizer, with_tokenizer
from test_disk_models import CHAT, MODULE, PLAIN, TEMPLATE, free, shell
from test_disks import needs

from kgpt_build.memory import empty_store

FOLDER = Path(__file__).parents[1] / "fuzz" / "shell"
SHA256 = hashlib.sha256(CHAT).hexdigest()


def image(path: Path, files: dict[str, bytes], kib: int = 1500, bits: int = 12) -> Path:
    needs("mformat")
    path.write_bytes(disks.mbr([disks.fat(path, files, bits, kib)]))
    return path


def in_parts(data: bytes, *sizes: int) -> dict[str, bytes]:
    parts, at = {}, 0
    for i, size in enumerate((*sizes, len(data) - sum(sizes)), 1):
        parts[f"models/parted.gguf.{i}"] = data[at : at + size]
        at += size
    return parts


@pytest.mark.parametrize("sizes", [(512, 1024), (100, 1, 700)])
def test_a_model_in_parts(without_model: Hosted, tmp_path: Path, sizes: tuple[int, ...]) -> None:
    """Also of sizes that are no sectors, behind which a device cannot write: the text is that of the whole."""
    files = {"whole.gguf": CHAT, **in_parts(CHAT, *sizes), "models/parted.kgct": TEMPLATE, "other.gguf.2": CHAT}
    disk = image(tmp_path / "disk", files)
    done = shell(without_model, "load whole.gguf", "use 2", "generate ab", disk=disk)
    parted = shell(without_model, "models", "load parted.gguf", "use 2", "generate ab", disk=disk)
    assert done.samples() == parted.samples() != []
    n = len(sizes) + 1
    assert re.search(rf"/models/parted\.gguf, \d+ KB in {n} parts, llama, on file0 partition 1", parted.console)
    assert "other.gguf" not in parted.console
    assert f"SHA-256 {SHA256[:8]}…; the disk states none" in parted.console
    assert "its chat template" in parted.console


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("models/talks.gguf.sha256", "{}  talks.gguf\n"),
        ("models/talks.gguf.sha256", "{}"),
        ("kgpt/menu.cfg", "timeout 5\r\nmodule /models/talks.gguf talks sha256={}\nentry x y\n"),
    ],
)
def test_a_hash_that_the_disk_states(without_model: Hosted, tmp_path: Path, name: str, text: str) -> None:
    files = {"models/talks.gguf": CHAT, "models/talks.gguf.bak": b"x"}
    disk = image(tmp_path / "disk", {**files, name: text.format(SHA256).encode()})
    done = shell(without_model, "load talks.gguf", disk=disk)
    assert f"SHA-256 {SHA256[:8]}…, as the disk states it" in done.console
    disk = image(tmp_path / "disk", {**files, name: text.format("0" * 64).encode()})
    lines = ("mem", "generate ab", "load talks.gguf", "mem", "generate ab", "use 2")
    done = shell(without_model, *lines, disk=disk)
    assert f"/models/talks.gguf is damaged: its SHA-256 is {SHA256[:8]}…, not 00000000…" in done.console
    assert len(set(free(done))) == 1
    assert len(set(done.samples())) == 1


@pytest.mark.parametrize("text", ["", "zz", SHA256[:63], f"{SHA256}0", "\0" * 70])
def test_a_statement_that_is_none(without_model: Hosted, tmp_path: Path, text: str) -> None:
    disk = image(tmp_path / "disk", {"talks.gguf": CHAT, "talks.gguf.sha256": text.encode()})
    assert "the disk states none" in shell(without_model, "load talks.gguf", disk=disk).console


def test_stopped_while_it_loads(without_model: Hosted, tmp_path: Path) -> None:
    """By Ctrl-C: the model in use goes on, and no memory is lost."""
    disk = image(tmp_path / "disk", {"big.gguf": PLAIN + bytes(20 << 20)}, kib=32_000)
    lines = ("mem", "load big.gguf", "\x03mem", "generate ab", "use 2")
    done = shell(without_model, *lines, disk=disk, line="mode=shell seed=1 max_tokens=4")
    assert "loading /big.gguf was stopped" in done.console
    assert len(free(done)) == 2
    assert len(set(free(done))) == 1
    assert len(done.samples()) == 1
    assert 'there is no model "2"' in done.console


def test_a_conversation_with_a_model_from_a_disk_can_be_kept(without_model: Hosted, tmp_path: Path) -> None:
    """Its hash was computed while it was loaded: a run with the same file as a boot module goes on with it."""
    disk = image(tmp_path / "disk", {"talks.gguf": CHAT, "talks.kgct": TEMPLATE})
    memory = tmp_path / "memory"
    memory.write_bytes(empty_store(1 << 20))
    more = ("--memory", str(memory))
    done = shell(without_model, "load 1", "use 2", "chat", "ab", "/save a", "/quit", disk=disk, more=more)
    assert "a is kept:" in done.console
    modules = ("--module", f"{FOLDER / 'chat.gguf'} sha256={SHA256}", "--module", str(FOLDER / "chat.kgct"), *more)
    again = without_model.run("mode=chat seed=1 max_tokens=4", b"/load a\n/history\n", modules)
    assert "a goes on:" in again.console
    assert "computed anew" not in again.console


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_K", "F32"])
def test_weights_are_arranged_while_they_are_read(without_model: Hosted, tmp_path: Path, kind: str) -> None:
    """A model of several megabytes: its logits are those of the same file as a boot module."""
    tokenizer = bpe_tokenizer(range(256), ["ab"])
    shape: dict[str, Any] = {"n_embd": 256, "n_layer": 4, "n_head": 4, "n_head_kv": 4, "n_ff": 512, "head_dim": 64}
    shape |= {"n_vocab": len(tokenizer["tokenizer.ggml.tokens"]), "kind": kind}
    path = lm_tiny.write(tmp_path / "several.gguf", lm_tiny.TINY["llama"], **shape)
    path.write_bytes(with_tokenizer(path.read_bytes(), tokenizer))
    disk = image(tmp_path / "disk", {"several.gguf": path.read_bytes()}, kib=16_000)
    line = "mode=shell seed=1 max_tokens=4 logits"
    done = shell(without_model, "load 1", "use 2", "generate ab", disk=disk, line=line)
    module = without_model.run(f"{line} model=2", b"generate ab\nhalt\n", (*MODULE, "--module", str(path)))
    assert done.logits() == module.logits() != []


def test_no_room_for_a_context(without_model: Hosted, tmp_path: Path) -> None:
    """The file has room, and its keys and values do not."""
    shape: dict[str, Any] = {"n_embd": 4, "n_layer": 2, "n_head": 64, "n_head_kv": 64, "n_ff": 3, "head_dim": 64}
    tokenizer = bpe_tokenizer(range(256), ["ab"])
    more: dict[str, Any] = {"fields": {"context_length": 512}, "n_vocab": len(tokenizer["tokenizer.ggml.tokens"])}
    model = lm_tiny.write(tmp_path / "wide.gguf", lm_tiny.TINY["llama"], **more, **shape)
    disk = image(tmp_path / "disk", {"wide.gguf": with_tokenizer(model.read_bytes(), tokenizer)})
    done = shell(without_model, "load 1", "use 2", "generate ab", disk=disk, more=("--arena-mb", "8"))
    assert re.search(
        r"/wide\.gguf needs [\d,.]+ (MB|KB) of memory, and [\d,.]+ (MB|KB) for a context of 256 tokens", done.console
    ), done.console
    assert 'there is no model "2"' in done.console
    assert len(done.samples()) == 1
    assert '"use 2" takes it' in shell(without_model, "load 1", disk=disk).console
