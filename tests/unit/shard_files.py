"""GGUF files in shards, as the gguf library writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gguf import GGUFReader, GGUFValueType, GGUFWriter


def split(whole: Path, to: Path, **how: Any) -> list[Path]:
    """Write the file ``whole`` again as shards TO-0000N-of-0000M.gguf; ``how`` as in GGUFWriter."""
    reader = GGUFReader(whole)
    _copy(reader, GGUFWriter(to, _architecture(reader), **how), {})
    return sorted(to.parent.glob(f"{to.stem}-*.gguf"))


def rewritten(path: Path, fields: dict[str, Any]) -> None:
    """Write a shard again with other fields; None leaves one out."""
    reader, temporary = GGUFReader(path), path.with_suffix(".new")
    _copy(reader, GGUFWriter(temporary, fields.get("general.architecture", _architecture(reader))), fields)
    temporary.replace(path)


def _architecture(reader: GGUFReader) -> str:
    found = reader.fields.get("general.architecture")
    return str(found.contents()) if found else ""


def _copy(reader: GGUFReader, writer: GGUFWriter, changed: dict[str, Any]) -> None:
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", *changed):
            kind, *inner = field.types
            writer.add_key_value(name, field.contents(), kind, sub_type=inner[-1] if inner else None)
    for name, value in changed.items():
        if value is not None and name != "general.architecture":
            writer.add_key_value(name, value, GGUFValueType.STRING if isinstance(value, str) else GGUFValueType.UINT16)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
