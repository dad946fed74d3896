"""How much memory a kernel needs to run its model: what is refused before the boot, and what a machine is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kgpt_build import models
from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import KgptError
from kgpt_build.headers.blob import BlobInfo, model_blob, read_blob
from kgpt_build.headers.prefill import kv_vector
from kgpt_build.kernel.elf import ElfFile
from kgpt_build.models import GgufModel, LmSizes, Model
from kgpt_build.models.gguf.model import Described
from kgpt_build.settings import check_context
from kgpt_build.sizes import MIB, memory_text, rounded_up, units_of

DEFAULT_CTX = 4096  # KG_CTX_DEFAULT: positions, of a model that was trained for more
_STEP = 64  # MiB
_START = 16 * MIB  # where linker/kernel.ld puts a kernel
_LINUX_TREE = 3 * MIB  # 1 MiB at a multiple of 2 MiB
_LINUX_ARCHIVE = 128 * MIB
_CODE, _LM_CODE = MIB // 2, 3 * MIB // 2  # at least what a kernel takes beside its model: tests/hosted checks it
_LM_BATCH = 64  # tokens that are computed at once (ubatch=)
_LM_ATTENDING = 64  # KG_LM_MOST_ATTENDING: workers that can attend at the same time
_LM_WORK_ROWS = 64  # KG_LM_WORK_ROWS: heads that each of them works in
_LANES = 16  # KG_LANES
_DRAFTED = 16  # KG_MOST_DRAFTS + 1: tokens of a pass that leave logits, with drafts
_SLOT_BYTES = 16 << 10  # of the structures of a text that is made beside others
_SERVER = 48 * MIB  # connections of the network, buffers of clients, JSON, and a request while it is read
_SERVER_TOKEN = 16 << 10  # for each token of the context: large requests, and encoding one
_SLOT_TOKEN = 256  # … and of each slot: probabilities that a reply tells
_TOKEN_BYTES = 128  # of the tables of a vocabulary for a token and its merge
_GRAMMAR = 5 * MIB // 4  # the program of a grammar, and what makes it
_MATCHER = 600 << 10  # of a text that stays within a grammar
_ORDER_BYTES = 64  # of the order of a vocabulary, and of sorting it, for a token
_LM_MARGIN = 16 * MIB  # page tables, stacks, tables of RoPE, what encoding a typed text takes
_ALIGN = 64  # KG_ARENA_ALIGN
_LINE_MAX = 512  # KG_LINE_MAX; the line editor takes four of them
_MODULE_ALIGN = 4096
_CTX_REPLY = 1024  # KG_CTX_REPLY
_ENCODING = 200  # bytes that the tokenizers take for a byte of text
_TEXT_COPIES = 8  # a copy, and the event that tells it, whose escapes have six bytes each


@dataclass(frozen=True)
class Needs:
    """The memory that a kernel is known to need, in bytes; the kernel works out the rest to the byte."""

    image_end: int
    weights: int
    kv: int
    scratch: int
    modules: int = 0
    to_load: int = 0
    """What the loader needs besides, to find a place for everything."""

    @property
    def total(self) -> int:
        """All of it; the weights are within the kernel, or the modules."""
        return max(self.image_end + self.modules + self.kv + self.scratch, self.to_load)

    @property
    def least(self) -> int:
        """The same in whole MiB."""
        return units_of(self.total, MIB)

    def check(self, memory: int) -> None:
        """Raise KgptError if ``memory`` MiB are too little."""
        if self.total > memory * MIB:
            modules = f"modules take {memory_text(self.modules)}, " if self.modules else ""
            loader = f"; loading them takes {memory_text(self.to_load)}" if self.to_load == self.total else ""
            raise KgptError(
                f"{memory} MB of memory are too little: the kernel reaches up to {memory_text(self.image_end)} "
                f"(weights {memory_text(self.weights)}), {modules}kv takes {memory_text(self.kv)}, "
                f"scratch {memory_text(self.scratch)}{loader}",
                f"give --memory {self.least}",
            )

    def chosen(self, least: int) -> int:
        """The MiB to give to a machine where the user has not said it: ``least``, or more in steps."""
        return max(least, rounded_up(self.least, _STEP))


def memory_needs(
    elf: ElfFile,
    *,
    modules: Sequence[BootModule] = (),
    ctx: int | None = None,
    kv: str | None = None,
    rng: str | None = None,
    speculate: str | None = None,
    slots: int | None = None,
    keeps: bool = False,
    serves: bool = False,
) -> Needs:
    """What ``elf`` needs, from its segments and the header of its model.

    ``modules`` are the boot modules beside the kernel; ``ctx``, ``kv``, ``rng``, ``speculate`` and ``slots`` are values
    of these options; None leaves them to the command line that is built in. ``keeps``: /save needs a copy of a
    conversation. ``serves``: clients need buffers. Raises KgptError if a model is damaged, or was not trained
    for ``ctx``.
    """
    end = max((segment.paddr + segment.memsz - elf.arch.memory_base for segment in elf.loads), default=0)
    blob = elf.model_bytes()
    if blob is None:
        return Needs(end, 0, 0, 0)
    try:
        model = read_blob(blob)
    except KgptError as error:
        raise KgptError(f"{elf.path}: {error.message}", error.hint) from error
    to_load = _linux_room(end, modules) if elf.arch.boots_linux_images else 0
    brought = sum(module.path.stat().st_size + _MODULE_ALIGN for module in modules)
    text = sum(module.path.stat().st_size for module in modules if module.is_text)
    if not model.is_lm:
        needs = _microgpt_needs(end, model)
        return replace(needs, modules=brought, scratch=needs.scratch + _TEXT_COPIES * text, to_load=to_load)
    built_in = built_in_cmdline(elf)
    n_ctx = ctx or int(_last(r"ctx=(\d{1,9})", built_in) or 0)
    kind = kv or said_kv(f"{built_in} rng={rng}" if rng else built_in)
    files = [module.path for module in modules if module.is_model]
    # The first one is used first, and what comes as a module goes before what is in the kernel.
    known: list[GgufModel | Described] = [models.load_lm(path) for path in files]
    known += [model.lm] if model.lm else []
    if known:
        check_context(n_ctx, known[0].name, known[0].hparams.n_ctx)
    # One model at a time: there must be room for any of them.
    at_once = slots or int(_last(r"slots=(\d{1,9})", built_in) or 1)
    sessions = [_with_text(of, n_ctx, kind or default_kv(of.arch), text, at_once) for of in known]
    cache, scratch = max(sessions, key=sum, default=(0, 0))
    drafts = [models.load_lm(module.path) for module in modules if module.is_draft]
    copy = cache // at_once if keeps else 0
    if serves:
        length = n_ctx or min(DEFAULT_CTX, max((of.hparams.n_ctx for of in known), default=DEFAULT_CTX))
        copy += _SERVER + length * (_SERVER_TOKEN + at_once * _SLOT_TOKEN)
    more = _drafting(speculate or _last(r"speculate=(\w+)", built_in), known, drafts, n_ctx, text)
    if any(module.is_grammar for module in modules):
        scratch += max((_constraining(of.hparams.n_vocab, at_once) for of in known), default=0)
    return Needs(end, model.weights_size, cache + more[0], scratch + copy + more[1] + _LM_MARGIN, brought, to_load)


def _linux_room(end: int, modules: Sequence[BootModule]) -> int:
    """The least memory in which QEMU's loader of Linux images places the kernel, its archive and the device tree.

    The archive lies behind the kernel, but not before the middle of memory, or 128 MiB of it. The tree lies behind
    the archive (hw/arm/boot.c).
    """
    behind = _LINUX_TREE + sum(module.path.stat().st_size + _MODULE_ALIGN for module in modules)
    return behind + max(end, min(behind, _LINUX_ARCHIVE))


def needs_of(model: Model | GgufModel, n_ctx: int = 0, kv: str = "") -> Needs:
    """What a kernel that holds ``model`` needs, before it is built; at most 1 MiB above memory_needs of the kernel.

    ``n_ctx`` 0 and ``kv`` "" are the kernel's defaults; both are for language models only.
    """
    if isinstance(model, Model):
        blob = read_blob(model_blob(model))
        return _microgpt_needs(_START + _CODE + blob.size, blob)
    cache, scratch = _with_text(model, n_ctx, kv or default_kv(model.arch), 0)
    weights = sum(tensor.size for tensor in model.header.tensors)
    return Needs(_START + _LM_CODE + model.size, weights, cache, scratch + _LM_MARGIN)


def said_kv(cmdline: str) -> str:
    """The kind of KV cache that ``cmdline`` asks for; "": none (choose_cache of kernel_c/app/lm_models.c)."""
    said = _last(r"kv=(\w+)", cmdline)
    if said and said != "auto":
        return said
    return "f32" if _last(r"rng=(\w+)", cmdline) == "llama2c" else ""


def default_kv(arch: str) -> str:
    """The kind of KV cache that a kernel for language models takes for ``arch``."""
    return "f32" if arch == "microgpt" else "f16"


def largest_ctx(model: GgufModel, memory: int, kv: str = "") -> int:
    """The largest context, up to what ``model`` was trained for, that fits into ``memory`` bytes; 0: none does."""
    low, high = 0, model.hparams.n_ctx
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needs_of(model, middle, kv).total <= memory else (low, middle - 1)
    return low


def _drafting(
    asked: str | None, known: Sequence[GgufModel | Described], drafts: Sequence[GgufModel], n_ctx: int, text: int
) -> tuple[int, int]:
    """Bytes that speculative decoding adds: the logits of the drafts, and the conversation of the draft model."""
    kind = asked or ("draft" if drafts else "off")
    if kind == "off":
        return 0, 0
    logits = 4 * _DRAFTED * max((of.hparams.n_vocab for of in known), default=0)
    sessions = [_with_text(of, n_ctx, "f16", text) for of in drafts if kind == "draft"]
    return sum(cache for cache, _ in sessions), logits + sum(scratch for _, scratch in sessions)


def _constraining(n_vocab: int, slots: int) -> int:
    """Bytes that a grammar takes: an upper bound, which tests/hosted compares with the kernel's."""
    return _GRAMMAR + _ORDER_BYTES * n_vocab + slots * (_MATCHER + n_vocab)


