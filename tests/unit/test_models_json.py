from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused
from toy import json_document, toy_model

from kgpt_build import models
from kgpt_build.errors import KgptError

Document = dict[str, Any]


def _save(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("as_list", [False, True])
def test_both_forms(tmp_path: Path, bare: bool, as_list: bool) -> None:
    model = toy_model("aé中", n_layer=2)
    document = json_document(model)
    if as_list:
        document["chars"] = list(document["chars"])
    if bare:
        document.update(document.pop("state_dict"))
    loaded = models.load_microgpt(_save(tmp_path / "my.json", document))
    assert loaded.sha256 == model.sha256
    assert loaded.name == "my"


def test_defaults_are_microgpts(tmp_path: Path) -> None:
    document = json_document(toy_model(n_embd=8, n_ctx=5, n_head=4, n_ff=3))
    del document["n_head"]
    hparams = models.load_microgpt(_save(tmp_path / "m.json", document)).hparams
    assert (hparams.n_head, hparams.n_head_kv, hparams.n_ctx, hparams.n_ff) == (4, 4, 5, 3)
    assert hparams.norm_eps == 1e-5


def test_options_spaces_and_byte_order_mark(tmp_path: Path) -> None:
    model = toy_model()
    document = {**json_document(model), "name": "n", "block_size": 4, "norm_eps": 1e-5, "arch": "microgpt"}
    path = tmp_path / "m"
    for prefix in ("", " \n\t      ", "\ufeff"):
        path.write_text(prefix + json.dumps(document), encoding="utf-8")
        assert models.load_microgpt(path).sha256 == model.sha256
        assert models.load_microgpt(path).name == "n"


def test_weights_round_to_f32(tmp_path: Path) -> None:
    document = json_document(toy_model())
    document["state_dict"]["wte"][0][0] = 0.1
    document["state_dict"]["wte"][0][1] = 3
    wte = models.load_microgpt(_save(tmp_path / "m.json", document)).tensors["wte"]
    assert (wte[0, 0], wte[0, 1]) == (np.float32(0.1), 3)


def _drop(name: str) -> Callable[[Document], None]:
    return lambda document: document.pop(name)


def _put(name: str, value: Any) -> Callable[[Document], None]:
    return lambda document: document.update({name: value})


def _tensor(name: str, value: Any) -> Callable[[Document], None]:
    return lambda document: document["state_dict"].update({name: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_drop("chars"), "'chars' missing"),
        (_put("chars", 3), "'chars' text list texts"),
        (_put("chars", ["a", 1]), "'chars' text list texts"),
        (_put("chars", "aa"), "'a' twice"),
        (_put("chars", "abc"), "characters 3 n_vocab"),
        (_put("chars", "\ud800b"), "surrogate"),
        (_put("state_dict", []), "'state_dict' object"),
        (_put("state_dict", {}), "'wte' missing"),
        (_put("n_heads", 2), "'n_heads' unknown"),
        (_put("n_head", 0), "n_head 0"),
        (_put("n_head", 3), "n_embd n_head 3"),
        (_put("n_head", "4"), "'n_head' '4'"),
        (_put("n_head", True), "'n_head' True"),
        (_put("block_size", 8), "'wpe' shape 4 8"),
        (_put("norm_eps", 0), "'norm_eps' 0"),
        (_put("norm_eps", 2.0), "norm_eps 2.0"),
        (_put("name", 1), "'name' 1"),
        (_put("arch", "gpt2"), "architecture 'gpt2'"),
        (_tensor("wte", [[1.0] * 4, [1.0] * 3, [1.0] * 4]), "'wte' ragged row 1 3 0 4"),
        (_tensor("wte", []), "'wte' list rows"),
        (_tensor("wte", [[]]), "'wte' list rows"),
        (_tensor("wte", [1.0, 2.0]), "'wte' list rows"),
        (_tensor("wte", {"a": 1}), "'wte' list rows"),
        (_tensor("wte", [["1"] * 4] * 3), "'wte' '1' row 0 column"),
        (_tensor("wte", [[None] * 4] * 3), "'wte' None row 0 column"),
        (_tensor("wte", [[True] * 4] * 3), "'wte' True row 0 column"),
        (_tensor("wpe", [[float("nan")] * 4] * 4), "'wpe' nan row 0 column"),
        (_tensor("wpe", [[1.0] * 3 + [1e39]] * 4), "'wpe' inf row 0 column 3"),
        (_tensor("wpe", [[10**400] * 4] * 4), "'wpe' whole number float"),
        (_tensor("layer0.attn_wq", [[1.0] * 4] * 3), "'layer0.attn_wq' shape 3 4"),
        (_tensor("layer2.attn_wq", [[1.0] * 4] * 4), "'layer1.attn_wq' missing"),
        (_tensor("layer999999.attn_wq", [[1.0] * 4] * 4), "n_layer 1000000"),
        (_tensor("bias", [[1.0]]), "unexpected 'bias'"),
        (lambda document: document["state_dict"].pop("layer0.mlp_fc1"), "'layer0.mlp_fc1' missing"),
        (lambda document: document["state_dict"].pop("lm_head"), "'lm_head' missing"),
    ],
)
def test_refused(tmp_path: Path, damage: Callable[[Document], None], message: str) -> None:
    document = json_document(toy_model())
    damage(document)
    path = _save(tmp_path / "m.json", document)
    with refused(KgptError, message) as caught:
        models.load_microgpt(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "JSON line 1 column 2"),
        (b'{"chars": "a"} x', "not JSON:"),
        (b"[1, 2]", "JSON object"),
        (b"   \n", "not JSON:"),
        (b'{"chars": "a", "chars": "b"}', "'chars' twice"),
        (b'{"chars": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "not a model"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not a model"),
    ],
)
def test_not_json(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(content)
    with refused(KgptError, message) as caught:
        models.load_microgpt(path)
    assert "\n" not in caught.value.message


def test_truncated_everywhere(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.json", json_document(toy_model()))
    data = path.read_bytes()
    for size in range(1, len(data), 11):
        path.write_bytes(data[:size])
        with pytest.raises(KgptError):
            models.load_microgpt(path)
