"""Imports checkpoints of PyTorch (.pt, .pth) without PyTorch: nanoGPT's, and state dicts of the models of kgpt train.

Nothing of a checkpoint is run. docs/models.md says what is taken and what is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import Checkpoint, FieldValue
from kgpt_build.models.importing.options import ImportOptions
from kgpt_build.models.model import clean_name
from kgpt_build.models.pytorch.archive import Archive, looks_like
from kgpt_build.models.pytorch.blocks import EPSILON, ROPE_BASE, Named, check_names, check_tensors, named
from kgpt_build.models.pytorch.payload import Payload, payload, sizes_in
from kgpt_build.models.pytorch.tensors import gguf_tensor, load
from kgpt_build.models.pytorch.unpickle import MOST_BYTES
from kgpt_build.models.pytorch.vocabulary import find_tokenizer, read_vocabulary

FORMAT = "PyTorch"
_CONFIG = "config.json"
_OUTPUT, _EMBEDDING = "output.weight", "token_embd.weight"


def recognises(source: Path, beginning: bytes) -> bool:
    """Is ``source`` a file of torch.save, in the present format or an older one, or called .pt or .pth?"""
    return not source.is_dir() and looks_like(source, beginning)


def files(source: Path, options: ImportOptions) -> Sequence[Path]:
    """The checkpoint, its tokenizer, and the config.json beside it."""
    beside = [find_tokenizer(source, options.tokenizer), source.parent / _CONFIG]
    return [source, *(path for path in beside if path is not None and path.is_file())]


def read(source: Path, options: ImportOptions) -> Checkpoint:
    """The model in ``source``. Raises KgptError that names what is wrong, OSError."""
    archive = Archive(source)
    saved = payload(load(archive))
    found = named(saved.state)
    n_layer = check_names(found)
    sizes = _sizes(found, n_layer, _with_config(saved, source))
    vocabulary = read_vocabulary(source, options.tokenizer, saved.chars, sizes["vocab"])
    check_tensors(found, sizes)
    cut = {_EMBEDDING, _OUTPUT, "output.bias"} if vocabulary.n_tokens < sizes["vocab"] else set[str]()
    return Checkpoint(
        architecture=found.arch,
        name=options.name or clean_name(source.stem),
        fields={**_fields(found.arch, sizes), **vocabulary.fields},
        tensors=[
            gguf_tensor(name, tensor, archive, vocabulary.n_tokens if name in cut else None)
            for name, tensor in _without_tied_output(found).tensors.items()
        ],
    )


def _without_tied_output(found: Named) -> Named:
    """Leave out an output matrix that is the embedding itself; a microgpt must have its own."""
    output = found.tensors.get(_OUTPUT)
    if output is None or found.arch == "microgpt" or not output.same_place(found.tensors[_EMBEDDING]):
        return found
    return replace(found, tensors={name: tensor for name, tensor in found.tensors.items() if name != _OUTPUT})


def _with_config(saved: Payload, source: Path) -> Mapping[str, int]:
    """The sizes in the checkpoint; those that it lacks from a config.json beside it. Raises KgptError, OSError."""
    path = source.parent / _CONFIG
    if "n_head" in saved.sizes or not path.is_file():
        return saved.sizes
    with path.open("rb") as file:
        data = file.read(MOST_BYTES)
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise KgptError(f"{_CONFIG} is not JSON: {str(error) or 'nested too deep'}", "correct it") from None
    if not isinstance(values, dict):
        raise KgptError(f"{_CONFIG} holds no object", 'write sizes: {"n_head": 4}')
    return {**sizes_in(values), **saved.sizes}


def _sizes(found: Named, n_layer: int, given: Mapping[str, int]) -> dict[str, int]:
    """All sizes by their names in arch.def, from shapes; Raises KgptError if settings contradict, or lack heads."""
    vocab, embd = _matrix(found, _EMBEDDING)
    learned = "position_embd.weight" in found.tensors
    ctx = _matrix(found, "position_embd.weight")[0] if learned else _given(given, "n_ctx", "block_size")
    n_head = _given(given, "n_head", "n_head")
    for size, deduced in {"n_vocab": vocab, "n_embd": embd, "n_layer": n_layer, "n_ctx": ctx}.items():
        if given.get(size, deduced) != deduced:
            raise KgptError(
                f"the settings say {size} = {given[size]}, and the tensors have {deduced}",
                "the settings must be those of the model",
            )
    if embd % n_head:
        raise KgptError(f"a width of {embd} cannot be cut into {n_head} heads", "correct n_head")
    head, separate = embd // n_head, found.tensors.get("blk.0.attn_k.weight")
    kv = separate.shape[0] if separate is not None and separate.shape else embd
    ff = _matrix(found, "blk.0.ffn_up.weight")[0]
    if kv % head:
        raise KgptError(f"keys of {kv} values cannot be cut into heads of {head}", "correct n_head")
    return {
        "vocab": vocab,
        "embd": embd,
        "ctx": ctx,
        "ff": ff,
        "ff_twice": 2 * ff,
        "layer": n_layer,
        "head_count": n_head,
        "head": head,
        "q": embd,
        "kv": kv,
        "qkv": embd + 2 * kv,
        "rope_pairs": head // 2,
    }


def _matrix(found: Named, name: str) -> tuple[int, int]:
    """The shape of a matrix from which sizes follow."""
    tensor = found.tensors[name]
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise KgptError(
            f"{found.called[name]} has the shape {list(tensor.shape)}, not that of a matrix",
            "save the state_dict() of the model as it is",
        )
    return tensor.shape[0], tensor.shape[1]


def _given(given: Mapping[str, int], size: str, name: str) -> int:
    if size not in given:
        raise KgptError(
            f"the checkpoint does not say {name}, which does not follow from the shapes of tensors",
            f'save it beside the weights: {{"model": state_dict, "model_args": {{"{name}": N}}}}, or write a {_CONFIG} '
            f'beside the file: {{"{name}": N}}',
        )
    return given[size]


def _fields(arch: str, sizes: Mapping[str, int]) -> dict[str, FieldValue]:
    fields: dict[str, FieldValue] = {
        "context_length": sizes["ctx"],
        "embedding_length": sizes["embd"],
        "block_count": sizes["layer"],
        "feed_forward_length": sizes["ff"],
        "attention.head_count": sizes["head_count"],
        "attention.head_count_kv": sizes["kv"] // sizes["head"],
        f"attention.layer_norm{'' if arch == 'nanogpt' else '_rms'}_epsilon": EPSILON,
    }
    if arch == "llama":
        fields |= {"rope.dimension_count": sizes["head"], "rope.freq_base": ROPE_BASE}
    return {f"{arch}.{key}": value for key, value in fields.items()}
