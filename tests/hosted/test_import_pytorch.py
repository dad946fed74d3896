"""Checkpoints that PyTorch writes: the kernel's logits are those of the module. Needs the extra ``torch``."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lm
import numpy as np
import pytest
from lm_measures import relative
from refusals import refused

from kgpt_build.errors import KgptError
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing import ImportOptions, read_checkpoint

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'kgpt[torch]'")

if TYPE_CHECKING:
    from nanogpt_module import NanoGpt

CHARS = [chr(code) for code in (9, 10, *range(32, 91))]
TOKENS = [int(token) for token in np.random.default_rng(3).integers(0, len(CHARS), 24)]
MOST = 1e-4
"""Of the largest logit."""


def made(n_vocab: int = len(CHARS), *, bias: bool = False) -> NanoGpt:
    import nanogpt_module

    return nanogpt_module.made(n_vocab, bias=bias)


def saved(path: Path, model: NanoGpt, prefix: str = "", **more: Any) -> Path:
    """A checkpoint as nanoGPT's train.py writes it, and the meta.pkl of its data beside it."""
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.tensor([TOKENS])).sum().backward()
    state = {prefix + name: value.clone() for name, value in model.state_dict().items()}
    state[f"{prefix}lm_head.weight"] = state[f"{prefix}transformer.wte.weight"]
    optimizer.step()
    checkpoint = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "model_args": model.arguments,
        "iter_num": 250,
        "best_val_loss": torch.tensor(1.25),
        "config": {"dataset": "kernel_char", "compile": True, "learning_rate": 1e-3, "always": [1, 2]},
    }
    torch.save({**checkpoint, **more}, path)
    meta = {"vocab_size": len(CHARS), "itos": dict(enumerate(CHARS)), "stoi": {char: i for i, char in enumerate(CHARS)}}
    (path.parent / "meta.pkl").write_bytes(pickle.dumps(meta))
    return path


def logits_of(library: ctypes.CDLL, source: Path, folder: Path) -> lm.Floats:
    path = folder / "model.gguf"
    write_gguf(read_checkpoint(source), path)
    engine = lm.Engine(library, path.read_bytes())
    engine.session(n_batch=7)
    return engine.eval(TOKENS)


def expected(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.tensor([TOKENS]))[0].float().numpy()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
def test_logits_of_a_nanogpt(lm_library: ctypes.CDLL, tmp_path: Path, bias: bool, prefix: str) -> None:
    model = made(bias=bias)
    theirs = expected(model)
    source = saved(tmp_path / "ckpt.pt", model, prefix)
    assert relative(theirs, logits_of(lm_library, source, tmp_path)) < MOST
    assert theirs.std() > 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_types(lm_library: ctypes.CDLL, tmp_path: Path, dtype: str) -> None:
    """The module in f32 with weights that were rounded to the type."""
    kind = getattr(torch, dtype)
    model = made(bias=True).to(kind)
    source = tmp_path / "ckpt.pt"
    torch.save({"model": model.state_dict(), "model_args": model.arguments, "chars": CHARS}, source)
    assert relative(expected(model.float()), logits_of(lm_library, source, tmp_path)) < MOST


def test_a_padded_vocabulary_is_cut(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    model = made(64)
    theirs = expected(model)[:, : len(CHARS)]
    found = logits_of(lm_library, saved(tmp_path / "ckpt.pt", model), tmp_path)
    assert found.shape == theirs.shape
    assert relative(theirs, found) < MOST


def test_a_plain_state_dict_with_a_config_beside_it(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    model = made(bias=True)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    (tmp_path / "chars.json").write_text(json.dumps(CHARS))
    with refused(KgptError, "n_head"):
        read_checkpoint(tmp_path / "weights.pth")
    (tmp_path / "config.json").write_text(json.dumps(model.arguments))
    assert relative(expected(model), logits_of(lm_library, tmp_path / "weights.pth", tmp_path)) < MOST


@pytest.mark.parametrize("kind", ["nanogpt", "microgpt", "llama"])
def test_logits_of_our_own_models(lm_library: ctypes.CDLL, tmp_path: Path, kind: str) -> None:
    """A plain state dict of the modules that kgpt train trains, with the two sizes that shapes do not say."""
    from kgpt_build.reference.draws import TextShape
    from kgpt_build.training.torch.models import Gpt

    torch.manual_seed(2)
    model = Gpt(TextShape(kind, n_layer=2, n_head=4, n_embd=32, n_ctx=24, n_vocab=len(CHARS))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.5 if parameter.dim() > 1 else 0.3))
    value = {"state_dict": model.state_dict(), "config": {"n_head": 4, "block_size": 24}, "chars": CHARS}
    torch.save(value, tmp_path / "x.pt")
    assert relative(expected(model), logits_of(lm_library, tmp_path / "x.pt", tmp_path)) < MOST


def test_parameters_and_views(lm_library: ctypes.CDLL, tmp_path: Path) -> None:
    """Parameters are pickled by another function. A matrix may be a transposed view, or a part of a larger storage."""
    model = made()
    state: dict[str, Any] = dict(model.named_parameters())
    whole = torch.randn(100, 32)
    state["transformer.wpe.weight"] = whole[11:35]
    state["transformer.h.0.attn.c_proj.weight"] = torch.randn(32, 32).T
    model.load_state_dict({**model.state_dict(), **state})
    torch.save({"model": state, "model_args": model.arguments, "chars": CHARS}, tmp_path / "x.pt")
    assert relative(expected(model), logits_of(lm_library, tmp_path / "x.pt", tmp_path)) < MOST


def test_older_formats_and_whole_modules_are_refused(tmp_path: Path) -> None:
    model = made()
    torch.save({"model": model.state_dict()}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with refused(KgptError, "format PyTorch 1.6"):
        read_checkpoint(tmp_path / "old.pt")
    torch.save(model, tmp_path / "module.pt")
    with refused(KgptError, "'nanogpt_module.NanoGpt'"):
        read_checkpoint(tmp_path / "module.pt")


def test_what_weights_only_takes_is_taken(tmp_path: Path) -> None:
    """And what it refuses is refused."""

    class Runs:
        def __reduce__(self) -> Any:
            return os.getenv, ("HOME",)

    source = saved(
        tmp_path / "ckpt.pt", made(), more=[torch.Size([1, 2]), torch.float16, torch.zeros(3, dtype=torch.int64)]
    )
    torch.load(source, weights_only=True)
    read_checkpoint(source)
    saved(source, made(), more=Runs())
    with pytest.raises(pickle.UnpicklingError):
        torch.load(source, weights_only=True)
    with refused(KgptError, "'os.getenv'"):
        read_checkpoint(source)


def test_the_import_works_without_torch(tmp_path: Path) -> None:
    """A program in which torch cannot be imported makes the same file."""
    source = saved(tmp_path / "ckpt.pt", made(bias=True))
    write_gguf(read_checkpoint(source, ImportOptions(name="same")), tmp_path / "here.gguf")
    words = ["import", str(source), "-o", str(tmp_path / "there.gguf"), "--name", "same"]
    program = f"import sys; sys.modules['torch'] = None\nfrom kgpt_build.cli import cli\ncli({words!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there.gguf").read_bytes() == (tmp_path / "here.gguf").read_bytes()
