"""rng=llama2c: the kernel's texts are those of llama2.c's run.c, which llama2c_run.py does once more in Python."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import llama2c_files
import llama2c_run
import lm_text
import numpy as np
import pytest
import vocab
from hosted import Hosted, Run, floats
from llama2c_files import Shape
from refusals import lacks
from tiny_lm import write_lm

from kgpt_build import models
from kgpt_build.events import Config, parse_event
from kgpt_build.events.replay import replay_words
from kgpt_build.models.gguf.write import write_gguf
from kgpt_build.models.importing import read_checkpoint
from kgpt_build.models.llama2c.tokenizer import read_tokenizer
from kgpt_build.reference import llama2c_sampler
from kgpt_build.settings import quoted

SHAPE = Shape(seq_len=128, shared=False)
SPREAD = 2.5
MARGIN = 2.5e-6
"""No draw of these texts would end otherwise if sums of probabilities differed by this: they differ by 1.2e-6, because
the sums of products and RoPE's angles are rounded otherwise."""


@dataclass(frozen=True)
class Asked:
    """A text of run.c: ``-i prompt -s seed -t temperature -p top_p -n steps``."""

    prompt: str = ""
    seed: int = 1
    temperature: float = 1.0
    top_p: float = 0.9
    steps: int = 256

    @property
    def words(self) -> str:
        prompt = f" prompt={quoted(self.prompt)}" if self.prompt else ""
        sampling = f"seed={self.seed} temperature={self.temperature} top_p={self.top_p}"
        return f"rng=llama2c {sampling} max_tokens={self.steps}{prompt}"


TEXTS = [
    Asked(seed=12),
    Asked("Once upon a time", 7),
    Asked("Once upon a time", 8, 0.7),
    Asked("Lily said: café \u2603 \u2581", 9, 1.2, 1.0, 90),
    Asked("Her mom smiled", 3, 0.0, 0.9, 60),
    Asked("One day, the sun", 4, 1.0, 0.5, 70),
    Asked(" two  spaces\nand a line\t\x7f", 5, 0.9, 0.1, 50),
    Asked("One day, the sun was hot", 5, 1.0, 0.9, 5),
    Asked("x", 2**63 + 11, 1.0, 0.95, 40),
    Asked("Tom", 16, 1.0, 0.9, 0),
]


class Llama2c:
    """A random model, in the kernel and in run.c."""

    def __init__(
        self, program: Hosted, folder: Path, shape: Shape = SHAPE, version: int = 0, spread: float = SPREAD
    ) -> None:
        self.program, self.shape = program, shape
        self._texts: dict[Asked, str] = {}
        self.source = llama2c_files.write_model(folder, shape, spread=spread, version=version)
        self.path = folder / "model.gguf"
        write_gguf(read_checkpoint(self.source), self.path)
        weights = llama2c_files.random_weights(shape, 1, spread)
        if version == 2:
            weights = llama2c_files.version2(shape, weights)[1]
        self.transformer = llama2c_run.Transformer(shape, weights)
        pieces = llama2c_files.read_pieces((folder / "tokenizer.bin").read_bytes())
        self.tokenizer = llama2c_run.Tokenizer(pieces)

    def run(self, words: str, *lines: str) -> Run:
        typed = "".join(f"{line}\n" for line in lines).encode()
        return self.program.run(words, typed, ("--module", str(self.path)))

    def expected(self, asked: Asked) -> str:
        """run.c's text, where no draw was near another result."""
        if asked in self._texts:
            return self._texts[asked]
        sampler = llama2c_run.Sampler(asked.temperature, asked.top_p, asked.seed)
        text = llama2c_run.run(self.transformer, self.tokenizer, sampler, asked.prompt.encode(), asked.steps)
        assert min(sampler.margins, default=1) > MARGIN, asked
        self._texts[asked] = text.decode()
        return self._texts[asked]

    def first_logits(self) -> llama2c_files.Floats:
        """What comes behind BOS."""
        self.transformer.reset()
        return self.transformer.forward(1, 0)


@pytest.fixture(scope="module")
def llama2c(without_model: Hosted, tmp_path_factory: pytest.TempPathFactory) -> Llama2c:
    return Llama2c(without_model, tmp_path_factory.mktemp("llama2c"))


@pytest.mark.parametrize("asked", TEXTS, ids=str)
def test_the_text_is_that_of_run_c(llama2c: Llama2c, asked: Asked) -> None:
    run = llama2c.run(f"exit {asked.words}")
    expected = llama2c.expected(asked)
    assert run.samples() == [expected]
    assert run.console.endswith(f"\n{expected}\n")
    assert "".join(event["text"] for event in run.of("token")) in (expected, "")  # "": the prompt alone


