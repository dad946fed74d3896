"""Files as torch.save writes them, made without PyTorch: a pickle of chosen instructions in a zip file."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_CLASSES = {"f4": "Float", "f2": "Half", "f8": "Double", "i8": "Long", "u1": "Byte", "bf16": "BFloat16"}


@dataclass(frozen=True)
class Name:
    """A function or class that the pickle names."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """A call of it."""

    of: Name
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Saved:
    """A tensor: a view of the storage ``key``, whose elements are ``data`` in the type ``dtype``."""

    key: str
    data: Array
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


def saved(key: str, values: Array, dtype: str = "f4") -> Saved:
    """A tensor that is the whole of its storage, in the order of its elements."""
    strides = tuple(int(np.prod(values.shape[i + 1 :], dtype=np.int64)) for i in range(values.ndim))
    return Saved(key, values.reshape(-1), dtype, values.shape, strides)


def stored(tensor: Saved) -> bytes:
    """The bytes of a tensor's storage. BF16: the upper half of f32."""
    if tensor.dtype == "bf16":
        return (np.asarray(tensor.data, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return np.asarray(tensor.data, f"<{tensor.dtype}").tobytes()


def pickled(value: Any) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + _written(value) + b"."


def _written(value: Any) -> bytes:
    if isinstance(value, Saved):
        arguments = (_Stored(value), value.offset, value.shape, value.strides, False, _ordered({}))
        return _written(Call(Name("torch._utils", "_rebuild_tensor_v2"), arguments))
    if isinstance(value, _Stored):
        of = Name("torch", f"{_CLASSES[value.of.dtype]}Storage")
        return _written(("storage", of, value.of.key, "cpu", len(value.of.data))) + b"Q"
    if isinstance(value, Name):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Call):
        return _written(value.of) + _written(value.arguments) + b"R"
    if isinstance(value, dict):
        return b"}(" + b"".join(_written(key) + _written(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_written, value)) + b"t"
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(raw)) + raw
    return pickle.dumps(value, 2)[2:-1]


@dataclass(frozen=True)
class _Stored:
    of: Saved


def _ordered(items: Mapping[str, Any]) -> Call:
    return Call(Name("collections", "OrderedDict"), ())


def tensors_in(value: Any) -> list[Saved]:
    """Every tensor in dicts, lists and tuples."""
    if isinstance(value, Saved):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for item in items for tensor in tensors_in(item)]


def write_torch(path: Path, value: Any, *, data_pkl: bytes | None = None, compressed: bool = False) -> Path:
    """The file that torch.save(value, path) would write; with another pickle, or packed again with compression."""
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("archive/data.pkl", pickled(value) if data_pkl is None else data_pkl)
        archive.writestr("archive/byteorder", "little")
        for key, tensor in {tensor.key: tensor for tensor in tensors_in(value)}.items():
            archive.writestr(f"archive/data/{key}", stored(tensor))
        archive.writestr("archive/version", "3\n")
    return path


N_EMBD, N_LAYER, N_HEAD, N_CTX, N_VOCAB = 16, 2, 2, 12, 10
CHARS = [*"\nabcdé€ .,"]


def nanogpt_state(
    *, bias: bool = False, n_vocab: int = N_VOCAB, dtype: str = "f4", prefix: str = ""
) -> dict[str, Saved]:
    """The state dict of a small nanoGPT with random weights; the head shares the embedding's storage."""
    rng = np.random.default_rng(1)
    c = N_EMBD
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (n_vocab, c), "transformer.wpe.weight": (N_CTX, c)}
    for i in range(N_LAYER):
        modules = {"ln_1": (c,), "attn.c_attn": (3 * c, c), "attn.c_proj": (c, c), "ln_2": (c,)}
        modules |= {"mlp.c_fc": (4 * c, c), "mlp.c_proj": (c, 4 * c)}
        for name, shape in modules.items():
            shapes[f"transformer.h.{i}.{name}.weight"] = shape
            shapes |= {f"transformer.h.{i}.{name}.bias": shape[:1]} if bias else {}
    shapes["transformer.ln_f.weight"] = (c,)
    shapes |= {"transformer.ln_f.bias": (c,)} if bias else {}
    state = {
        prefix + name: saved(str(i), rng.standard_normal(shape).astype(np.float32), dtype)
        for i, (name, shape) in enumerate(shapes.items())
    }
    return {**state, f"{prefix}lm_head.weight": state[f"{prefix}transformer.wte.weight"]}


def nanogpt_checkpoint(**changes: Any) -> dict[str, Any]:
    """A checkpoint of nanoGPT. ``changes`` go to nanogpt_state."""
    state = nanogpt_state(**changes)
    arguments = {"n_layer": N_LAYER, "n_head": N_HEAD, "n_embd": N_EMBD, "block_size": N_CTX, "dropout": 0.1}
    arguments |= {"bias": bool(changes.get("bias")), "vocab_size": changes.get("n_vocab", N_VOCAB)}
    return {
        "model": state,
        "model_args": arguments,
        "iter_num": 250,
        "best_val_loss": saved("loss", np.array(1.5, np.float32)),
        "config": {"dataset": "chars", "compile": True, "lr": 1e-3, "n_head": N_HEAD, "wandb": None},
    }


def own_state(arch: str) -> dict[str, Saved]:
    """The state dict of a model of kgpt train, all ones."""
    c, ff = N_EMBD, 24
    layer: dict[str, tuple[int, ...]] = {"attn_output": (c, c), "ffn_up": (ff, c), "ffn_down": (c, ff)}
    layer |= {"attn_qkv": (3 * c, c)} if arch == "nanogpt" else {f"attn_{letter}": (c, c) for letter in "qkv"}
    layer |= {"ffn_gate": (ff, c)} if arch == "llama" else {}
    layer |= {"attn_norm": (c,), "ffn_norm": (c,)} if arch != "microgpt" else {}
    shapes = {f"blk.{i}.{name}.weight": shape for i in range(N_LAYER) for name, shape in layer.items()}
    shapes["token_embd.weight"] = (N_VOCAB, c)
    shapes |= {"position_embd.weight": (N_CTX, c)} if arch != "llama" else {}
    shapes |= {"output.weight": (N_VOCAB, c)} if arch == "microgpt" else {"output_norm.weight": (c,)}
    return {name: saved(name, np.ones(shape, np.float32)) for name, shape in shapes.items()}
