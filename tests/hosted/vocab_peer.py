"""llama.cpp's tokenizers, where llama-cpp-python is installed; and the files tests/golden/vocab_*.json, made with them:

PYTHONPATH=.:tests/unit:tests/hosted python tests/hosted/vocab_peer.py
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import vocab
import vocab_files
import vocab_texts


class Peer:
    """The vocabulary of a GGUF file, by llama.cpp."""

    def __init__(self, path: Path) -> None:
        self._api: Any = importlib.import_module("llama_cpp.llama_cpp")
        self._silent = self._api.llama_log_callback(lambda *_: None)
        self._api.llama_log_set(self._silent, ctypes.c_void_p(0))
        parameters = self._api.llama_model_default_params()
        parameters.vocab_only = True
        self._model = self._api.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise ValueError(f"llama.cpp does not open {path}")
        self._vocab = self._api.llama_model_get_vocab(self._model)
        self.n_vocab = int(self._api.llama_vocab_n_tokens(self._vocab))
        self.add_bos = bool(self._api.llama_vocab_get_add_bos(self._vocab))
        self.add_eos = bool(self._api.llama_vocab_get_add_eos(self._vocab))

    def encode(self, text: bytes, special: bool) -> list[int]:
        room = 3 * len(text) + 8
        tokens = (ctypes.c_int32 * room)()
        n = self._api.llama_tokenize(self._vocab, text, len(text), tokens, room, False, special)
        assert n >= 0
        return list(tokens[:n])

    def piece(self, token: int, special: bool) -> bytes:
        out = ctypes.create_string_buffer(8192)
        n = self._api.llama_token_to_piece(self._vocab, token, out, len(out), 0, special)
        return out.raw[:n]

    def ends(self, token: int) -> bool:
        return bool(self._api.llama_vocab_is_eog(self._vocab, token))

    def numbers(self) -> list[int]:
        """BOS, EOS and newline; -1 where there is none."""
        names = ("bos", "eos", "nl")
        return [int(getattr(self._api, f"llama_vocab_{name}")(self._vocab)) for name in names]

    def close(self) -> None:
        self._api.llama_model_free(self._model)


@contextlib.contextmanager
def peer_of(data: bytes) -> Iterator[Peer]:
    """llama.cpp with the GGUF file ``data``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.gguf"
        path.write_bytes(data)
        peer = Peer(path)
        try:
            yield peer
        finally:
            peer.close()


def texts() -> list[bytes]:
    return [text.encode("utf-8", "surrogatepass") for text in vocab_texts.BY_HAND] + list(vocab_texts.BROKEN)


def _encoded(data: bytes, of: list[bytes]) -> list[list[int]]:
    """The tokens of each text, and where they differ those with special tokens, too."""
    found = []
    with peer_of(data) as peer:
        for text in of:
            plain, special = peer.encode(text, False), peer.encode(text, True)
            found.append(plain if plain == special else [*plain, -1, *special])
    return found


def _smollm2() -> dict[str, Any]:
    data = vocab.gguf_bytes(vocab.smollm2_fields())
    rng = random.Random(3)
    of = [*texts(), *(vocab_texts.mixed(rng, 12).encode() for _ in range(40))]
    of += [text.encode() for text in vocab_texts.every_block()]
    with peer_of(data) as peer:
        ends = [token for token in range(peer.n_vocab) if peer.ends(token)]
    return {"ends": ends, "texts": [vocab_files.item_of(text) for text in of], "tokens": _encoded(data, of)}


def _pre(names: list[str]) -> dict[str, Any]:
    """Each text with the ways to encode it that there are, and which of these are those of which names."""
    merges = vocab_files.probe_merges()
    rng = random.Random(4)
    of = [*texts(), *(vocab_texts.mixed(rng, 14).encode() for _ in range(50))]
    groups: dict[str, dict[str, Any]] = {}
    different: list[list[list[int]]] = [[] for _ in of]
    for name in names:
        data = vocab.gguf_bytes(vocab_files.probe_fields(merges, name))
        with peer_of(data) as peer:
            add_bos = peer.add_bos
        which = []
        for tokens, known in zip(_encoded(data, of), different, strict=True):
            known.extend([] if tokens in known else [tokens])
            which.append(known.index(tokens))
        group = groups.setdefault(f"{add_bos}{which}", {"names": [], "add_bos": add_bos, "which": which})
        group["names"].append(name)
    items = [vocab_files.item_of(text) for text in of]
    return {"merges": merges, "texts": items, "tokens": different, "groups": list(groups.values())}


def _spm() -> dict[str, Any]:
    pieces = vocab_files.probe_pieces()
    rng = random.Random(5)
    of = [*texts(), *(vocab_texts.mixed(rng, 14).encode() for _ in range(40))]
    of += [f"{a}<|end|>{b}<|user|>{a}".encode() for a in ("", " ", "a") for b in (" \n\tb", "c", "")]
    of += [b"<|endoftext|> \n x</s> y<s> z", b"a" + b" " * 11 + b"b" + b" " * 4]
    tokens = {
        name: _encoded(vocab.gguf_bytes(vocab_files.spm_fields(pieces, name)), of) for name in vocab_files.SPM_VARIANTS
    }
    return {"pieces": pieces, "texts": [vocab_files.item_of(text) for text in of], "tokens": tokens}


def made() -> dict[str, dict[str, Any]]:
    """The content of each golden file."""
    with tempfile.TemporaryDirectory() as folder:
        names = vocab.known(vocab.build(Path(folder)), pre=True)
    return {"vocab_smollm2": _smollm2(), "vocab_pre": _pre(names), "vocab_spm": _spm()}


def as_text(content: dict[str, Any]) -> str:
    """JSON with a line for each text and its tokens."""
    return (
        json.dumps(content, ensure_ascii=True, separators=(",", ":")).replace("],[", "],\n[").replace("},{", "},\n{")
        + "\n"
    )


def main() -> None:
    version = importlib.import_module("llama_cpp").__version__
    note = f"made by tests/hosted/vocab_peer.py with llama.cpp as in llama-cpp-python {version}"
    for name, content in made().items():
        (vocab_files.GOLDEN / f"{name}.json").write_text(as_text({"note": note, **content}))


if __name__ == "__main__":
    main()