def test_the_texts_are_varied(llama2c: Llama2c) -> None:
    """Different seeds and temperatures give different texts, and most of them are long."""
    texts = [llama2c.expected(asked) for asked in TEXTS]
    assert len(set(texts)) == len(texts)
    assert sum(len(text) > 40 for text in texts) > 5


@pytest.mark.parametrize(("version", "shared"), [(0, True), (1, False), (2, True), (2, False)])
def test_every_version_of_the_format(without_model: Hosted, tmp_path: Path, version: int, *, shared: bool) -> None:
    model = Llama2c(without_model, tmp_path, Shape(seq_len=64, n_kv_heads=1, shared=shared), version)
    for asked in (Asked("Once upon", 3), Asked("Lily", 5, 0.8, 0.9, 30)):
        assert model.run(f"exit {asked.words}").samples() == [model.expected(asked)]


def test_run_c_s_defaults(llama2c: Llama2c) -> None:
    """Temperature 1, top-p 0.9, 256 steps: wherever the word rng stands, and only where no other word says more."""
    run = llama2c.run("exit seed=11 rng=llama2c")
    assert run.samples() == [llama2c.expected(Asked(seed=11))]
    config = run.one("config")
    assert [config[key] for key in ("temperature", "top_k", "min_p", "max_tokens")] == [1, 0, 0, 256]
    assert config["top_p"] == pytest.approx(0.9)
    assert (config["kv"], config["rng"]) == ("f32", "llama2c")
    run = llama2c.run("exit temperature=0.6 max_tokens=30 rng=llama2c seed=11 kv=f16")
    assert [run.one("config")[key] for key in ("max_tokens", "kv")] == [30, "f16"]
    assert run.one("config")["temperature"] == pytest.approx(0.6)
    assert llama2c.run("exit rng=llama2c rng=kgpt seed=11").one("config")["top_k"] == 40


def test_texts_of_a_run_have_seeds_one_after_the_other(llama2c: Llama2c) -> None:
    run = llama2c.run("exit seed=20 rng=llama2c samples=3 max_tokens=40")
    assert run.samples() == [llama2c.expected(Asked(seed=seed, steps=40)) for seed in (20, 21, 22)]


def test_bos_ends_a_text_and_eos_does_not(llama2c: Llama2c) -> None:
    """EOS is printed with its line feeds, as run.c has it in its vocabulary."""
    for token, reason in ((1, "eos"), (2, "max_tokens")):
        logits = llama2c.first_logits()
        seed = next(s for s in range(1, 9999) if llama2c_run.Sampler(3.0, 1.0, s).sample(logits.copy()) == token)
        asked = Asked(seed=seed, temperature=3.0, top_p=1.0, steps=4)
        run = llama2c.run(f"exit {asked.words}")
        assert run.samples() == [llama2c.expected(asked)]
        assert run.one("sample")["reason"] == reason
        assert run.samples()[0].startswith("\n</s>\n" if token == 2 else "")


def test_the_shell(llama2c: Llama2c) -> None:
    """Several texts in one run; what is set later is refused if run.c does not have it."""
    lines = []
    for asked in TEXTS[1:4]:
        lines += [f"set seed {asked.seed}", f"set temperature {asked.temperature}", f"set top_p {asked.top_p}"]
        lines += [f"set max_tokens {asked.steps}", f"generate {asked.prompt}"]
    run = llama2c.run("mode=shell rng=llama2c", *lines, "set top_k 5", "generate x")
    assert run.samples() == [llama2c.expected(asked) for asked in TEXTS[1:4]]
    assert not lacks(run.one("error")["message"], "rng=llama2c without top_k")


def test_a_text_can_be_made_again(llama2c: Llama2c) -> None:
    run = llama2c.run(f"exit rng=llama2c {TEXTS[1].words} seed=random")
    config = parse_event(json.dumps(run.one("config")).encode())
    assert isinstance(config, Config)
    assert llama2c.run(f"exit {' '.join(replay_words(config))}").samples() == run.samples()


