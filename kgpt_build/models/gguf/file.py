"""Reads and writes a microgpt in GGUF by the gguf library, after ``scan`` has checked the file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgpt_build.errors import KgptError
from kgpt_build.models.char_fields import CHARACTERS
from kgpt_build.models.gguf import scan as gguf_scan
from kgpt_build.models.gguf.fields import keys, read_fields
from kgpt_build.models.gguf.model import mapped, require_architecture
from kgpt_build.models.gguf.scan import Scan
from kgpt_build.models.gguf.tensors import count_layers
from kgpt_build.models.gguf.types import type_name
from kgpt_build.models.model import FloatArray, Hyperparameters, Model, clean_name
from kgpt_build.models.tokenizer import CharTokenizer
from kgpt_build.paths import write_atomically

if TYPE_CHECKING:
    from gguf import GGUFReader

BOS_TEXT = "<BOS>"  # the text of BOS in the list of tokens; documents never contain it
MetadataValue = str | int | float

_HINT = "write the file again, for example with kgpt_build.models.save_gguf"
_GLOBAL_NAMES = {"wte": "token_embd.weight", "wpe": "position_embd.weight", "lm_head": "output.weight"}
_LAYER_NAMES = {
    "attn_wq": "attn_q",
    "attn_wk": "attn_k",
    "attn_wv": "attn_v",
    "attn_wo": "attn_output",
    "mlp_fc1": "ffn_up",
    "mlp_fc2": "ffn_down",
}
_LAYER_NAMES_BACK = {theirs: ours for ours, theirs in _LAYER_NAMES.items()}
_SIZES = {
    "n_ctx": "context_length",
    "n_embd": "embedding_length",
    "n_layer": "block_count",
    "n_ff": "feed_forward_length",
    "n_head": "head_count",
    "n_head_kv": "head_count_kv",
}
_EPS = "rms_epsilon"  # by its name in kernel_c/infer/fields.def, like the others


def load_gguf(path: Path) -> Model:
    """Read the model in ``path``. Raises KgptError for any fault; the message does not name the path."""
    reader, header = _open(path)
    arch = header.architecture
    tokenizer = _read_tokenizer(reader)
    values = read_fields(arch, header.fields, tensor_layers=count_layers(header.tensors), tensor_rope_factors=False)
    hparams = Hyperparameters(
        n_vocab=tokenizer.n_vocab,
        norm_eps=float(values[_EPS]),
        **{name: int(values[field]) for name, field in _SIZES.items()},
    )
    name = _text(reader, "general.name") if reader.get_field("general.name") else path.stem
    tensors = {_our_name(tensor.name): _to_f32(tensor.data) for tensor in reader.tensors}
    return Model(clean_name(name), arch, hparams, tokenizer, tensors)


def metadata(path: Path) -> dict[str, MetadataValue]:
    """Every scalar and text field of ``path``, by its GGUF key. Raises KgptError."""
    reader, _ = _open(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    return {name: value for name, value in fields.items() if isinstance(value, (str, int, float))}


def save_gguf(model: Model, path: Path, extra: Mapping[str, MetadataValue] | None = None) -> None:
    """Write ``model`` to ``path``, with the additional fields ``extra``. The same model gives the same bytes.

    Raises KgptError if it cannot be written; an older file then stays.
    """
    with tempfile.TemporaryDirectory() as directory:  # the library does not write atomically
        written = Path(directory) / "model.gguf"
        _write(model, written, extra or {})
        write_atomically(path, written.read_bytes())


def _open(path: Path) -> tuple[GGUFReader, Scan]:
    """A reader of a file that holds a supported architecture in f32, and its header. Raises KgptError."""
    # Imported late: this import takes longer than all others together.
    from gguf import GGUFReader

    with mapped(path) as data:
        scan = gguf_scan.scan(data)
    require_architecture(scan)
    for tensor in scan.tensors:
        if tensor.kind != gguf_scan.F32:
            kind = type_name(tensor.kind)
            raise KgptError(f"the tensor {tensor.name!r} has the type {kind}, which is not supported", "supported: F32")
    try:
        return GGUFReader(path), scan
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError) as error:
        raise KgptError(f"the gguf library cannot read it: {error}", _HINT) from error


def _field(reader: GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    if field is None:
        raise KgptError(f"the field {key!r} is missing", _HINT)
    return field.contents()


def _text(reader: GGUFReader, key: str) -> str:
    value = _field(reader, key)
    if not isinstance(value, str):
        raise KgptError(f"the field {key!r} is {value!r}, not a text", _HINT)
    return value


def _size(reader: GGUFReader, key: str) -> int:
    value = _field(reader, key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise KgptError(f"the field {key!r} is {value!r}, not a whole number", _HINT)
    return value


def _read_tokenizer(reader: GGUFReader) -> CharTokenizer:
    kind = _text(reader, "tokenizer.ggml.model")
    if kind != CHARACTERS:
        raise KgptError(f"the tokenizer {kind!r} is not supported", f"supported: {CHARACTERS}")
    tokens = _field(reader, "tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise KgptError("the field 'tokenizer.ggml.tokens' is not a list of texts", _HINT)
    for key in ("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"):
        if _size(reader, key) != len(tokens) - 1:
            raise KgptError(
                f"{key} is {_size(reader, key)}, not the last token {len(tokens) - 1}", "BOS starts and ends a document"
            )
    return CharTokenizer(tuple(tokens[:-1]))


def _our_name(theirs: str) -> str:
    """microgpt's name of a GGUF tensor; an unknown name is returned unchanged, and Model refuses it."""
    for ours, name in _GLOBAL_NAMES.items():
        if theirs == name:
            return ours
    match = re.fullmatch(r"blk\.(0|[1-9][0-9]{0,5})\.(\w+)\.weight", theirs, re.ASCII)
    if match and match[2] in _LAYER_NAMES_BACK:
        return f"layer{match[1]}.{_LAYER_NAMES_BACK[match[2]]}"
    return theirs


def _their_name(ours: str) -> str:
    if ours in _GLOBAL_NAMES:
        return _GLOBAL_NAMES[ours]
    layer, matrix = ours.split(".")
    return f"blk.{layer.removeprefix('layer')}.{_LAYER_NAMES[matrix]}.weight"


def _to_f32(data: Any) -> FloatArray:
    return np.array(data, dtype=np.float32)  # copy: the reader's array is a view of the mapped file


def _write(model: Model, path: Path, extra: Mapping[str, MetadataValue]) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, model.arch)
    writer.add_name(model.name)
    for name, field in _SIZES.items():
        writer.add_uint32(f"{model.arch}.{keys()[field]}", getattr(model.hparams, name))
    writer.add_float32(f"{model.arch}.{keys()[_EPS]}", model.hparams.norm_eps)
    writer.add_tokenizer_model(CHARACTERS)
    writer.add_token_list([*model.tokenizer.chars, BOS_TEXT])
    writer.add_bos_token_id(model.tokenizer.bos_id)
    writer.add_eos_token_id(model.tokenizer.bos_id)
    for key, value in extra.items():
        _add_field(writer, key, value)
    for name, tensor in model.tensors.items():
        writer.add_tensor(_their_name(name), tensor)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _add_field(writer: Any, key: str, value: MetadataValue) -> None:
    if isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, int):
        writer.add_uint64(key, value)
    else:
        writer.add_float64(key, value)
