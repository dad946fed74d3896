"""kgpt_config.h: the sizes of the model, its place in the kernel, and the embedded command line."""

from __future__ import annotations

import zlib

from kgpt_build.errors import KgptError
from kgpt_build.headers import blob
from kgpt_build.headers.blob import SIZES, Fields, Layout
from kgpt_build.headers.lm import LmBlob
from kgpt_build.headers.text import c_string, header
from kgpt_build.headers.weights import c_float
from kgpt_build.models import Model
from kgpt_build.settings import MAX_CMDLINE

NAME = "kgpt_config.h"


def text(model: Model | LmBlob, cmdline: str, version: str) -> str:
    """The text of the header. Raises KgptError for a command line that the kernel cannot accept."""
    if "\0" in cmdline or len(cmdline.encode()) > MAX_CMDLINE:
        raise KgptError("the embedded command line holds a NUL or is too long", f"at most {MAX_CMDLINE} bytes of text")
    fields, place = _described(model)
    defines = {**_identity(fields), **_places(place)}
    defines["KGPT_CMDLINE"] = c_string(cmdline)
    defines["KGPT_VERSION"] = c_string(version)
    lines = [f"#define {name} {value}" for name, value in defines.items()]
    return header(NAME, fields.sha256, version, lines)


def _described(model: Model | LmBlob) -> tuple[Fields, Layout]:
    if isinstance(model, LmBlob):
        return model.fields, model.layout
    return blob.fields_of(model, zlib.crc32(blob.body_bytes(model))), blob.layout(model)


def _identity(fields: Fields) -> dict[str, str]:
    digest = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(fields.sha256))
    return {
        "KGPT_MODEL_NAME": c_string(fields.name),
        "KGPT_MODEL_ARCH": c_string(fields.arch),
        "KGPT_MODEL_SHA256_BYTES": f"{{{digest}}}",
        **{f"KGPT_{name.upper()}": f"{value}u" for name, value in zip(SIZES, fields.sizes, strict=True)},
        "KGPT_BOS_ID": f"{fields.bos_id}u",
        "KGPT_NORM_EPS": c_float(fields.norm_eps),
        "KGPT_WEIGHT_TYPE": f"{fields.weight_type}u",
        "KGPT_MODEL_FLAGS": f"{fields.flags}u",
        "KGPT_MODEL_CRC32": f"0x{fields.crc32:08x}u",
    }


def _places(place: Layout) -> dict[str, str]:
    return {
        "KGPT_MODEL_SIZE": f"{place.size}u",
        "KGPT_VOCAB_OFFSET": f"{place.vocab_offset}u",
        "KGPT_VOCAB_SIZE": f"{place.vocab_size}u",
        "KGPT_WEIGHTS_OFFSET": f"{place.weights_offset}u",
        "KGPT_WEIGHTS_SIZE": f"{place.weights_size}u",
        "KGPT_PREFILL_OFFSET": f"{place.prefill_offset}u",
        "KGPT_PREFILL_SIZE": f"{place.prefill_size}u",
    }
