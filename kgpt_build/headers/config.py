"""kgpt_config.h: the sizes of the model, its place in the image, and the embedded command line."""

from __future__ import annotations

import zlib

from kgpt_build.errors import KgptError
from kgpt_build.headers import blob
from kgpt_build.headers.text import c_string, header
from kgpt_build.headers.weights import c_float
from kgpt_build.models import Model

NAME = "kgpt_config.h"
MAX_CMDLINE = 4095


def text(model: Model, cmdline: str, version: str) -> str:
    """The header. Raises KgptError for a command line that the kernel could not take."""
    if "\0" in cmdline or len(cmdline.encode()) > MAX_CMDLINE:
        raise KgptError("the embedded command line holds a NUL or is too long", f"at most {MAX_CMDLINE} bytes of text")
    defines = {**_names(model), **_sizes(model), **_places(model)}
    defines["KGPT_CMDLINE"] = c_string(cmdline)
    defines["KGPT_VERSION"] = c_string(version)
    return header(NAME, model, version, [f"#define {name} {value}" for name, value in defines.items()])


def _names(model: Model) -> dict[str, str]:
    digest = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(model.sha256))
    return {
        "KGPT_MODEL_NAME": c_string(model.name),
        "KGPT_MODEL_ARCH": c_string(model.arch),
        "KGPT_MODEL_SHA256_BYTES": f"{{{digest}}}",
    }


def _sizes(model: Model) -> dict[str, str]:
    hparams = model.hparams
    sizes = ("n_vocab", "n_ctx", "n_embd", "n_layer", "n_head", "n_head_kv", "n_ff")
    return {
        **{f"KGPT_{name.upper()}": f"{getattr(hparams, name)}u" for name in sizes},
        "KGPT_BOS_ID": f"{model.tokenizer.bos_id}u",
        "KGPT_NORM_EPS": c_float(hparams.norm_eps),
        "KGPT_WEIGHT_TYPE": f"{blob.WEIGHT_F32}u",
    }


def _places(model: Model) -> dict[str, str]:
    place = blob.layout(model)
    return {
        "KGPT_MODEL_SIZE": f"{place.size}u",
        "KGPT_MODEL_CRC32": f"0x{zlib.crc32(blob.body_bytes(model)):08x}u",
        "KGPT_VOCAB_OFFSET": f"{place.vocab_offset}u",
        "KGPT_VOCAB_SIZE": f"{place.vocab_size}u",
        "KGPT_WEIGHTS_OFFSET": f"{place.weights_offset}u",
        "KGPT_WEIGHTS_SIZE": f"{place.weights_size}u",
    }
