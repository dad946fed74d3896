"""How much memory an image needs to run its model: what is refused before the boot, and what a machine is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kgpt_build.errors import KgptError
from kgpt_build.headers.blob import BlobInfo, read_blob
from kgpt_build.kernel.elf import Image
from kgpt_build.models import GgufModel, LmSizes

DEFAULT_MEMORY = 128  # MiB
DEFAULT_CTX = 4096  # positions, of a model that was trained for more
_MB = 1 << 20
_STEP = 64  # MiB
_LM_BATCH = 64  # tokens that are computed at once
_TOKEN_BYTES = 96  # of the tables of a vocabulary, a token with its merge
_LM_MARGIN = 8 * _MB  # page tables, stacks, the console, a history of what was said


@dataclass(frozen=True)
class Needs:
    """The memory that an image is known to need, in bytes; the kernel works out the rest to the byte."""

    image_end: int
    weights: int
    kv: int
    scratch: int

    @property
    def total(self) -> int:
        """All of it; the weights are within the image."""
        return self.image_end + self.kv + self.scratch

    @property
    def least(self) -> int:
        """The same in whole MiB."""
        return -(-self.total // _MB)

    def check(self, memory: int) -> None:
        """Raise KgptError if ``memory`` MiB are too little."""
        if self.total > memory * _MB:
            raise KgptError(
                f"{memory} MB of memory are too little: the image reaches up to {_amount(self.image_end)} "
                f"(weights {_amount(self.weights)}), kv takes {_amount(self.kv)}, scratch {_amount(self.scratch)}",
                f"give --memory {self.least}",
            )

    def chosen(self) -> int:
        """The MiB to give to a machine, where the user has not said it."""
        return max(DEFAULT_MEMORY, -(-self.least // _STEP) * _STEP)


def memory_needs(image: Image, *, cmdline: str = "", modules: Sequence[GgufModel] = ()) -> Needs:
    """What ``image`` needs, from its segments and the header of its model.

    The context is that of ``ctx=`` in ``cmdline``, else in the command line that is built in. ``modules`` are models
    that come beside the image. Raises KgptError if the embedded model is damaged.
    """
    end = max((segment.paddr + segment.memsz for segment in image.loads), default=0)
    blob = image.model_bytes()
    if blob is None:
        return Needs(end, 0, 0, 0)
    try:
        model = read_blob(blob)
    except KgptError as error:
        raise KgptError(f"{image.path}: {error.message}", error.hint) from error
    if not model.is_lm:
        return _microgpt_needs(end, model)
    n_ctx = context_of(cmdline) or context_of(_built_in_cmdline(image))
    sizes = [*([model.lm.hparams] if model.lm else []), *(module.hparams for module in modules)]
    kv, scratch = max((lm_session(found, n_ctx) for found in sizes), default=(0, 0))  # one conversation at a time
    tables = sum(_TOKEN_BYTES * found.n_vocab for found in sizes)
    brought = sum(module.size for module in modules)
    return Needs(end + brought, model.weights_size + brought, kv, scratch + tables + _LM_MARGIN)


def _microgpt_needs(end: int, model: BlobInfo) -> Needs:
    """The sums are those of kernel_c/engine/session.c without its rounding."""
    sizes = model.hparams
    kv = 2 * 4 * sizes.n_layer * sizes.n_ctx * sizes.n_head_kv * (sizes.n_embd // sizes.n_head)
    scratch = 4 * (5 * sizes.n_embd + sizes.n_ff + sizes.n_ctx + sizes.n_vocab)
    return Needs(end, model.weights_size, kv, scratch)


def lm_session(sizes: LmSizes, n_ctx: int = 0) -> tuple[int, int]:
    """Bytes of the KV cache, in halves, and of the activations; ``n_ctx`` 0 is the kernel's default."""
    n_ctx = min(n_ctx or DEFAULT_CTX, sizes.n_ctx)
    kv = 2 * n_ctx * sizes.n_layer * sizes.n_head_kv * (sizes.head_dim + sizes.head_dim_v)
    width = 4 * sizes.n_embd + 3 * sizes.n_ff + 3 * sizes.n_head * sizes.head_dim
    return kv, 4 * (_LM_BATCH * width + sizes.n_head * n_ctx + 4 * sizes.n_vocab)


def context_of(cmdline: str) -> int:
    """The last ``ctx=N`` of a kernel's command line; 0 without one."""
    found = re.findall(r"(?:^|\s)ctx=(\d{1,9})(?=\s|$)", cmdline)
    return int(found[-1]) if found else 0


def _built_in_cmdline(image: Image) -> str:
    symbol = image.symbol_by_name.get("kgpt_build_cmdline")
    if symbol is None or not symbol.size:
        return ""
    return image.memory(symbol.address, symbol.size).rstrip(b"\0").decode("utf-8", "replace")


def _amount(size: int) -> str:
    return f"{size / _MB:.1f} MB" if size >= _MB else f"{-(-size // 1024)} KB"
