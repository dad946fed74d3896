"""A tokenizer.json, and the files beside it, as the fields tokenizer.… of a GGUF file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.checkpoint import FieldValue
from kgpt_build.models.gguf import cases
from kgpt_build.models.gguf.nfc import nfc_fields
from kgpt_build.models.gguf.vocab import DETAILS
from kgpt_build.models.hf.json_file import read_object
from kgpt_build.models.hf.pieces import (
    BYTE,
    NORMAL,
    UNKNOWN,
    Pieces,
    added_tokens,
    byte_chars,
    merges_of,
    pieces_of,
    vocabulary_of,
)
from kgpt_build.models.hf.pre_tokenizers import (
    ANY_CASE,
    CASED,
    MARK,
    adds_space,
    flat,
    kind_of,
    pre_tokenizer_name,
    space_fields,
)
from kgpt_build.models.hf.special import special_fields
from kgpt_build.words import shown

Fields = dict[str, FieldValue]
_G = "tokenizer.ggml."
_TEMPLATE = "chat_template.jinja"
FILES = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", _TEMPLATE)
"""The files of a folder that folder_fields reads, besides config.json."""

STRIPS = f"{DETAILS}strips"
_HINT = "docs/tokenizers.md lists what is supported"


def tokenizer_fields(path: Path, n_vocab: int) -> Fields:
    """The fields of the tokenizer in ``path`` (a tokenizer.json) for an embedding of ``n_vocab`` rows.

    Raises KgptError for whatever the engine would not do to the token as the tokenizers library does it.
    """
    return _fields(read_object(path), n_vocab, {}, {}, None)


def folder_fields(folder: Path, n_vocab: int) -> Fields:
    """The same for a folder with tokenizer.json, and what the files beside it say of special tokens and chats."""
    root = read_object(folder / "tokenizer.json")
    settings, generation, config = (
        read_object(folder / name) if (folder / name).is_file() else {}
        for name in ("tokenizer_config.json", "generation_config.json", "config.json")
    )
    ends = generation if generation.get("eos_token_id") is not None else config
    return _fields(root, n_vocab, settings, ends, _chat_template(folder, settings))


def _fields(
    root: Mapping[str, Any],
    n_vocab: int,
    settings: Mapping[str, Any],
    ends: Mapping[str, Any],
    template: str | None,
) -> Fields:
    model = root.get("model")
    if not isinstance(model, dict):
        raise KgptError("tokenizer.json has no 'model': it is not a tokenizer of the tokenizers library", _HINT)
    kind = model.get("type", "BPE" if "merges" in model else "?")
    if kind != "BPE":
        raise KgptError(f"tokenizer.json: the tokenizer {str(kind)[:32]!r} is not supported", "supported: BPE")
    _refuse_options(model)
    vocabulary = vocabulary_of(model)
    pieces = pieces_of(vocabulary, added_tokens(root), n_vocab)
    kind_of_bpe = _sentencepiece if model.get("byte_fallback") else _byte_level
    found = kind_of_bpe(root, model, vocabulary, pieces)
    if any(token.strips for token in pieces.added):
        strips = {token.id for token in pieces.added if token.strips}
        found[STRIPS] = [int(number in strips) for number in range(n_vocab)]
    found |= special_fields(root, pieces, settings, ends)
    if found[f"{_G}model"] == "llama" and f"{_G}eos_token_id" not in found:
        raise KgptError("no file says which token ends a text", "add eos_token to tokenizer_config.json")
    return found if template is None else {**found, "tokenizer.chat_template": template}


def _refuse_options(model: Mapping[str, Any]) -> None:
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(option):
            raise KgptError(f"tokenizer.json: {option} ({shown(model[option])}) is not supported", _HINT)


def _byte_level(
    root: Mapping[str, Any], model: Mapping[str, Any], vocabulary: Mapping[str, int], pieces: Pieces
) -> Fields:
    """Byte-level BPE, GGUF's "gpt2"."""
    kinds = [kind_of(item) for item in flat(root.get("normalizer"), "normalizers")]
    if kinds not in ([], ["NFC"]):
        raise KgptError(f"tokenizer.json: the normalizer {' + '.join(kinds)} is not supported", _HINT)
    missing = [char for char in byte_chars() if char not in vocabulary]
    if missing and model.get("unk_token") is not None:
        raise KgptError(
            f"tokenizer.json: {len(missing)} bytes have no piece and become {shown(model['unk_token'])}", _HINT
        )
    found: Fields = {
        f"{_G}model": "gpt2",
        f"{_G}pre": pre_tokenizer_name(root.get("pre_tokenizer")),
        f"{_G}tokens": pieces.tokens,
        f"{_G}token_type": pieces.types,
        f"{_G}merges": [f"{left} {right}" for left, right in merges_of(model, vocabulary)],
        f"{DETAILS}ignore_merges": bool(model.get("ignore_merges")),
    }
    if found[f"{_G}pre"] in CASED:
        found[cases.KEY] = cases.cases()
    if found[f"{_G}pre"] in ANY_CASE:
        found[f"{DETAILS}long_s"] = True
    if adds_space(root.get("pre_tokenizer")):
        found[f"{DETAILS}prefix_words"] = True
    if missing:
        found[f"{DETAILS}drops_missing"] = True
    return {**found, **nfc_fields()} if kinds else found


def _sentencepiece(
    root: Mapping[str, Any], model: Mapping[str, Any], vocabulary: Mapping[str, int], pieces: Pieces
) -> Fields:
    """BPE of characters with bytes for those that are no piece: GGUF's "llama", with the merges themselves."""
    for byte in range(256):
        number = vocabulary.get(f"<0x{byte:02X}>")
        if number is None:
            raise KgptError(f"tokenizer.json: byte_fallback, but the piece <0x{byte:02X}> is missing", _HINT)
        pieces.types[number] = BYTE
    unknown = model.get("unk_token")
    if isinstance(unknown, str) and unknown in pieces.ids:
        pieces.types[pieces.ids[unknown]] = UNKNOWN
    for token in pieces.added:
        if not token.special and not token.content.strip(MARK) and token.content in vocabulary:
            pieces.types[token.id] = NORMAL  # it stands for spaces
    spaces = space_fields(root.get("normalizer"), root.get("pre_tokenizer"))
    for token in pieces.added:
        if token.normalized and root.get("normalizer") is not None:
            raise KgptError(
                f"tokenizer.json: the added token {shown(token.content)} is normalized, which is not supported", _HINT
            )
    merges = merges_of(model, vocabulary)
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    return {
        f"{_G}model": "llama",
        f"{_G}tokens": pieces.tokens,
        f"{_G}token_type": pieces.types,
        f"{_G}scores": [-float(ranks.get(piece, len(merges))) for piece in pieces.tokens],
        f"{_G}merges": [f"{left} {right}" for left, right in merges],
        f"{DETAILS}by_merges": True,
        **spaces,
    }


def _chat_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The template of chats: a file of its own counts before tokenizer_config.json. Raises KgptError."""
    path = folder / _TEMPLATE
    if path.is_file():
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise KgptError(f"{_TEMPLATE} cannot be read: {error}", "copy the file again") from None
    found = settings.get("chat_template")
    if isinstance(found, list):  # of {"name": …, "template": …}
        named = {item.get("name"): item.get("template") for item in found if isinstance(item, dict)}
        if "default" not in named:
            raise KgptError("tokenizer_config.json: no chat template is named 'default'", "keep one, as a text")
        found = named["default"]
    if found is not None and not isinstance(found, str):
        raise KgptError("tokenizer_config.json: chat_template is not a text", "copy the file again")
    return found
