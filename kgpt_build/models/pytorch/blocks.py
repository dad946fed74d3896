"""The models that checkpoints of PyTorch hold: nanoGPT's modules, and kgpt's own, whose names are those of GGUF."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.tensors import ARCHITECTURES, Architecture, Slot
from kgpt_build.models.pytorch.tensors import StoredTensor
from kgpt_build.words import counted, listed

EPSILON, ROPE_BASE = 1e-5, 10000.0
"""Constants of all these modules."""

_WRAPPERS = ("_orig_mod.", "module.")  # torch.compile, DistributedDataParallel
_NANOGPT = {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "lm_head": "output",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_MASKS = re.compile(r"transformer\.h\.[0-9]+\.attn\.(bias|masked_bias)")
"""Buffers with the causal mask, which older nanoGPTs keep."""


@dataclass(frozen=True)
class Named:
    """The tensors of a state dict by GGUF's names, and what each was called."""

    arch: str
    tensors: Mapping[str, StoredTensor]
    called: Mapping[str, str]

    def original(self, name: str) -> str:
        """The checkpoint's name for GGUF's ``name``, of a missing tensor too."""
        if name in self.called:
            return self.called[name]
        return _nanogpt_original(name) if any(ours != theirs for ours, theirs in self.called.items()) else name


def named(state: Mapping[str, Any]) -> Named:
    """The tensors of a model that is known. Raises KgptError that lists names that belong to none."""
    tensors: dict[str, StoredTensor] = {}
    called: dict[str, str] = {}
    unknown = []
    plain = {_unwrapped(name): (name, value) for name, value in state.items()}
    nano = any(name.startswith("transformer.") for name in plain)
    for name, (original, value) in plain.items():
        if nano and _MASKS.fullmatch(name):
            continue
        ours = _nanogpt_name(name) if nano else name
        if ours is None or not isinstance(value, StoredTensor):
            unknown.append(original)
            continue
        tensors[ours], called[ours] = value, original
    arch = "nanogpt" if nano else _architecture(tensors)
    if arch is None:
        raise KgptError(
            f"the tensors are of no known model: {listed(list(state))}",
            "known: nanoGPT, and the models that kgpt train makes (nanogpt, microgpt, llama); see docs/models.md",
        )
    if unknown:
        raise KgptError(f"a {arch} has no {listed(unknown)}", "leave out what is not a weight of the model")
    return Named(arch, tensors, called)


def check_names(found: Named) -> int:
    """The number of layers. Raises KgptError that lists missing and extra tensors."""
    of = ARCHITECTURES[found.arch]
    layers = {name.split(".")[1] for name in found.tensors if name.startswith("blk.")}
    n_layer = max((int(layer) + 1 for layer in layers if re.fullmatch("[0-9]{1,4}", layer, re.ASCII)), default=0)
    if extra := [found.called[name] for name in found.tensors if _slot(of, name) is None]:
        raise KgptError(f"extra tensors: a {found.arch} has no {listed(extra)}", "leave them out")
    in_layers = [f"blk.{i}.{slot.name}" for i in range(n_layer) for slot in of.needs if slot.in_layer]
    needs = [slot.name for slot in of.needs if not slot.in_layer] + in_layers
    if missing := [name for name in needs if name not in found.tensors]:
        raise KgptError(
            f"missing tensors: {listed([found.original(name) for name in missing])}",
            f"a {found.arch} of {counted(n_layer, 'layer')} has them all: save the whole state_dict()",
        )
    return n_layer


def check_tensors(found: Named, sizes: Mapping[str, int]) -> None:
    """Raise KgptError for wrong shapes (listed) and types that are no floats. ``sizes``: by their names in arch.def."""
    of, wrong = ARCHITECTURES[found.arch], []
    for name, tensor in found.tensors.items():
        if not tensor.is_float:
            raise KgptError(
                f"{found.called[name]} holds {tensor.storage.kind}, not floats", "weights are F32, F16, BF16 or F64"
            )
        slot = _slot(of, name)
        shape = tuple(sizes[size] for size in reversed(slot.shape)) if slot else ()
        if tensor.shape != shape:
            wrong.append(f"{found.called[name]} {list(tensor.shape)}, not {list(shape)}")
    if wrong:
        transposed = found.arch == "nanogpt" and _is_conv1d(found, sizes)
        raise KgptError(
            f"shapes that contradict the sizes: {listed(wrong)}",
            "it is Hugging Face's GPT-2, whose matrices are transposed: import its folder"
            if transposed
            else "the settings must be those of the model, and the file a whole state_dict()",
        )


def _slot(of: Architecture, name: str) -> Slot | None:
    layer = re.fullmatch(r"blk\.(0|[1-9][0-9]{0,3})\.(.+)", name, re.ASCII)
    return of.slot(layer[2], in_layer=True) if layer else of.slot(name, in_layer=False)


def _is_conv1d(found: Named, sizes: Mapping[str, int]) -> bool:
    tensor = found.tensors.get("blk.0.attn_qkv.weight")
    return tensor is not None and tensor.shape == (sizes["embd"], sizes["qkv"])


def _unwrapped(name: str) -> str:
    while wrapper := next((wrapper for wrapper in _WRAPPERS if name.startswith(wrapper)), None):
        name = name.removeprefix(wrapper)
    return name


def _nanogpt_name(name: str) -> str | None:
    layer = re.fullmatch(r"transformer\.h\.(0|[1-9][0-9]{0,3})\.(.+)\.(weight|bias)", name)
    module, _, part = (layer[2], "", layer[3]) if layer else name.rpartition(".")
    ours = _NANOGPT.get(module)
    in_layer = layer is not None
    if ours is None or part not in ("weight", "bias") or in_layer != (module in _IN_LAYER):
        return None
    return f"blk.{layer[1]}.{ours}.{part}" if layer else f"{ours}.{part}"


_IN_LAYER = frozenset(module for module in _NANOGPT if module.startswith(("ln_1", "ln_2", "attn.", "mlp.")))


def _nanogpt_original(name: str) -> str:
    """nanoGPT's name of a tensor."""
    layer = re.fullmatch(r"blk\.([0-9]+)\.(.+)", name)
    ours, _, part = (layer[2] if layer else name).rpartition(".")
    module = next(theirs for theirs, known in _NANOGPT.items() if known == ours)
    return f"transformer.h.{layer[1]}.{module}.{part}" if layer else f"{module}.{part}"


def _architecture(tensors: Mapping[str, StoredTensor]) -> str | None:
    """By the tensors of the first layer."""
    if "token_embd.weight" not in tensors:
        return None
    if "blk.0.ffn_gate.weight" in tensors:
        return "llama"
    if "blk.0.attn_qkv.weight" in tensors:
        return "nanogpt"
    return "microgpt" if "blk.0.attn_q.weight" in tensors and "position_embd.weight" in tensors else None
