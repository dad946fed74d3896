"""Host and kernel give one verdict on a model's file, and name the same field or tensor of it."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from file_edits import edited
from model_files import F64, STRING, U16, U64, ModelFile, many, model_file, one
from verdicts import Kernel, of_host

from kgpt_build.models.gguf.scan import scan
from kgpt_build.models.gguf.tensors import ARCHITECTURES

TOKENIZERS = ("gpt2", "llama", "kgpt-char", "running")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return Kernel(tmp_path_factory.mktemp("verdicts"))


def agreed(kernel: Kernel, file: ModelFile) -> tuple[str, str]:
    """What both name, and the host's message."""
    data = file.bytes()
    host, theirs = of_host(data), kernel.verdict(data)
    assert (host.taken, host.named) == (theirs.taken, theirs.named), f"host: {host}\nkernel: {theirs}"
    assert host.taken or (host.hint and theirs.hint)
    return host.named, host.message


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("arch", list(ARCHITECTURES))
def test_whole_models_are_taken(kernel: Kernel, arch: str, tokenizer: str) -> None:
    assert agreed(kernel, model_file(arch, tokenizer)) == ("", "")


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # what was accepted by `kgpt build`, and refused at the first boot
    ("llama", {"rope.scaling.type": "dynamic"}, "rope.scaling.type"),
    ("llama", {"rope.dimension_count": 10}, "rope.dimension_count"),
    ("llama", {"attention.causal": False}, "attention.causal"),
    ("llama", {"rope.freq_base": 0.0}, "rope.freq_base"),
    ("llama", {"rope.freq_base": -1.0}, "rope.freq_base"),
    ("qwen2", {"attention.sliding_window": 7}, "attention.sliding_window"),
    ("llama", {"attention.key_length": 514, "attention.value_length": 514}, "attention.key_length"),
    ("llama", {"attention.head_count": 1, "attention.head_count_kv": 1, "embedding_length": 514}, "embedding_length"),
    ("phi3", {"rope.scaling.type": "longrope"}, "rope_factors_short.weight"),
    ("llama", {"attention.head_count_kv": 0}, "attention.head_count_kv"),
    ("llama", {"attention.layer_norm_rms_epsilon": float("nan")}, "attention.layer_norm_rms_epsilon"),
    ("gpt2", {"attention.layer_norm_epsilon": None}, "attention.layer_norm_epsilon"),
    # companions
    ("llama", {"rope.scaling.type": "yarn"}, "rope.scaling.factor"),
    ("llama", {"rope.scaling.type": "linear"}, "rope.scaling.factor"),
    ("llama", {"rope.scaling.yarn_beta_fast": 16.0}, "rope.scaling.yarn_beta_fast"),
    ("llama", {"rope.scaling.yarn_beta_slow": 2.0, "rope.scaling.factor": 4.0}, "rope.scaling.yarn_beta_slow"),
    ("llama", {"rope.scaling.type": "longrope", "rope.scaling.factor": 4.0}, "rope.scaling.factor"),
    ("llama", {"rope.scaling.type": "longrope", "rope.scale_linear": 4.0}, "rope.scale_linear"),
    ("llama", {"expert_used_count": 2}, "expert_used_count"),
    ("llama", {"use_parallel_residual": True}, "use_parallel_residual"),
    ("llama", {"attention.scale": 0.25}, "attention.scale"),
    # kinds and layers
    ("llama", {"attention.head_count_kv": [2, 1]}, "attention.head_count_kv"),
    ("llama", {"attention.head_count_kv": [2, 2, 2]}, "attention.head_count_kv"),
    ("llama", {"attention.head_count_kv": many(U16, [])}, "attention.head_count_kv"),
    ("llama", {"attention.head_count_kv": [True, True]}, "attention.head_count_kv"),
    ("llama", {"context_length": [24, 24]}, "context_length"),
    ("llama", {"context_length": 24.0}, "context_length"),
    ("llama", {"block_count": one(U64, 1 << 40)}, "block_count"),
    ("llama", {"rope.freq_base": "10000"}, "rope.freq_base"),
    ("llama", {"rope.freq_base": one(F64, 1e300)}, "rope.freq_base"),
    ("llama", {"rope.scaling.finetuned": 1}, "rope.scaling.finetuned"),
    ("llama", {"tensor_data_layout": 7}, "tensor_data_layout"),
    ("gemma3", {"attention.sliding_window_pattern": [0, 1]}, "attention.sliding_window_pattern"),
    ("gemma3", {"attention.sliding_window_pattern": [1, 1, 0]}, "attention.sliding_window_pattern"),
    ("gemma3", {"attention.sliding_window_pattern": [1.0, 1.0]}, "attention.sliding_window_pattern"),
    ("llama", {"something_new": 7}, "something_new"),
    ("llama", {"tokenizer.chat_template": 7}, "tokenizer.chat_template"),
]


@pytest.mark.parametrize(("arch", "fields", "named"), REFUSED)
def test_both_refuse(kernel: Kernel, arch: str, fields: dict[str, Any], named: str) -> None:
    full = named if named.endswith((".weight", "_template")) else f"{arch}.{named}"
    assert agreed(kernel, model_file(arch).with_fields(**fields))[0] == full


TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"attention.head_count_kv": [2, 2], "attention.head_count": [2, 2], "feed_forward_length": [16, 16]}),
    ("llama", {"attention.head_count_kv": many(U64, [2, 2]), "expert_used_count": [0, 0]}),
    ("llama", {"rope.freq_base": 10000, "attention.layer_norm_rms_epsilon": 0}),
    ("llama", {"context_length": one(U64, 24), "block_count": one(U16, 2)}),
    ("llama", {"rope.freq_base": one(F64, 500000.0)}),
    ("llama", {"rope.scaling.factor": 4.0}),
    ("llama", {"rope.scale_linear": 4}),
    ("llama", {"rope.scaling.type": "none", "rope.scaling.factor": 4.0}),
    ("llama", {"rope.scaling.type": "yarn", "rope.scaling.factor": 4, "rope.scaling.yarn_beta_fast": 16}),
    ("llama", {"rope.scaling.yarn_beta_fast": 32.0, "rope.scaling.yarn_beta_slow": 1.0}),
    ("llama", {"attention.scale": 8**-0.5}),
    ("qwen2", {"attention.sliding_window": 24}),
    ("qwen2", {"attention.sliding_window": 0}),
    ("phi2", {"use_parallel_residual": True}),
    ("gpt2", {"rope.dimension_count": 7}),
    ("gemma3", {"rope.freq_base_swa": 1000.0, "attention.sliding_window_pattern": 2}),
    *(("gemma3", {"attention.sliding_window_pattern": flags}) for flags in ([1, 1], [0, 0], [True, False], [1, 0])),
]


@pytest.mark.parametrize(("arch", "fields"), TAKEN)
def test_both_take(kernel: Kernel, arch: str, fields: dict[str, Any]) -> None:
    assert agreed(kernel, model_file(arch).with_fields(**fields)) == ("", "")


def test_only_a_file_that_says_so_has_no_bos(kernel: Kernel) -> None:
    for flag in (None, True):
        file = model_file("nanogpt", "running").with_fields(**{"tokenizer.ggml.add_bos_token": flag})
        assert agreed(kernel, file)[0] == "tokenizer.ggml.bos_token_id"


def test_a_shard_is_called_so(kernel: Kernel) -> None:
    shard = model_file("llama").with_fields(**{"split.no": one(U16, 1), "split.count": one(U16, 3)})
    assert agreed(kernel, shard)[1] == "the file is shard 2 of the 3 that a model was split into"
    later = ModelFile("llama", {key: shard.fields[key] for key in ("split.no", "split.count")}, {"x": (4,)})
    assert agreed(kernel, later)[1] == "the file is shard 2 of the 3 that a model was split into"
    assert agreed(kernel, model_file("llama").with_fields(**{"split.count": one(U16, 1)})) == ("", "")


def test_a_vocabulary_is_called_so(kernel: Kernel) -> None:
    file = model_file("llama")
    assert agreed(kernel, ModelFile("llama", file.fields, {}))[1] == "the file holds a vocabulary, but no weights"
    other = file.with_fields(**{"general.architecture": "falcon", "tokenizer.ggml.model": "bert"})
    assert agreed(kernel, ModelFile("llama", other.fields, {}))[1] == "the file holds a vocabulary, but no weights"
    bare = {"general.architecture": file.fields["general.architecture"]}
    assert agreed(kernel, ModelFile("llama", bare, {}))[1] == "the file holds no weights"


def test_other_architectures_come_before_other_tokenizers(kernel: Kernel) -> None:
    file = model_file("llama").with_fields(
        **{"general.architecture": one(STRING, "mamba"), "tokenizer.ggml.model": "rwkv"}
    )
    assert agreed(kernel, file) == ("mamba", "the architecture 'mamba' is not supported")


def differ(kernel: Kernel, count: int, seed: int) -> dict[str, int]:
    """``count`` edits of every architecture and tokenizer in turn. How many were taken and refused."""
    rng, seen = random.Random(seed), {"taken": 0, "refused": 0}
    files = [model_file(arch, tokenizer) for arch in ARCHITECTURES for tokenizer in TOKENIZERS]
    for i in range(count):
        file = edited(files[i % len(files)], rng)
        taken = agreed(kernel, file) == ("", "")
        seen["taken" if taken else "refused"] += 1
    return seen


def test_random_edits(kernel: Kernel) -> None:
    seen = differ(kernel, 3000, seed=1)
    assert min(seen.values()) > 300  # neither side can have the same answer to everything


def test_damaged_bytes(kernel: Kernel) -> None:
    """Bits and bytes of the header: both take the file, or neither does. What is named may be unprintable."""
    rng = random.Random(3)
    files = [model_file(arch).bytes() for arch in ARCHITECTURES]
    starts = [scan(data).start for data in files]
    taken = 0
    for i in range(2000):
        data, start = bytearray(files[i % len(files)]), starts[i % len(files)]
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(start)
            data[at] = rng.choice((data[at] ^ 1 << rng.randrange(8), 0, 255))
        host, theirs = of_host(bytes(data)), kernel.verdict(bytes(data))
        assert host.taken == theirs.taken, f"host: {host}\nkernel: {theirs}"
        taken += host.taken
    assert 50 < taken < 1000


@pytest.mark.slow
def test_a_hundred_thousand_edits(kernel: Kernel) -> None:
    seed = int(os.environ.get("KGPT_SEED", "2"))
    seen = differ(kernel, 100_000, seed)
    assert min(seen.values()) > 10_000, seen