def test_a_chat_draws_with_run_c_s_sampler(llama2c: Llama2c, tmp_path: Path) -> None:
    """The template and the end are the chat's."""
    chat = tmp_path / "model.kgct"
    chat.write_bytes(models.load_lm(llama2c.path).chat_blob("llama2"))
    modules = ("--module", str(llama2c.path), "--module", str(chat))
    words = "exit mode=chat rng=llama2c seed=9 max_tokens=24 temperature=1.3 prompt=Hi logits"
    run = llama2c.program.run(words, options=modules)
    tokens = [event["id"] for event in run.of("token")]
    assert len(tokens) > 10
    rng = llama2c_sampler.Xorshift(9)
    logits = [floats(values) for *_, values in run.logits()]
    assert [llama2c_sampler.sample(each, 1.3, 0.9, rng) for each in logits[: len(tokens)]] == tokens
    assert not run.samples()[0].startswith("Hi")


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("top_k=5", "without top_k"),
        ("min_p=0.1", "without min_p"),
        ("repeat_penalty=1.1", "without repeat_penalty"),
        ("logit_bias=5+1", "without logit_bias"),
        ("seed=0", "seed=0 rng=llama2c"),
        ("prompt=" + "a" * 120 + " ctx=16", "121 tokens context 16"),
    ],
)
def test_what_run_c_does_not_have_is_refused(llama2c: Llama2c, words: str, facts: str) -> None:
    run = llama2c.run(f"exit rng=llama2c {words}")
    assert run.returncode == 1
    assert not lacks(run.one("error")["message"], facts)
    assert run.samples() == []


def test_a_model_with_another_tokenizer_is_refused(without_model: Hosted, tmp_path: Path) -> None:
    path = write_lm(tmp_path / "tiny.gguf")
    run = without_model.run("exit rng=llama2c", options=("--module", str(path)))
    assert run.returncode == 1
    assert not lacks(run.one("error")["message"], "rng=llama2c SentencePiece gpt2")


def test_stories15m_has_the_same_text(without_model: Hosted, tmp_path: Path) -> None:
    """The shape of stories15M and the 32,000 tokens of Llama 2."""
    if not llama2c_files.BIG_TOKENIZER.is_file():
        pytest.skip("../shared/data/llama2c-tokenizer.bin is not there")
    shape = replace(llama2c_files.STORIES15M, shared=False)
    model = Llama2c(without_model, tmp_path, shape, spread=8.0)
    asked = Asked("Once upon a time, there was a café", 42, steps=20)
    expected = model.expected(asked)
    assert expected.startswith(asked.prompt)
    assert len(expected) > len(asked.prompt)
    assert model.run(f"exit {asked.words}").samples() == [expected]


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[vocab.Vocab, llama2c_run.Tokenizer]]:
    """The small vocabulary, and that of Llama 2 where it is."""
    library = vocab.build(tmp_path_factory.mktemp("vocab"))
    folder, found = tmp_path_factory.mktemp("tokenizers"), []
    small = llama2c_files.tokenizer_bytes(llama2c_files.small_pieces(400))
    big = llama2c_files.BIG_TOKENIZER.read_bytes() if llama2c_files.BIG_TOKENIZER.is_file() else b""
    for data in filter(None, (small, big)):
        (folder / "tokenizer.bin").write_bytes(data)
        pieces = llama2c_files.read_pieces(data)
        fields = {"general.architecture": "llama", **read_tokenizer(folder / "tokenizer.bin", len(pieces))}
        found.append((vocab.Vocab(library, vocab.gguf_bytes(fields)), llama2c_run.Tokenizer(pieces)))
    return found


_PARTS = (
    *(" ", "a", "e", "th", " the", "Once", "\n", "é", "ü", "\u2581", "\u2603", "日本", "😀"),
    *("<s>", "</s>", "<0x41>", "<unk>"),
)


def _random_text(rng: np.random.Generator) -> bytes:
    """Words, characters without a piece, and in a part of the texts bytes that are no UTF-8."""
    parts: Sequence[bytes] = [part.encode() for part in rng.choice(_PARTS, rng.integers(0, 14))]
    if rng.random() < 0.4:
        parts = [*parts, *(bytes([byte]) for byte in rng.integers(1, 256, rng.integers(1, 8)))]
        parts = [parts[i] for i in rng.permutation(len(parts))]
    return b"".join(parts)


def test_tokens_are_run_c_s(vocabularies: list[tuple[vocab.Vocab, llama2c_run.Tokenizer]]) -> None:
    rng = np.random.default_rng(6)
    texts = [b"", b"\x80", b"a\x80", b" ", b"\xe2\x96\x81", *(_random_text(rng) for _ in range(500))]
    for native, expected in vocabularies:
        for text in texts:
            assert native.encode_llama2c(text) == expected.encode(text), text


