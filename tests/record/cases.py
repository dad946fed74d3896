"""What is recorded: models, options, conversations and trainings, as runs of the hosted program and of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_tiny
import mode_train
from lm_corners import CORNERS, random_tiny
from lm_tiny import TINY, Tiny
from runs import Bench, Digests, default_model, digests
from seeds import bpe_tokenizer, with_tokenizer

from kgpt_build.chat import chat_blob

ISAS = ("cpumask=c", "cpumask=avx2", "cpumask=avx512")
PRINTABLE = (10, *range(32, 127))


@dataclass(frozen=True)
class Case:
    """One entry of the record: a run, and other ways to compute the same."""

    name: str
    image: str
    words: str
    model: str = ""
    """What is brought: the name of a tiny model, or "default"."""
    n_ctx: int = lm_tiny.N_CTX
    chat: bool = False
    """The template ChatML is brought too."""
    typed: str = ""
    also: tuple[str, ...] = ()
    """Words that must change nothing, one more run for each."""
    also_short: tuple[str, ...] = ()
    """Those of the short form."""
    short: bool = False
    in_qemu: bool = False
    """The kernel must compute the same."""
    corpus: str = ""
    until: int = 0
    """The training is also stopped after this step, and gone on with from its state."""
    isa: str = ""
    """The arithmetic that the processor must have."""

    def possible(self, bench: Bench) -> bool:
        """Whether this processor has the arithmetic."""
        return self.isa != "avx2" or bench.isa != "c"

    def runs(self, bench: Bench, short: bool = False) -> Iterator[tuple[str, Digests]]:
        """Each way (the words that it adds) and what it gave; the first one is what is written down."""
        modules = self._modules(bench)
        for more in ("", *(self.also_short if short else self.also)):
            yield more, _of(bench.hosted(self.image, f"{self.words} {more}", modules, self.typed))
        if self.until:
            first = bench.hosted(self.image, f"{self.words} until={self.until}", modules)
            state = bench.folder / "state"
            state.write_bytes(first.blob("state"))
            found = _of(bench.hosted(self.image, self.words, [state, *modules]))
            yield f"until={self.until}, and on from its state", {"state": found["state"]}

    def in_kernel(self, bench: Bench) -> Digests:
        """What the kernel gives in QEMU."""
        return digests(bench.qemu(self.image, self.words, self._modules(bench)))

    def _modules(self, bench: Bench) -> list[Path]:
        if self.corpus:
            return [bench.file("corpus", lambda path: path.write_text(self.corpus))]
        if not self.model:
            return []
        if self.model == "default":
            return [bench.file("default.gguf", default_model)]
        name = f"{self.model}-{self.n_ctx}.gguf"
        found = [bench.file(name, lambda path: write_model(path, MODELS[self.model], self.n_ctx))]
        if self.chat:
            template = chat_blob("", "", "", family="chatml").blob()
            found.append(bench.file("chat.kgct", lambda path: path.write_bytes(template)))
        return found


def _of(run: mode_train.Training) -> Digests:
    return digests(run.lines, [(blob.name, blob.step, blob.data) for blob in run.blobs])


def write_model(path: Path, tiny: Tiny, n_ctx: int = lm_tiny.N_CTX) -> None:
    """A tiny model that can read and write: with a tokenizer of what is printable, and some words."""
    tokenizer = bpe_tokenizer(PRINTABLE, ["user", "assistant", "the", " the", " and", "ing"])
    fields = {**tiny.fields, "context_length": n_ctx} if n_ctx != lm_tiny.N_CTX else tiny.fields
    lm_tiny.write(path, tiny, n_vocab=len(tokenizer["tokenizer.ggml.tokens"]), fields=fields)
    path.write_bytes(with_tokenizer(path.read_bytes(), tokenizer))


MODELS: dict[str, Tiny] = {
    **TINY,
    **CORNERS,
    **{f"random-{seed}": random_tiny(seed) for seed in range(1000, 1020)},
}

_MICRO = {
    "default": "samples=20",
    "seed-1": "samples=20 seed=1",
    "seed-largest": f"samples=20 seed={2**64 - 1}",
    "greedy": "samples=3 temperature=0",
    "hot": "samples=10 temperature=1.7",
    "hottest": "samples=5 temperature=100",
    "top-k": "samples=10 temperature=1 top_k=3",
    "top-p": "samples=10 temperature=1 top_p=0.6",
    "min-p": "samples=10 temperature=1 min_p=0.3",
    "filters": "samples=10 temperature=0.9 top_k=9 top_p=0.9 min_p=0.05",
    "max-tokens": "samples=10 max_tokens=2",
    "prompt": "samples=10 prompt=ma",
    "long-prompt": "samples=3 prompt=abcdefghijklmno",
}
_TYPED = (
    "generate\ngenerate ma\nset temperature 1.2\nset top_k 5\ngenerate b\nset seed 9\nset samples 2\ngenerate\nhalt\n"
)
_OWN = "temperature=0.5 top_k=0 top_p=1 min_p=0 typical_p=1 samples=20"
"""What the kernel of a microgpt presumes, in words of one for language models."""


def _micro() -> Iterator[Case]:
    for name, words in _MICRO.items():
        words = f"exit logits {words}"
        yield Case(f"micro/{name}", "micro", words, also=ISAS, also_short=ISAS, short=True, in_qemu=name == "default")
        typical = words.replace("exit", f"exit mode=generate {_OWN}")
        yield Case(
            f"micro-as-lm/{name}", "lm", typical, model="default", also=ISAS, short=name in ("default", "filters")
        )
    yield Case("micro/shell", "micro", "logits mode=shell samples=3", typed=_TYPED, also=ISAS, short=True)
    yield Case("micro/odd", "odd", "exit logits samples=5", also=ISAS, also_short=ISAS, short=True)
    yield Case("micro/odd-hot", "odd", "exit logits samples=20 temperature=1.5 seed=3", also=ISAS)


_LM = (
    'exit mode=generate logits cpus=1 prompt="the (user) and" seed=7 temperature=1.1 logit_bias=0-inf logit_bias=1-inf'
)
_WAYS = ("cpumask=c ubatch=1", "cpumask=avx2 ubatch=7", "cpumask=avx512", "cpus=2 ubatch=3")
_SHORT_WAYS = ("cpumask=c ubatch=3",)


def _lm() -> Iterator[Case]:
    for name in MODELS:
        short = name in TINY
        image: dict[str, Any] = {"image": "lm", "model": name}
        yield Case(f"lm/{name}", words=_LM, also=_WAYS, also_short=_SHORT_WAYS, short=short,
                   in_qemu=name == "gemma3", **image)  # fmt: skip
        for kv in ("q8", "f32") if name in TINY else ():
            few = kv == "q8" and name in ("llama", "gemma3", "gpt2")
            yield Case(
                f"lm/{name}/{kv}", words=f"{_LM} kv={kv}", also=_WAYS, also_short=_SHORT_WAYS, short=few, **image
            )
        if name in TINY:
            yield Case(f"lm/{name}/layers", words=f"{_LM} layers max_tokens=3", also=(*ISAS, "cpus=2"), **image)


_SAMPLING = {
    "defaults": "",
    "greedy": "temperature=0",
    "top-k": "top_k=3 top_p=1 min_p=0 temperature=2",
    "top-p": "top_k=0 top_p=0.7 min_p=0 temperature=2",
    "min-p": "top_k=0 top_p=1 min_p=0.2 temperature=2",
    "typical": "top_k=0 top_p=1 min_p=0 typical_p=0.6 temperature=1.5",
    "repeat": "repeat_penalty=1.3 repeat_last_n=9",
    "frequency": "frequency_penalty=0.8",
    "presence": "presence_penalty=1.5",
    "negative": "presence_penalty=-0.5 frequency_penalty=-0.2 repeat_last_n=20",
    "bias": "logit_bias=40+3 logit_bias=41-2.5 logit_bias=1-inf",
    "stop": "stop=e stop=a",
    "logprobs": "logprobs=5",
    "all": "top_k=30 top_p=0.98 min_p=0.001 typical_p=0.95 repeat_penalty=1.1 frequency_penalty=0.2 "
    "presence_penalty=0.1 logit_bias=50+1 stop=zz logprobs=3",
}


def _sampling() -> Iterator[Case]:
    for name, words in _SAMPLING.items():
        for seed in (1, 12345678901234567890):
            line = f"exit mode=generate samples=3 max_tokens=20 cpus=1 logits prompt=user seed={seed} {words}"
            yield Case(f"sampling/{name}/{seed}", "lm", line, model="llama", also=_WAYS, short=seed == 1)


_CHATS = {
    "turns": ("", "hello\nhow is the user?\nand the rest\n"),
    "regen": ("", "hello\n/regen\n/regen\nand the rest\n/regen\n"),
    "reset": ("", "hello\nmore\n/reset\nhello\n/clear\nmore\n"),
    "settings": ("", "hello\n/set temperature 0\nmore\n/set top_k 2\n/set temperature 3\n/set seed 5\nmore\n"),
    "system": ('system="be a user"', "hello\n/system the other\nhello\n/system default\nhello\n"),
    "stop": ("stop=e stop=i", "hello\nmore\n/regen\n"),
    "think": ("think=off", "hello\nmore\n"),
    "shift": ("ctx=96 on_overflow=shift", "hello\nhow is the user?\nand the rest\nmore\n/regen\nmore and more\n"),
    "full": ("ctx=96", "hello\nhow is the user?\nand the rest\nmore\n"),
    "lines": ("", '"""hello\nuser\nand"""\n/paste\na line\nanother\n/end\nmore\n'),
    "penalties": ("repeat_penalty=1.2 presence_penalty=0.3 typical_p=0.9 logprobs=2", "hello\nmore\n/regen\n"),
}


def _chats() -> Iterator[Case]:
    for name, (words, typed) in _CHATS.items():
        line = f"mode=chat logits cpus=1 max_tokens=24 {words}"
        for model in ("llama", "gemma3", "phi3-Q4_K"):
            yield Case(f"chat/{name}/{model}", "lm", line, model=model, n_ctx=512, chat=True, typed=typed, also=_WAYS,
                       also_short=_SHORT_WAYS, short=model == "llama")  # fmt: skip


_TRAININGS = {
    "small": "steps=30 batch=4 n_embd=8 n_head=2 block_size=8",
    "default": "steps=20",
    "odd": "steps=20 batch=7 n_layer=2 n_embd=15 n_head=3 block_size=7 weight_decay=0.1 seed=5",
    "validated": "steps=30 batch=4 val_fraction=0.3 eval_every=5 lr=0.02",
    "checkpoints": "steps=20 batch=4 checkpoint_every=6",
    "adam": "steps=20 batch=3 beta1=0.8 beta2=0.9 eps=1e-6 weight_decay=0.01",
    "text": "steps=20 text block_size=12",
    "wide": "steps=4 n_embd=64 n_head=4 n_layer=2",
}
_CPUS = ("cpus=2",)


def _trainings() -> Iterator[Case]:
    for name, words in _TRAININGS.items():
        line = f"mode=train exit samples=3 {words}"
        few: dict[str, Any] = {
            "image": "train",
            "corpus": mode_train.TEXT,
            "until": 0 if "checkpoint" in words else int(name != "wide") * 9,
        }
        short = name in ("small", "odd", "validated", "text")
        yield Case(f"train/exact/{name}", words=f"{_without(line, 'batch')} exact cpus=1",
                   also=(*_CPUS, *ISAS), also_short=_CPUS, short=short, **few)  # fmt: skip
        for isa, also in (("c", _CPUS), ("avx2", ("cpumask=avx512", "cpumask=avx512 cpus=2", *_CPUS))):
            yield Case(f"train/fast-{isa}/{name}", words=f"{line} cpus=1 cpumask={isa}", also=also, also_short=_CPUS,
                       short=short, isa=isa, **few)  # fmt: skip


def _without(words: str, key: str) -> str:
    return " ".join(word for word in words.split() if not word.startswith(f"{key}="))


CASES = {case.name: case for make in (_micro, _lm, _sampling, _chats, _trainings) for case in make()}
