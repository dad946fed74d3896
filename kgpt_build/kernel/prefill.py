"""Computes a prefill (kernel_c/include/kgpt/prefill.h): the engine, as a process, computes how every chat begins."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kgpt_build import paths
from kgpt_build.boot_modules import SYSTEM, BootModule, Text, checked_text, staged
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.events import Error, Exit
from kgpt_build.events.framing import ChannelReader
from kgpt_build.file_hash import combined
from kgpt_build.headers import LmBlob
from kgpt_build.headers.prefill import read_prefill
from kgpt_build.kernel.hosted import MEMORY_MB, HostedProcess
from kgpt_build.kernel.memory import default_kv, said_kv
from kgpt_build.models import GgufModel, Model
from kgpt_build.plain_names import plain_name

SUFFIX = ".kgpf"
_KEPT, _KEPT_BYTES = 32, 2 << 30
_HINT = "build again; if that does not help, build without --prefill"


def compute_prefill(content: LmBlob, system: str, cmdline: str, engine: Path) -> Path:
    """A file with the prefill of ``content``'s chats, from the cache or computed by ``engine``.

    ``engine`` is a hosted program without a model. ``system`` is the system prompt, empty for the template's own;
    ``cmdline``, which the kernel will have, decides the type of the KV cache. The same input gives the same bytes on
    every machine. Raises UsageError (check_chats), KgptError.
    """
    model = check_chats(content).model
    assert isinstance(model, GgufModel)
    text = checked_text(system.encode(), "the system prompt") if system else b""
    kv = said_kv(cmdline) or default_kv(model.arch)
    inputs = (model.sha256, hashlib.sha256(content.chat).hexdigest(), text, kv, engine.absolute().parent.name)
    folder = paths.make_cache_dir("prefill")
    kept = folder / (hashlib.sha256(repr(inputs).encode()).hexdigest()[:32] + SUFFIX)
    if not _is_whole(kept):
        paths.write_atomically(kept, _run(content, model, text, kv, engine))
        paths.prune(list(folder.glob(f"*{SUFFIX}")), most=_KEPT, most_bytes=_KEPT_BYTES)
    return kept


def check_chats(content: Model | LmBlob) -> LmBlob:
    """``content``, if it has a model and a chat template: otherwise no chat can begin. Raises UsageError."""
    if isinstance(content, Model):
        raise UsageError(f"{content.name} is a {content.arch}", "--prefill is for language models")
    if not isinstance(content.model, GgufModel):
        raise UsageError("a kernel without a model has no chats to compute", "give a MODEL, or leave out --prefill")
    if not content.chat:
        raise UsageError(f"{content.name} has no chat template", "give --chat-template NAME, or leave out --prefill")
    return content


def _is_whole(path: Path) -> bool:
    try:
        read_prefill(path.read_bytes())
        return True
    except (KgptError, OSError):
        return False


def _run(content: LmBlob, model: GgufModel, system: bytes, kv: str, engine: Path) -> bytes:
    """The bytes that ``engine`` sends. Raises KgptError with its own message if it refuses."""
    template = paths.make_cache_dir("chat") / f"{combined({'chat': hashlib.sha256(content.chat).hexdigest()})}.kgct"
    paths.write_atomically(template, content.chat)
    words = f"mode=prefill kv={kv} cpus={len(os.sched_getaffinity(0))} exit"
    channel = ChannelReader()
    with staged([Text(SYSTEM, SYSTEM, system)] if system else []) as texts:
        modules = (
            BootModule(plain_name(model.path), (f"sha256={model.sha256}",)),
            BootModule(plain_name(template)),
            *texts,
        )
        with HostedProcess(engine, words, modules=modules, memory=MEMORY_MB) as process:
            process.end_input()
            for piece in process.pieces():
                channel.feed(piece)
            channel.feed(b"")
            process.check(has_spoken=bool(channel.events))
    refusal = next((event for event in channel.events if isinstance(event, Error)), None)
    if refusal is not None:
        raise KgptError(refusal.message, refusal.hint)
    if channel.broken or len(channel.blobs) != 1 or not isinstance(channel.events[-1], Exit):
        raise KgptError(
            f"the system prompt was not computed to its end{channel.broken and ': '}{channel.broken}", _HINT
        )
    return channel.blobs[0].data
