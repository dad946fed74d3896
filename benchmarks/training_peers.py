"""Other trainers of microgpt, as fast as their libraries allow, with one thread and the same batches."""

from __future__ import annotations

import importlib
import itertools
import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reference_autograd import Settings, train

from kgpt_build.models import CharTokenizer, Hyperparameters, tensor_shapes
from kgpt_build.reference import trainer as reference

Batches = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Peer:
    """A trainer: ``seconds`` trains on batches and returns the wall time; a round has ``steps`` batches."""

    name: str
    steps: int
    seconds: Callable[[CharTokenizer, Batches], float]


def numpy_peer(hparams: Hyperparameters) -> Peer:
    """kgpt_build.reference's trainer, in double precision and in a fixed order."""

    def seconds(tokenizer: CharTokenizer, batches: Batches) -> float:
        settings = reference.TrainSettings(steps=len(batches), batch=len(batches[0]))
        documents = [text for texts in batches for text in texts]
        ends = list[float]()  # the end of each step; the first step also draws the weights
        reference.train(hparams, tokenizer, documents, settings, lambda *_: ends.append(time.perf_counter()))
        return (ends[-1] - ends[0]) * len(ends) / (len(ends) - 1)

    return Peer("NumPy reference, f64", 10, seconds)


def scalar_peer(hparams: Hyperparameters) -> Peer:
    """microgpt itself: scalar automatic differentiation in CPython, one document per step."""

    settings = Settings(hparams.n_layer, hparams.n_embd, hparams.n_head, hparams.n_ctx, samples=0)

    def once(documents: list[str], steps: int) -> float:
        start = time.perf_counter()
        train(documents, replace(settings, stop_after=steps, seed=_seed_that_keeps_last(len(documents))))
        return time.perf_counter() - start

    def seconds(tokenizer: CharTokenizer, batches: Batches) -> float:
        alphabet = "".join(tokenizer.chars)  # an additional document, not trained on, completes the vocabulary
        documents = [*(text for texts in batches for text in texts), alphabet]
        return once(documents, len(batches)) - once(documents, 0)

    return Peer(f"microgpt's way: CPython {platform.python_version()}, f64", 3, seconds)


def _seed_that_keeps_last(n: int) -> int:
    """A seed whose first shuffle keeps the last of ``n`` items in its place."""
    for seed in itertools.count():
        order = list(range(n))
        random.Random(seed).shuffle(order)
        if order[-1] == n - 1:
            return seed
    raise AssertionError("no seed keeps the last item")


def torch_peer(hparams: Hyperparameters, *, double: bool = False) -> Peer | None:
    """PyTorch in eager mode with fused Adam; None if it is not installed."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(1)
    parameters = _torch_parameters(torch, hparams, torch.float64 if double else torch.float32)
    adam = torch.optim.Adam(parameters.values(), lr=0.01, betas=(0.85, 0.99), eps=1e-8, fused=True)

    def seconds(tokenizer: CharTokenizer, batches: Batches) -> float:
        packed = [reference.pack(tokenizer, texts, hparams.n_ctx) for texts in batches]
        tensors = [(torch.from_numpy(tokens), torch.from_numpy(targets)) for tokens, targets in packed]
        start = time.perf_counter()
        for tokens, targets in tensors:
            adam.zero_grad()
            torch_loss(torch, hparams, parameters, tokens, targets).backward()
            adam.step()
        return time.perf_counter() - start

    return Peer(f"PyTorch {torch.__version__} CPU, eager, {'f64' if double else 'f32'}", 20, seconds)


def _torch_parameters(torch: Any, hparams: Hyperparameters, dtype: Any) -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        name: torch.nn.Parameter(0.08 * torch.randn(rows, columns, dtype=dtype))
        for name, (rows, columns) in tensor_shapes(hparams).items()
    }


def torch_loss(torch: Any, hparams: Hyperparameters, w: dict[str, Any], tokens: Any, targets: Any) -> Any:
    """Mean over the documents of the mean loss over their positions.

    Tokens and targets are (B, T); a target -1 is ignored.
    """
    functional, width = torch.nn.functional, hparams.n_embd

    def norm(x: Any) -> Any:
        return functional.rms_norm(x, (width,), eps=1e-5)

    def heads(x: Any) -> Any:
        return x.view(*x.shape[:2], hparams.n_head, -1).transpose(1, 2)

    x = norm(w["wte"][tokens] + w["wpe"][: tokens.shape[1]])
    for i in range(hparams.n_layer):
        y = norm(x)
        q, k, v = (heads(functional.linear(y, w[f"layer{i}.attn_{name}"])) for name in ("wq", "wk", "wv"))
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + functional.linear(attended.transpose(1, 2).reshape(x.shape), w[f"layer{i}.attn_wo"])
        hidden = functional.relu(functional.linear(norm(x), w[f"layer{i}.mlp_fc1"]))
        x = x + functional.linear(hidden, w[f"layer{i}.mlp_fc2"])
    logits = functional.linear(x, w["lm_head"])
    losses = functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1, reduction="none")
    return (losses.sum(1) / (targets >= 0).sum(1)).mean()
