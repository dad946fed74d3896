"""The tokenizer of a running text as GGUF fields: a token for each character, none begins or ends a document."""

from __future__ import annotations

from collections.abc import Sequence

from kgpt_build.errors import KgptError
from kgpt_build.models.tokenizer import check_char

CHARACTERS = "kgpt-char"
"""``tokenizer.ggml.model`` of every tokenizer of characters, a microgpt's too (kernel_c/tokenizer/vocab_char.c)."""

_LEAST, _MOST = 2, 1 << 20  # MIN_TOKENS and MAX_TOKENS of kernel_c/tokenizer/vocab_read.c


def char_fields(chars: Sequence[str]) -> dict[str, str | bool | list[str]]:
    """The fields by GGUF key of a vocabulary in which ``chars[i]`` is the text of token i, in any order.

    ``add_bos_token`` is false and there are no BOS and EOS: a generation ends by its number of tokens or by a key. An
    empty prompt stands for "\\n", or for token 0 if "\\n" is no token. Raises KgptError if ``chars`` are not 2 to
    1,048,576 distinct characters.
    """
    if not _LEAST <= len(chars) <= _MOST:
        raise KgptError(
            f"a vocabulary of {len(chars)} characters cannot be used", f"there can be {_LEAST} to {_MOST:,} characters"
        )
    seen: set[str] = set()
    for char in chars:
        check_char(char)
        if char in seen:
            raise KgptError(f"the vocabulary holds the character {char!r} twice", "list every character once")
        seen.add(char)
    return {
        "tokenizer.ggml.model": CHARACTERS,
        "tokenizer.ggml.tokens": list(chars),
        "tokenizer.ggml.add_bos_token": False,
    }
