"""``python -m benchmarks.plain_torch TEXT``: a character GPT in plain PyTorch, the peer of kgpt's host trainer.

It is the loop of tutorials and published scripts: windows at random places of the text, AdamW with one learning rate,
an evaluation of 200 batches of both halves every 500 steps, no compilation. Its sizes are those of the preset ``cpu``.
It imports nothing of kgpt. Each evaluation prints a line with the seconds of processor time, which other programs
disturb less than a clock's; the last lines are the best evaluation and the whole time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH, CONTEXT, WIDTH, HEADS, LAYERS = 16, 128, 128, 4, 4
DROPOUT, RATE = 0.2, 3e-4
EVERY, EVALUATED = 500, 200


class Attention(nn.Module):  # type: ignore[misc]
    """Causal attention of HEADS heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.output = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        n, length, _ = x.shape
        q, k, v = (part.view(n, length, HEADS, -1).transpose(1, 2) for part in self.qkv(x).split(WIDTH, dim=2))
        dropped = DROPOUT if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropped, is_causal=True)
        return functional.dropout(self.output(mixed.transpose(1, 2).reshape(n, length, WIDTH)), DROPOUT, self.training)


class Block(nn.Module):  # type: ignore[misc]
    """A layer: attention and feed-forward, each behind its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.feed = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH), nn.Dropout(DROPOUT)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        x = x + self.attention(self.norm1(x))
        return x + self.feed(self.norm2(x))


class Gpt(nn.Module):  # type: ignore[misc]
    """Tokens (B, T) to logits (B, T, V)."""

    def __init__(self, n_vocab: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(n_vocab, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, n_vocab)
        self.apply(self._initialize)

    @staticmethod
    def _initialize(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) to (B, T, V)."""
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def main() -> None:
    """Train, and print a line for each evaluation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1337)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    text = arguments.text.read_text(encoding="utf-8")
    characters = sorted(set(text))
    ids = {character: i for i, character in enumerate(characters)}
    data = torch.tensor([ids[character] for character in text])
    cut = int(0.9 * len(data))
    halves = {"train": data[:cut], "val": data[cut:]}
    model = Gpt(len(characters))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(text):,} characters", flush=True)

    def batch(half: str) -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(halves[half]) - CONTEXT, (BATCH,))
        rows = torch.stack([halves[half][start : start + CONTEXT + 1] for start in starts.tolist()])
        return rows[:, :-1], rows[:, 1:]

    def loss_of(half: str) -> Tensor:
        tokens, targets = batch(half)
        return functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def evaluate() -> dict[str, float]:
        model.eval()
        losses = {half: sum(loss_of(half).item() for _ in range(EVALUATED)) / EVALUATED for half in halves}
        model.train()
        return losses

    began = time.perf_counter()
    training = evaluating = 0.0
    best = (float("inf"), 0)
    for step in range(arguments.steps + 1):
        before = time.process_time()
        if step % EVERY == 0 or step == arguments.steps:
            losses = evaluate()
            evaluating += time.process_time() - before
            best = min(best, (losses["val"], step))
            print(
                f"step {step}: train {losses['train']:.4f}, val {losses['val']:.4f}, "
                f"{training:.1f} s training, {evaluating:.1f} s evaluating",
                flush=True,
            )
        if step == arguments.steps:
            break
        before = time.process_time()
        loss = loss_of("train")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        training += time.process_time() - before
    print(f"best val {best[0]:.4f} at step {best[1]}")
    print(f"{training + evaluating:.1f} s of processor time, {time.perf_counter() - began:.1f} s in all")


if __name__ == "__main__":
    main()
