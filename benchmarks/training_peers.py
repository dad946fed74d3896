"""Other trainers of microgpt, as fast as their libraries' own means make them: one thread, the same batches."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kgpt_build.models import CharTokenizer, Hyperparameters, tensor_shapes
from kgpt_build.reference import trainer as reference

Batches = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Peer:
    """``seconds`` trains on the batches, ``steps`` of them in a round, and returns the wall time."""

    name: str
    steps: int
    seconds: Callable[[CharTokenizer, Batches], float]


def numpy_peer(hparams: Hyperparameters, batch: int) -> Peer:
    """The project's reference trainer, in double and in a fixed order."""

    def seconds(tokenizer: CharTokenizer, batches: Batches) -> float:
        settings = reference.TrainSettings(steps=len(batches), batch=batch)
        documents = [text for texts in batches for text in texts]
        start = time.perf_counter()
        reference.train(hparams, tokenizer, documents, settings)
        return time.perf_counter() - start

    return Peer("NumPy reference, f64", 10, seconds)


def torch_peer(hparams: Hyperparameters, batch: int) -> Peer | None:
    """PyTorch, eager, f32, fused Adam; None where it is not installed."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(1)
    parameters = _torch_parameters(torch, hparams)
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

    return Peer(f"PyTorch {torch.__version__} CPU, eager, f32", 20, seconds)


def _torch_parameters(torch: Any, hparams: Hyperparameters) -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        name: torch.nn.Parameter(0.08 * torch.randn(rows, columns))
        for name, (rows, columns) in tensor_shapes(hparams).items()
    }


def torch_loss(torch: Any, hparams: Hyperparameters, w: dict[str, Any], tokens: Any, targets: Any) -> Any:
    """Mean over the documents of the mean over their positions. Tokens and targets (B, T); -1 does not count."""
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
