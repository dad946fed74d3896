"""kgpt_vocab.h and kgpt_weights.h of a language model: its chat blob; its file and its prefill, which the assembler
includes."""

from __future__ import annotations

from kgpt_build.headers import blob, vocab, weights
from kgpt_build.headers.lm import LmBlob
from kgpt_build.headers.text import filled, header, included
from kgpt_build.models import GgufModel

PREFILL_NAME = "kgpt_prefill.bin"
PREFILL_SECTION = ".kgpt.model.3"


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
    """kgpt_weights.h: in sections behind the chat blob the GGUF file, its matrices interleaved, and the prefill."""
    body = ["/* No model: the loader brings one. */"]
    if isinstance(model.model, GgufModel):
        body = [
            "extern const unsigned char kgpt_weights[];",
            "",
            *included("kgpt_weights", weights.SECTION, blob.ALIGN, weights.BINARY_NAME),
        ]
    if model.prefill:
        body += ["", *included("kgpt_prefill", PREFILL_SECTION, blob.ALIGN, PREFILL_NAME)]
    return header(weights.NAME, model.model.sha256, version, body)
