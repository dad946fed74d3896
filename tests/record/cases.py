"""The entries of the record: runs with many models, options, conversations and trainings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import mode_train
import pytest
from files import FILES, PRE_TEXT, PRE_TOKENIZERS, SPM, TINY_MODELS, names_text
from lm_tiny import TINY
from runs import Bench, Digests, digests

from kgpt_build.chat import BUILTIN_TEMPLATES, chat_blob

ISAS = ("cpumask=c", "cpumask=avx2", "cpumask=avx512")


@dataclass(frozen=True)
class Case:
    """One entry: a run, and variants of the run that must compute the same bits."""

    name: str
    image: str
    words: str
    models: tuple[str, ...] = ()
    """Boot modules, by their names in FILES."""
    chat: str = ""
    """The family of the chat template that follows each model; empty: none."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Text modules by kind: prompt, system, file or corpus."""
    typed: str = ""
    also: tuple[str, ...] = ()
    """Words of the variants, which must not change a bit."""
    also_short: tuple[str, ...] = ()
    """Words of the variants in the short form."""
    also_held: bool = False
    """Also run a program that was built with the model inside (whole list only)."""
    short: bool = False
    qemu: str = ""
    """Also boot the kernel in QEMU: "short" in make test, "long" in the whole list, empty: never."""
    until: int = 0
    """Also stop the training after this step and resume it from its state."""
    isa: str = ""
    """The instruction set that the entry needs."""

    def missing(self, bench: Bench) -> str:
        """What this machine lacks for the entry; empty: nothing."""
        if self.isa == "avx2" and bench.isa == "c":
            return "this processor has no fused products"
        try:
            for name in self.models:
                bench.file(name, FILES[name])
        except pytest.skip.Exception as why:
            return str(why)
        return ""

    def runs(self, bench: Bench, short: bool = False) -> Iterator[tuple[str, Digests]]:
        """Run each variant: its name and its hashes. The first one, with an empty name, is the entry itself."""
        program, modules = bench.image(self.image), self.modules(bench)
        for more in ("", *(self.also_short if short else self.also)):
            yield more, _of(bench.hosted(program, f"{self.words} {more}", modules, self.typed))
        if self.until:
            state = bench.hosted(program, f"{self.words} until={self.until}", modules).blob("state")
            rest = bench.hosted(program, self.words, [str(bench.put("state", state)), *modules])
            yield f"until={self.until}, and on from its state", {"state": _of(rest)["state"]}
        if self.also_held and not short:
            held = bench.holding(bench.file(self.models[0], FILES[self.models[0]]))
            yield "the model in the image", _of(bench.hosted(held, self.words, modules[1:], self.typed))

    def in_kernel(self, bench: Bench) -> Digests:
        """Hash the run of the kernel in QEMU. `kgpt run --json` sends no blobs. The kernel has its corpus inside."""
        models = [str(bench.file(name, FILES[name])) for name in self.models]
        return digests(bench.qemu(bench.image(self.image, "bare"), self.words, models))

    def modules(self, bench: Bench) -> list[str]:
        found = []
        for name in self.models:
            found.append(bench.file(name, FILES[name]))
            if self.chat:
                template = chat_blob("", "<s>", "</s>", family=self.chat).blob()
                found.append(bench.put(f"{name}.{self.chat}", template))
        texts = [(kind, bench.put(kind, text.encode())) for kind, text in self.texts.items()]
        return [*map(str, found), *(f"{path} kind={kind}" if kind != "corpus" else str(path) for kind, path in texts)]


def _of(run: mode_train.Training) -> Digests:
    return digests(run.lines, [(blob.name, blob.step, blob.data) for blob in run.blobs])


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
"""The defaults of a microgpt's kernel, as words for the kernel of language models."""


def _micro() -> Iterator[Case]:
    for name, words in _MICRO.items():
        line, typical = f"exit logits {words}", f"exit mode=generate {_OWN} logits {words}"
        few = name in ("default", "filters")
        yield Case(f"micro/{name}", "micro", line, also=ISAS, also_short=ISAS, short=True,
                   qemu="short" if name == "default" else "long")  # fmt: skip
        yield Case(f"micro-as-lm/{name}", "lm", typical, models=("default",), also=ISAS, short=few, qemu="long")
    yield Case("micro/shell", "micro", "logits mode=shell samples=3", typed=_TYPED, also=ISAS, short=True)
    for name, words in {
        "top-k": "top_k=3",
        "top-p": "top_p=0.5",
        "min-p": "min_p=1",
        "greedy": "temperature=0",
    }.items():
        line = f"exit samples=20 temperature=1 {words}"
        yield Case(f"micro/even-{name}", "even", line, short=True)
        as_lm = f"exit mode=generate {_OWN} samples=20 temperature=1 {words}"
        yield Case(f"micro-as-lm/even-{name}", "lm", as_lm, models=("even",), short=True)
    yield Case("micro/odd", "odd", "exit logits samples=5", also=ISAS, also_short=ISAS, short=True, qemu="long")
    yield Case("micro/odd-hot", "odd", "exit logits samples=20 temperature=1.5 seed=3", also=ISAS)


