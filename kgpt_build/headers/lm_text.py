"""kgpt_vocab.h and kgpt_weights.h of a language model: its chat blob, and its file for the assembler to include."""

from __future__ import annotations

from kgpt_build.headers import blob, vocab, weights
from kgpt_build.headers.lm import LmBlob
from kgpt_build.headers.text import filled, header, included
from kgpt_build.models import GgufModel


def vocab_text(model: LmBlob, version: str) -> str:
    """kgpt_vocab.h: the chat blob, if there is one, in the section that follows the model's header."""
    body = ["/* No chat template. */"]
    if model.chat:
        array = f"const unsigned char kgpt_chat[{len(model.chat)}]"
        body = [
            f"extern {array};",
            "",
            f'__attribute__((section("{vocab.SECTION}"), aligned({blob.ALIGN}), used)) {array} = {{',
            *filled([f"0x{byte:02x}" for byte in model.chat]),
            "};",
        ]
    return header(vocab.NAME, model.model.sha256, version, body)


def weights_text(model: LmBlob, version: str) -> str:
    """kgpt_weights.h: the GGUF file, its matrices interleaved, in the section that follows the chat blob."""
    body = ["/* No model: the loader brings one. */"]
    if isinstance(model.model, GgufModel):
        body = [
            "extern const unsigned char kgpt_weights[];",
            "",
            *included("kgpt_weights", weights.SECTION, blob.ALIGN, weights.BINARY_NAME),
        ]
    return header(weights.NAME, model.model.sha256, version, body)
