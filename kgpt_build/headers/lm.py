"""The layout of a language model in a kernel: header, chat blob, the GGUF file with interleaved matrices, prefill.

The header is that of blob.py, with the architecture "gguf". A kernel without a model has only a header, with "none".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from kgpt_build.errors import KgptError
from kgpt_build.headers import blob, interleaved
from kgpt_build.headers.blob import (
    ARCH_GGUF,
    ARCH_NONE,
    HEADER_SIZE,
    INTERLEAVED,
    NO_TOKEN,
    SIZES,
    WEIGHT_GGUF,
    Fields,
    Layout,
)
from kgpt_build.headers.prefill import read_prefill
from kgpt_build.models import GgufModel, NoModel
from kgpt_build.models.gguf.model import mapped

MAX_BYTES = (2 << 30) - (64 << 20)  # the kernel begins at 16 MiB, and must end below 2 GiB


@dataclass(frozen=True, eq=False)
class LmBlob:
    """The section .kgpt.model of a kernel for language models.

    ``chat`` is the blob of kgpt_build.chat, ``prefill`` that of include/kgpt/prefill.h; either may be empty. Raises
    KgptError for a model that is too large for a kernel, and for a prefill of another one.
    """

    model: GgufModel | NoModel
    chat: bytes = b""
    prefill: bytes = b""

    def __post_init__(self) -> None:
        if self.prefill and isinstance(self.model, GgufModel):
            read_prefill(self.prefill).require(self.model.hparams, self.model.sha256, self.chat)
        if self.layout.size > MAX_BYTES:
            raise KgptError(
                f"the model {self.model.name} takes {self.layout.size:,} bytes, but a kernel holds {MAX_BYTES:,}",
                "use a smaller one, or one whose weights are quantised to fewer bits",
            )

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return self.model.n_parameters

    @property
    def layout(self) -> Layout:
        """The layout of the blob."""
        weights_size = self.model.size if isinstance(self.model, GgufModel) else 0
        weights_offset = blob.aligned(HEADER_SIZE + len(self.chat))
        prefill_offset = blob.aligned(weights_offset + weights_size)
        size = blob.aligned(prefill_offset + len(self.prefill))
        place = Layout(HEADER_SIZE, len(self.chat), weights_offset, weights_size, size)
        return replace(place, prefill_offset=prefill_offset, prefill_size=len(self.prefill)) if self.prefill else place

    @property
    def fields(self) -> Fields:
        """The fields of the header; this computes the CRC-32."""
        model = self.model
        if not isinstance(model, GgufModel):
            return Fields(
                ARCH_NONE, model.name, model.sha256, (0,) * len(SIZES), NO_TOKEN, 0.0, WEIGHT_GGUF, self.crc32
            )
        sizes = tuple(getattr(model.hparams, name) for name in SIZES)
        bos = model.vocabulary.special.get("bos", NO_TOKEN)
        eps = model.hparams.norm_eps
        return Fields(ARCH_GGUF, model.name, model.sha256, sizes, bos, eps, WEIGHT_GGUF, self.crc32, INTERLEAVED)

    @cached_property
    def crc32(self) -> int:
        """CRC-32 of the body."""
        crc = 0
        for piece in self._body():
            crc = zlib.crc32(piece, crc)
        return crc

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The bytes of the blob in pieces; each is valid until the next one is requested."""
        yield self.fields.packed(self.layout)
        yield from self._body()

    def _body(self) -> Iterator[bytes | memoryview]:
        place = self.layout
        yield self.chat.ljust(place.weights_offset - HEADER_SIZE, b"\0")
        if isinstance(self.model, GgufModel):
            with mapped(interleaved.file_of(self.model)) as data, memoryview(data) as view:
                yield view
        padded = blob.aligned(place.weights_offset + place.weights_size)
        yield bytes(padded - place.weights_offset - place.weights_size)
        yield self.prefill.ljust(place.size - padded, b"\0")