_LM = (
    'exit mode=generate logits cpus=1 prompt="the (user) and" seed=7 temperature=1.1 logit_bias=0-inf logit_bias=1-inf'
)
_WAYS = ("cpumask=c ubatch=1", "cpumask=avx2 ubatch=7", "cpumask=avx512", "cpus=2 ubatch=3")
_SHORT_WAYS = ("cpumask=c ubatch=3",)


def _lm() -> Iterator[Case]:
    for name in TINY_MODELS:
        tiny, qemu = name in TINY, "short" if name == "gemma3" else "long" if name in TINY else ""
        held = tiny and name != "microgpt"  # kgpt build accepts microgpt with its own tokenizer only
        yield Case(f"lm/{name}", "lm", _LM, (name,), also=_WAYS, also_short=_SHORT_WAYS, short=tiny, also_held=held,
                   qemu=qemu)  # fmt: skip
    for name in TINY:
        for kv in ("q8", "f32"):
            few = kv == "q8" and name in ("llama", "gemma3", "gpt2")
            yield Case(
                f"lm/{name}/{kv}", "lm", f"{_LM} kv={kv}", (name,), also=_WAYS, also_short=_SHORT_WAYS, short=few
            )
        yield Case(f"lm/{name}/layers", "lm", f"{_LM} layers max_tokens=3", (name,), also=(*ISAS, "cpus=2"))


_FLAT = "top_k=0 top_p=1 min_p=0 temperature=3"
"""Every token stays likely, so that a small change of one logit changes the texts."""
_SAMPLING = {
    "defaults": "",
    "greedy": "temperature=0",
    "top-k": "top_k=3 top_p=1 min_p=0 temperature=2",
    "top-p": "top_k=0 top_p=0.7 min_p=0 temperature=2",
    "min-p": "top_k=0 top_p=1 min_p=0.2 temperature=2",
    "typical": "top_k=0 top_p=1 min_p=0 typical_p=0.6 temperature=1.5",
    "repeat": f"repeat_penalty=1.3 repeat_last_n=9 {_FLAT}",
    "frequency": f"frequency_penalty=0.8 {_FLAT}",
    "presence": f"presence_penalty=1.5 {_FLAT}",
    "negative": f"presence_penalty=-0.5 frequency_penalty=-0.2 repeat_last_n=20 {_FLAT}",
    "bias": "logit_bias=40+3 logit_bias=41-2.5 logit_bias=1-inf",
    "stop": "stop=e stop=a",
    "logprobs": "logprobs=5",
    "all": "top_k=30 top_p=0.98 min_p=0.001 typical_p=0.95 repeat_penalty=1.1 frequency_penalty=0.2 "
    "presence_penalty=0.1 logit_bias=50+1 stop=zz logprobs=3",
}


def _sampling() -> Iterator[Case]:
    for name, words in _SAMPLING.items():
        for seed in (1, 12345678901234567890):
            line = f"exit mode=generate samples=12 max_tokens=40 cpus=1 logits prompt=user seed={seed} {words}"
            yield Case(f"sampling/{name}/{seed}", "lm", line, ("llama",), also=_WAYS, short=seed == 1)


_ODD_BYTES = (
    10,
    65,
    *(0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF),
    *(0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4, 0xF5),
)
"""Bytes that form characters, overlong forms, surrogates, code points past U+10FFFF, and cut characters."""


def _bytes() -> Iterator[Case]:
    """Texts of random bytes: most are not UTF-8, and the stream replaces them."""
    biases = " ".join(f"logit_bias={2 + byte}+90" for byte in _ODD_BYTES)
    words = f"exit mode=generate prompt=a cpus=1 samples=3 temperature=20 top_k=0 top_p=1 min_p=0 {biases}"
    yield Case("sampling/bytes", "lm", words, ("bytes",), short=True)


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
_CHAT = "mode=chat logits cpus=1 max_tokens=24"
_TEXTS = {"system": "The user is\nthe user.", "file": "a file\nof the user\n", "prompt": "what is the file?\n"}


