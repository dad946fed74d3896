"""Chats whose beginning was computed at build time say, to the bit, what they say when it is computed at boot."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hosted import Hosted, Run
from tiny_lm import N_EMBD, write_lm

from kgpt_build import models
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.events.framing import ChannelReader
from kgpt_build.headers import LmBlob
from kgpt_build.headers.blob import read_blob
from kgpt_build.headers.prefill import read_prefill
from kgpt_build.kernel.build import build_cached, prefilled
from kgpt_build.kernel.inspect import as_json, inspect
from kgpt_build.kernel.pack import pack
from kgpt_build.kernel.prefill import compute_prefill
from kgpt_build.kernel.settings import Silent
from kgpt_build.models import NO_MODEL

SYSTEM = "abc cab abcab b a cc " * 8
ARCHS = ("llama", "gemma3", "gpt2")
WORDS = "mode=chat max_tokens=6 temperature=1 logits"


@dataclass(frozen=True)
class Chats:
    """A tiny model as boot modules of ``program``, with the prefill of its chats."""

    program: Hosted
    path: Path
    chat: Path
    prefill: Path

    def run(self, words: str, *lines: str, prefill: Path | None = None, with_prefill: bool = True) -> Run:
        """With ``lines`` typed."""
        files = [self.path, self.chat, *([prefill or self.prefill] if with_prefill else [])]
        modules = [word for file in files for word in ("--module", str(file))]
        return self.program.run(words, "".join(f"{line}\n" for line in lines).encode(), tuple(modules))


def chats(
    program: Hosted, folder: Path, arch: str = "llama", *, kv: str = "f16", n_ctx: int = 256, system: str = SYSTEM
) -> Chats:
    folder.mkdir(exist_ok=True)
    fields = {f"{arch}.context_length": n_ctx, **({"gemma3.attention.sliding_window": 16} if arch == "gemma3" else {})}
    path = write_lm(folder / f"{arch}.gguf", arch, fields=fields, tensors=positions(n_ctx) if arch == "gpt2" else {})
    content = LmBlob(model := models.load_lm(path), model.chat_blob())
    chat = folder / f"{arch}.kgct"
    chat.write_bytes(content.chat)
    return Chats(program, path, chat, compute_prefill(content, system, f"kv={kv}", program.path))


def positions(n_ctx: int) -> dict[str, Any]:
    return {"position_embd.weight": (np.random.default_rng(2).standard_normal((n_ctx, N_EMBD)) / 8).astype(np.float32)}


def said(run: Run) -> list[dict[str, Any]]:
    """All that was computed and said, without times and without how much was computed."""
    assert run.returncode == 0, run.console
    kept = [event for event in run.events if event["event"] in ("logits", "token", "reply", "fed", "prompt", "sample")]
    assert kept
    return kept


def prompt_tokens(run: Run) -> list[int]:
    return [event["prompt_tokens"] for event in run.of("speed")]


@pytest.mark.parametrize("kv", ["f16", "q8", "f32"])
@pytest.mark.parametrize("arch", ARCHS)
def test_the_bits_are_those_of_a_computed_system_prompt(
    without_model: Hosted, tmp_path: Path, arch: str, kv: str
) -> None:
    made = chats(without_model, tmp_path, arch, kv=kv)
    typed = ("abc", "cab a", "/reset", "ab", "/system cab", "c", f"/system {SYSTEM}", "abc")
    first = made.run(f"{WORDS} kv={kv}", *typed)
    other = made.run(f'{WORDS} kv={kv} system="{SYSTEM}"', *typed, with_prefill=False)
    assert said(first) == said(other)
    n = len(read_prefill(made.prefill.read_bytes()).tokens)
    assert f"kgpt: prefill: {n} tokens" in first.console
    some, whole = prompt_tokens(first), prompt_tokens(other)
    assert [whole[i] - some[i] for i in (0, 2, 4)] == [n, n, n]  # each first message computes its own tokens alone
    assert some[1] == whole[1]


def test_a_context_that_is_shifted_keeps_the_system_prompt(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path, system="abc cab")
    words = "mode=chat max_tokens=20 temperature=2 logits ctx=32 on_overflow=shift"
    typed = ("abc", "cab a", "ab", "/reset", "cab", "abc")
    first, other = (
        made.run(words, *typed),
        made.run(f'{words} system="abc cab"', *typed, with_prefill=False),
    )
    assert said(first) == said(other)
    assert "forgotten" in first.console


def test_every_way_to_compute_gives_the_same_bytes(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path)
    files = ("--module", str(made.path), "--module", str(made.chat))
    for words in ("cpus=1 cpumask=c", "cpus=2 cpumask=avx2 ubatch=7", "ubatch=1"):
        channel = ChannelReader()
        channel.feed(raw_events(made.program, f'mode=prefill system="{SYSTEM}" {words} exit', files))
        (blob,) = channel.blobs
        assert (blob.name, blob.data) == ("prefill", made.prefill.read_bytes())


def raw_events(program: Hosted, words: str, options: tuple[str, ...]) -> bytes:
    import os
    import subprocess

    read, write = os.pipe()
    process = subprocess.Popen(program.argv(words, write, *options), pass_fds=[write], stdout=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read, "rb") as channel:
        data = channel.read()
    assert process.wait() == 0
    return data


def test_the_template_s_own_beginning(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path, system="")
    assert read_prefill(made.prefill.read_bytes()).system == ""
    assert said(made.run(WORDS, "abc")) == said(made.run(WORDS, "abc", with_prefill=False))


def test_what_a_run_may_change_is_computed(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path)
    for words, line in (
        ("kv=q8", "the prefill has kv=f16 and this run kv=q8: system prompts are computed"),
        ("ctx=40", "the prefill has 57 tokens and the context 40: system prompts are computed"),
        ('system="ab c"', "the prefill has another system prompt: this one is computed"),
    ):
        given = words if "system" in words else f"{words} system=abc"
        first = made.run(f"{WORDS} {given}", "abc")
        assert said(first) == said(made.run(f"{WORDS} {given}", "abc", with_prefill=False))
        assert line.replace("57", str(len(read_prefill(made.prefill.read_bytes()).tokens))) in first.console
        assert "refused" not in first.console


def test_the_image_s_system_prompt_comes_back(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path, system="abc cab")
    run = made.run(f"{WORDS} system=", "a", "/system default", "a", "/system", "/set", "/clear", "a")
    assert "the system prompt of the image; " in run.console
    assert "system       abc cab" in run.console
    assert [event["system"] for event in run.of("config")] == ["", "abc cab", "abc cab"]


def test_several_models_have_their_own(without_model: Hosted, tmp_path: Path) -> None:
    one, two = chats(without_model, tmp_path / "1", system="abc"), chats(without_model, tmp_path / "2", "gemma3")
    files = [one.path, one.chat, one.prefill, two.path, two.chat, two.prefill]
    modules = tuple(word for file in files for word in ("--module", str(file)))
    typed = b"abc\n/use 2\nab\n/use 1\ncab\n"
    run = without_model.run(WORDS, typed, modules)
    assert [event["system"] for event in run.of("config")] == ["abc", SYSTEM, "abc"]
    alone = [one.run(f"{WORDS} system=abc", "abc", with_prefill=False), two.run(WORDS, "ab")]
    first, second = (of.logits() for of in alone)
    assert run.logits()[: len(first) + len(second)] == first + second


Edit = Callable[[bytearray], bytes]


def patched(at: int, form: str, *values: Any, seal: bool = True) -> Edit:
    def edit(blob: bytearray) -> bytes:
        struct.pack_into(form, blob, at, *values)
        return sealed(blob) if seal else bytes(blob)

    return edit


def sealed(blob: bytearray) -> bytes:
    struct.pack_into("<I", blob, 16, zlib.crc32(blob[20:]))
    return bytes(blob)


def flipped(at: int) -> Edit:
    def edit(blob: bytearray) -> bytes:
        blob[at] ^= 1
        return bytes(blob)

    return edit


FAULTS: dict[str, tuple[Edit, str]] = {
    "short": (lambda blob: bytes(blob[:100]), "too short"),
    "cut": (lambda blob: bytes(blob[:-1]), "its size is not"),
    "long": (lambda blob: bytes(blob) + b"\0", "its size is not"),
    "version": (patched(4, "<I", 2), "its version is not 1"),
    "a key": (flipped(-1), "its CRC does not match"),
    "a token's bit": (flipped(112), "its CRC does not match"),
    "no tokens": (patched(20, "<I", 0), "its number of tokens"),
    "many tokens": (patched(20, "<I", 0xFFFFFFFF), "its parts have not its size"),
    "a kind": (patched(24, "<I", 3), "not of the model's shape"),
    "a vector": (patched(28, "<I", 1), "not of the model's shape"),
    "layers": (patched(32, "<2I", 0xFFFFFFFF, 0xFFFFFFFF), "its parts have not its size"),
    "heads for layers": (patched(32, "<2I", 4, 2), "not of the model's shape"),
    "a head": (patched(40, "<I", 0xFFFFFFFF), "not of the model's shape"),
    "a long system prompt": (patched(44, "<I", 0xFFFFFFFF), "its number of tokens or its system prompt"),
    "a shorter system prompt": (patched(44, "<I", len(SYSTEM) - 1), "its system prompt does not end"),
    "a token": (patched(112, "<I", 9), "a token is not one of the model's"),
    "weights": (patched(48, "<I", 0), "for another model: SHA-256 00000000…, not"),
    "template": (patched(80, "<I", 0), "for another chat template: SHA-256 00000000…, not"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_host_and_kernel_refuse_alike(without_model: Hosted, tmp_path: Path, name: str) -> None:
    made = chats(without_model, tmp_path)
    edit, expected = FAULTS[name]
    damaged = tmp_path / "damaged.kgpf"
    damaged.write_bytes(edit(bytearray(made.prefill.read_bytes())))
    run = made.run(WORDS, "abc", prefill=damaged)
    error = run.one("error")
    model = models.load_lm(made.path)
    with pytest.raises(KgptError) as refused:
        read_prefill(damaged.read_bytes()).require(model.hparams, model.sha256, made.chat.read_bytes())
    assert run.returncode == 1
    assert (error["message"], error["hint"]) == (refused.value.message, refused.value.hint)
    assert expected in error["message"]
    assert error["hint"] == "compute it again: kgpt build --prefill"


def test_a_prefill_without_its_model_is_refused(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path)
    damaged = tmp_path / "other.kgpf"
    damaged.write_bytes(b"kgpf" + made.prefill.read_bytes()[4:])
    assert "is no GGUF file" in made.run(WORDS, "abc", prefill=damaged).one("error")["message"]
    alone = without_model.run(WORDS, b"", ("--module", str(made.prefill), "--module", str(made.path)))
    assert "came without its model" in alone.one("error")["message"]


def test_another_model_and_another_template_are_refused(without_model: Hosted, tmp_path: Path) -> None:
    made, other = chats(without_model, tmp_path / "1"), chats(without_model, tmp_path / "2", n_ctx=255)
    refused = replace(other, prefill=made.prefill).run(WORDS, "abc").one("error")
    assert refused["message"].startswith("the prefill was computed for another model: SHA-256 ")
    other.chat.write_bytes(models.load_lm(other.path).chat_blob("zephyr"))
    refused = other.run(WORDS, "abc").one("error")
    assert refused["message"].startswith("the prefill was computed for another chat template: SHA-256 ")


def test_a_kernel_with_its_prefill(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path)
    program = Hosted(build_cached(models.load_lm(made.path), target="hosted", prefill=SYSTEM))
    typed = b"abc\n/reset\nab\n"
    run = program.run(WORDS, typed)
    assert said(run) == said(made.run(f'{WORDS} system="{SYSTEM}"', "abc", "/reset", "ab", with_prefill=False))
    assert program.path != build_cached(models.load_lm(made.path), target="hosted", prefill=f"{SYSTEM}a")
    assert program.path != build_cached(models.load_lm(made.path), target="hosted")


def test_a_packed_kernel_is_the_built_one(without_model: Hosted, tmp_path: Path) -> None:
    made = chats(without_model, tmp_path)
    model = models.load_lm(made.path)
    content = prefilled(LmBlob(model, model.chat_blob()), SYSTEM, "", "zig", Silent())
    built = build_cached(model, prefill=SYSTEM)
    packed = pack(build_cached(NO_MODEL), content, tmp_path / "packed.elf")
    blob = packed.model_bytes()
    assert blob is not None
    found = read_blob(blob).prefill
    assert found is not None
    assert (found.system, found.kv, found.model) == (SYSTEM, "f16", model.sha256)
    described = as_json(inspect(built))["model"]["prefill"]
    assert described == {"tokens": len(found.tokens), "kv": "f16", "size": found.size, "system": SYSTEM}
    other = inspect(built).model
    assert other is not None
    assert other.crc32 == read_blob(blob).crc32
    smaller = pack(tmp_path / "packed.elf", LmBlob(model, model.chat_blob()), tmp_path / "smaller.elf").model_bytes()
    assert smaller is not None
    assert read_blob(smaller).prefill is None


def test_what_cannot_begin_is_refused(without_model: Hosted, tmp_path: Path) -> None:
    plain = write_lm(tmp_path / "plain.gguf", fields={"tokenizer.chat_template": None})
    with pytest.raises(UsageError, match="has no chat template"):
        build_cached(models.load_lm(plain), target="hosted", prefill=SYSTEM)
    with pytest.raises(UsageError, match="is a microgpt"):
        build_cached(target="hosted", prefill=SYSTEM)
    with pytest.raises(KgptError, match=r"the text has \d+ tokens, and the context 16"):
        build_cached(models.load_lm(write_lm(tmp_path / "tiny.gguf")), target="hosted", prefill=SYSTEM)