def _with_text(of: GgufModel | Described, n_ctx: int, kind: str, text: int, slots: int = 1) -> tuple[int, int]:
    """lm_session, with ``text`` bytes that came as boot modules: by default the context has room for them."""
    sizes, longest = of.hparams, max(len(token.encode()) for token in of.vocabulary.tokens)
    if not n_ctx and text > DEFAULT_CTX - _CTX_REPLY:
        n_ctx = min(text + _CTX_REPLY, sizes.n_ctx)  # a token has at least one byte
    cache, scratch = lm_session(sizes, longest, n_ctx, kind, slots)
    encoded = min(text, sizes.n_ctx * longest)
    return cache, scratch + _ENCODING * encoded + _TEXT_COPIES * text


def _microgpt_needs(end: int, model: BlobInfo) -> Needs:
    """What carve_microgpt of kernel_c/app/micro.c takes, to the byte: tests/hosted compares it with the kernel's."""
    sizes, longest = model.hparams, max(len(token.encode()) for token in model.tokens)
    kv = 2 * _pieces(4 * sizes.n_layer * sizes.n_ctx * sizes.n_head_kv * (sizes.n_embd // sizes.n_head))
    session = _pieces(*[4 * sizes.n_embd] * 5, 4 * sizes.n_ff, 4 * sizes.n_ctx, 4 * sizes.n_vocab)
    generator = _pieces(4 * sizes.n_ctx, sizes.n_ctx * longest + 1, 12 * sizes.n_vocab)
    return Needs(end, model.weights_size, kv, 4 * _LINE_MAX + session + generator)


def _pieces(*sizes: int) -> int:
    """Bytes of an arena that pieces of these sizes take."""
    return sum(rounded_up(size, _ALIGN) for size in sizes)


def lm_session(sizes: LmSizes, longest: int, n_ctx: int = 0, kv: str = "f16", slots: int = 1) -> tuple[int, int]:
    """Bytes of the KV caches and of the rest of ``slots`` conversations; ``n_ctx`` 0 is the kernel's default.

    ``longest``: bytes of the longest token. An upper bound of what the kernel's event ``memory`` tells, with the tables
    of the vocabulary, and without _LM_MARGIN: tests/hosted compares them.
    """
    n_ctx = min(n_ctx or DEFAULT_CTX, sizes.n_ctx)
    q, kv_dim = sizes.n_head * sizes.head_dim, sizes.n_head_kv * sizes.head_dim
    cache = 2 * _pieces(sizes.n_layer * sizes.n_head_kv * n_ctx * kv_vector(kv, sizes.head_dim))
    rows = 3 * sizes.n_embd + 2 * q + 2 * kv_dim + 2 * sizes.n_ff
    acts = 2 * max(sizes.n_embd, sizes.n_ff, q)
    attending = min(sizes.n_head * _LM_BATCH, _LM_ATTENDING)
    scores = max(attending, sizes.n_head) * (rounded_up(n_ctx, _LANES) + _LANES + attending)
    work = attending * _LM_WORK_ROWS * rounded_up(sizes.head_dim, _LANES)
    of_tokens = 8 * 4 * sizes.n_vocab  # logits, and what the sampler sorts
    of_positions = (4 * 4 + longest) * n_ctx  # numbers of each position, and the text of a reply
    rest = 4 * (_LM_BATCH * (rows + acts) + scores + work) + slots * (of_tokens + of_positions)
    if slots > 1:
        rest += slots * (4 * sizes.n_vocab + _SLOT_BYTES)  # logits of a pass
    return slots * cache, rest + _TOKEN_BYTES * sizes.n_vocab


def _last(pattern: str, cmdline: str) -> str | None:
    """Group 1 of the last word of ``cmdline`` that fits."""
    found = re.findall(rf"(?:^|\s){pattern}(?=\s|$)", cmdline)
    return found[-1] if found else None


def built_in_cmdline(elf: ElfFile) -> str:
    """The command line of ``kgpt build --cmdline`` in a kernel."""
    symbol = elf.symbol_by_name.get("kgpt_build_cmdline")
    if symbol is None or not symbol.size:
        return ""
    return elf.memory(symbol.address, symbol.size).rstrip(b"\0").decode("utf-8", "replace")