def _chats() -> Iterator[Case]:
    for name, (words, typed) in _CHATS.items():
        for model in ("llama", "gemma3", "phi3-Q4_K"):
            yield Case(f"chat/{name}/{model}", "lm", f"{_CHAT} {words}", (f"{model}-long",), "chatml", typed=typed,
                       also=_WAYS, also_short=_SHORT_WAYS, short=model == "llama")  # fmt: skip
    for family in BUILTIN_TEMPLATES:
        typed = "hello\n/system the other\nhow is the user?\nmore\n"
        yield Case(f"chat/family/{family}", "lm", _CHAT, ("llama-long",), family, typed=typed, also=_WAYS, short=True)
    typed = "hello\n/read file and the user\nmore\n/reset\nhello\n"
    yield Case("chat/texts", "lm", _CHAT, ("llama-long",), "chatml", _TEXTS, typed, also=_WAYS, short=True)
    two, typed = ("llama-long", "gemma3-long"), "hello\n/use 2\nhello\nmore\n/use 1\nhello\n"
    yield Case("chat/models", "lm", f"{_CHAT} model=2", two, "chatml", typed=typed, also=_WAYS, short=True)


def _tokenizers() -> Iterator[Case]:
    """The event `fed` has the tokens of the prompt."""
    line, text = "exit mode=generate logits cpus=1 max_tokens=1", {"prompt": PRE_TEXT}
    for name, first in PRE_TOKENIZERS.items():
        yield Case(f"tokenizer/{name}", "lm", line, (f"pre-{name}",), texts=text, short=first)
    for name in SPM:
        yield Case(f"tokenizer/spm, {name}", "lm", line, (f"spm-{name}",), texts=text, short=True)


_TRAININGS = {
    "small": "steps=30 batch=4 n_embd=8 n_head=2 block_size=8",
    "default": "steps=20",
    "odd": "steps=20 batch=7 n_layer=2 n_embd=15 n_head=3 block_size=7 weight_decay=0.1 seed=5",
    "chunks": "steps=12 batch=9 chunks=4",
    "validated": "steps=30 batch=4 val_fraction=0.3 eval_every=5 lr=0.02",
    "checkpoints": "steps=20 batch=4 checkpoint_every=6",
    "adam": "steps=20 batch=3 beta1=0.8 beta2=0.9 eps=1e-6 weight_decay=0.01",
    "text": "steps=20 text block_size=12",
    "wide": "steps=4 n_embd=64 n_head=4 n_layer=2",
}
_LEARNT = "train steps=20 batch=4\ngenerate b\ngenerate\ntrain exact steps=5\ngenerate\ntrain text steps=3\nhalt\n"


def _trainings() -> Iterator[Case]:
    texts = {name: {"corpus": mode_train.TEXT} for name in _TRAININGS} | {"names": {"corpus": names_text()}}
    for name, words in (_TRAININGS | {"names": "steps=40"}).items():
        line, until = f"mode=train exit samples=3 {words}", 0 if name in ("checkpoints", "wide") else 9
        short, qemu = name in ("small", "odd", "validated", "text"), "long" if name in ("small", "odd") else ""
        yield Case(f"train/exact/{name}", "train", f"{_singly(line)} exact cpus=1", texts=texts[name], until=until,
                   also=("cpus=2", *ISAS), also_short=("cpus=2",), short=short, qemu=qemu)  # fmt: skip
        for isa, also in (("c", ()), ("avx2", ("cpumask=avx512", "cpumask=avx512 cpus=2"))):
            yield Case(f"train/fast-{isa}/{name}", "train", f"{line} cpus=1 cpumask={isa}", texts=texts[name],
                       until=until, also=("cpus=2", *also), also_short=("cpus=2",), short=short, qemu=qemu,
                       isa=isa)  # fmt: skip
    for isa in ("c", "avx2"):
        words = f"mode=shell samples=2 logits cpus=1 cpumask={isa}"
        yield Case(f"train/shell-{isa}", "train", words, typed=_LEARNT, also=("cpus=2",), short=True, isa=isa)


def _singly(words: str) -> str:
    """Without batch and chunks: an exact training has neither."""
    return " ".join(word for word in words.split() if not word.startswith(("batch=", "chunks=")))


def _smollm2() -> Iterator[Case]:
    question, few = "Who wrote Romeo and Juliet?", "max_tokens=16 ctx=256 logits cpus=1"
    words = f'mode=generate prompt="{question}" {few} exit'
    for kv in ("f16", "q8"):
        yield Case(f"smollm2/greedy-{kv}", "lm", f"{words} temperature=0 kv={kv}", ("smollm2",), also=_WAYS)
    yield Case("smollm2/sampled", "lm", f"{words} layers", ("smollm2",), also=ISAS, also_held=True)
    typed = f"{question}\nAnd Hamlet?\n/regen\n"
    yield Case("smollm2/chat", "lm", f"mode=chat {few}", ("smollm2",), "chatml", typed=typed, also=_WAYS)


CASES = {
    case.name: case
    for make in (_micro, _lm, _sampling, _bytes, _chats, _tokenizers, _trainings, _smollm2)
    for case in make()
}
