"""Bytes that a kernel reads from memory to compute a token, which bound its speed."""

from __future__ import annotations

from dataclasses import dataclass

from kgpt_build.headers.prefill import kv_vector
from kgpt_build.models import GgufModel, Model
from kgpt_build.models.gguf.fields import read_fields
from kgpt_build.models.gguf.tensors import count_layers
from kgpt_build.sizes import GB

_EMBEDDING, _OUTPUT, _POSITIONS = "token_embd.weight", "output.weight", "position_embd.weight"
_MICROGPT_ROWS = ("wte", "wpe")  # of these a token reads a row; lm_head is the output


@dataclass(frozen=True)
class Traffic:
    """``weights``: bytes of weights that a token reads. ``windows``: of each layer, the most positions it looks at."""

    weights: int
    kv_position: int
    """Bytes of the KV cache of one position in one layer."""
    windows: tuple[int, ...]

    def kv(self, depth: int) -> int:
        """Bytes of the KV cache that the token behind ``depth`` others reads."""
        return self.kv_position * sum(min(depth, window) for window in self.windows)

    def rate(self, bandwidth: float, depth: int) -> float:
        """Tokens a second at ``bandwidth`` GB/s, if nothing but memory limits them."""
        return bandwidth * GB / (self.weights + self.kv(depth))


def traffic_of(model: Model | GgufModel, n_ctx: int, kv: str) -> Traffic:
    """What a token of ``model`` reads. A matrix is read whole; of the embeddings of tokens and positions one row is.

    An embedding that is also the output is read whole.
    """
    sizes = model.hparams
    position = 2 * sizes.n_head_kv * kv_vector(kv, sizes.head_dim)
    if isinstance(model, Model):
        whole = sum(tensor.nbytes for name, tensor in model.tensors.items() if name not in _MICROGPT_ROWS)
        rows = len(_MICROGPT_ROWS) * 4 * sizes.n_embd
        return Traffic(whole + rows, position, (n_ctx,) * sizes.n_layer)
    tensors = {tensor.name: tensor for tensor in model.header.tensors}
    by_row = {_POSITIONS, _EMBEDDING} if _OUTPUT in tensors else {_POSITIONS}
    read = sum(t.size // t.dims[1] if t.name in by_row else t.size for t in tensors.values())
    return Traffic(read, position, _windows(model, n_ctx))


def _windows(model: GgufModel, n_ctx: int) -> tuple[int, ...]:
    """The most positions that each layer looks at."""
    header = model.header
    names = {tensor.name for tensor in header.tensors}
    factors = any(f"rope_factors_{length}.weight" in names for length in ("long", "short"))
    layers = count_layers(header.tensors)
    values = read_fields(model.arch, header.fields, tensor_layers=layers, tensor_rope_factors=factors)
    window, pattern = int(values["window"]) or n_ctx, int(values["window_pattern"])
    return tuple(
        n_ctx if pattern and i % pattern == pattern - 1 else min(window, n_ctx) for i in range(model.hparams.n_layer)
    )
