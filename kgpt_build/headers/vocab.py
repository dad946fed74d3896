"""kgpt_vocab.h: the texts of the tokens."""

from __future__ import annotations

from kgpt_build.headers import blob
from kgpt_build.headers.text import filled, header
from kgpt_build.models import Model

NAME = "kgpt_vocab.h"
SECTION = ".kgpt.model.1"


def text(model: Model, version: str) -> str:
    """The header: one object in the section that follows the model's header."""
    offsets, texts = blob.vocab_offsets(model), blob.vocab_text(model)
    body = [
        "#include <stdint.h>",
        "",
        "/* Token i is text[offset[i] .. offset[i + 1]), UTF-8; the last one, BOS, is empty. */",
        "extern const struct kgpt_vocab {",
        f"    uint32_t offset[{len(offsets)}];",
        f"    uint8_t text[{len(texts)}];",
        "} kgpt_vocab;",
        "",
        f'__attribute__((section("{SECTION}"), aligned({blob.ALIGN}), used)) const struct kgpt_vocab kgpt_vocab = {{',
        "    .offset = {",
        *filled([str(offset) for offset in offsets], "        "),
        "    },",
        "    .text = {",
        *filled([f"0x{byte:02x}" for byte in texts], "        "),
        "    },",
        "};",
    ]
    return header(NAME, model.sha256, version, body)