def test_printed_bytes_are_run_c_s(vocabularies: list[tuple[vocab.Vocab, llama2c_run.Tokenizer]]) -> None:
    for native, expected in vocabularies:
        for before in (1, 5):
            for token in range(native.n_vocab):
                assert native.piece_llama2c(before, token) == expected.printed(before, token), token


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return lm_text.build(tmp_path_factory.mktemp("lm_text"))


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 1.7])
@pytest.mark.parametrize("top_p", [1e-9, 0.3, 0.9, 0.999, 1.0])
def test_the_sampler_and_its_mirror_draw_alike(library: ctypes.CDLL, temperature: float, top_p: float) -> None:
    rng = np.random.default_rng(int(1000 * (temperature + top_p)))
    for n_vocab, ties in ((2, False), (50, True), (4000, False), (32000, True)):
        logits = rng.normal(0, 3, n_vocab).astype(np.float32)
        logits = np.round(logits) if ties else logits
        native, seed = lm_text.NativeSampler(library, n_vocab), int(rng.integers(1, 1 << 62))
        xorshift = llama2c_sampler.Xorshift(seed)
        expected = [llama2c_sampler.sample(logits, temperature, top_p, xorshift) for _ in range(12)]
        assert native.sample_llama2c(logits, temperature, top_p, 12, seed) == expected


def test_the_generator_is_xorshift_star() -> None:
    """From the state 1: computed by hand from the shifts and the factor."""
    rng = llama2c_sampler.Xorshift(1)
    state = 1
    for _ in range(3):
        state ^= state >> 12
        state = (state ^ state << 25) % 2**64
        state ^= state >> 27
        assert rng.next() == state * 0x2545F4914F6CDD1D % 2**64 >> 32
    assert 0 <= float(rng.uniform()) < 1


@pytest.mark.slow
@pytest.mark.parametrize("asked", [asked for asked in TEXTS if asked.seed < 2**31], ids=str)
def test_the_c_program_says_the_same(llama2c: Llama2c, asked: Asked) -> None:
    """KGPT_LLAMA2C_RUN: llama2.c's run.c, compiled. Its seeds are an int."""
    program = os.environ.get("KGPT_LLAMA2C_RUN")
    if not program:
        pytest.skip("KGPT_LLAMA2C_RUN names no compiled run.c")
    options = {"-i": asked.prompt, "-s": asked.seed, "-t": asked.temperature, "-p": asked.top_p, "-n": asked.steps}
    argv = [program, str(llama2c.source), *(str(word) for pair in options.items() for word in pair)]
    argv += ["-z", str(llama2c.source.with_name("tokenizer.bin"))]
    done = subprocess.run(argv, capture_output=True, check=True)
    assert llama2c.run(f"exit {asked.words}").samples() == [done.stdout.decode().removesuffix("\n")]


_CLOCK = """#include <stdlib.h>
#include <time.h>
time_t time(time_t *now) { (void)now; return atoi(getenv("SEED")); }
"""


@pytest.fixture(scope="module")
def early_run_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """run.c of July 2023, which the package llamac2py has: no top-p, and its seed is the time, so the clock is ours."""
    package = os.environ.get("KGPT_LLAMA2C_SDIST") or f"{sys.prefix}/llamac2py-0.1.4.tar.gz"
    if not Path(package).is_file():
        pytest.skip(f"there is no {package}: make test-slow downloads it")
    folder = tmp_path_factory.mktemp("early")
    with tarfile.open(package) as archive:
        source = archive.extractfile("llamac2py-0.1.4/run.c")
        assert source is not None
        (folder / "run.c").write_bytes(source.read())
    (folder / "clock.c").write_text(_CLOCK)
    subprocess.run(["gcc", "-O2", "-w", "-o", "run", "run.c", "clock.c", "-lm"], cwd=folder, check=True)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "temperature"), [(3, 1.0), (4, 1.0), (5, 0.6), (6, 1.4), (7, 0.0)])
def test_an_early_c_program_draws_the_same_tokens(
    without_model: Hosted, tmp_path: Path, early_run_c: Path, seed: int, temperature: float
) -> None:
    """It prints pieces as they are, and BOS does not end it: the tokens up to BOS are compared."""
    model = Llama2c(without_model, tmp_path, Shape(n_kv_heads=4, shared=False))
    argv = [str(early_run_c), str(model.source), str(temperature), "60"]
    done = subprocess.run(argv, cwd=tmp_path, env={**os.environ, "SEED": str(seed)}, capture_output=True, check=True)
    run = model.run(f"exit rng=llama2c top_p=1 seed={seed} temperature={temperature} max_tokens=60")
    tokens = [event["id"] for event in run.of("token")]
    assert len(tokens) > 5
    pieces = b"".join(model.tokenizer.pieces[token][1] for token in tokens)
    printed = done.stdout.removeprefix(b"<s>\n")
    assert printed.startswith(pieces.removeprefix(b" "))
