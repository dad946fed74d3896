"""SmolLM2 in QEMU: a chat, an answer alone, and the same bits as hosted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pace
import pytest
from boots import Boot, Kgpt, see
from model_files import model_file
from refusals import lacks

from kgpt_build.events import Error, Event, Logits, Memory, Model, Sample, Shell, Speed, parse_event
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.hosted import run_hosted
from kgpt_build.kernel.memory import largest_ctx, needs_of
from kgpt_build.models import NO_MODEL, load_lm

QUESTION = "Who wrote Romeo and Juliet?"
GREEDY = "temperature=0"
MEMORY = 512
"""MB: the image has 95, and a small context is enough here."""


@pytest.fixture(scope="session")
def lm_kernel(smollm2: Path) -> Path:
    return build_cached(smollm2)


@pytest.fixture(scope="session")
def lm_hosted(smollm2: Path) -> Path:
    return build_cached(smollm2, target="hosted")


def digest(events: Sequence[Event]) -> str:
    """SHA-256 of all logits, bit by bit."""
    found = [event.f32 for event in events if isinstance(event, Logits)]
    assert found
    return hashlib.sha256("".join(found).encode()).hexdigest()


def hosted_events(program: Path, words: str) -> list[Event]:
    return [parse_event(line) for line in run_hosted(program, words, timeout=pace.limit(300))]


@pytest.fixture(scope="session")
def expected(lm_hosted: Path) -> str:
    """The logits of plain C, one thread, token by token."""
    words = f'mode=chat prompt="{QUESTION}" {GREEDY} max_tokens=3 ctx=256 logits exit cpus=1 ubatch=1 cpumask=c'
    return digest(hosted_events(lm_hosted, words))


@pytest.mark.parametrize("words", ["cpus=1 ubatch=64", "cpus=2 ubatch=7", "cpus=2 ubatch=64 cpumask=c"])
def test_hosted_logits_have_the_same_bits(lm_hosted: Path, expected: str, words: str) -> None:
    line = f'mode=chat prompt="{QUESTION}" {GREEDY} max_tokens=3 ctx=256 logits exit {words}'
    assert digest(hosted_events(lm_hosted, line)) == expected


@pytest.mark.parametrize(("cpu", "cpus"), [("max", 1), ("max", 2), ("qemu64", 2)])
def test_qemu_logits_have_the_same_bits(boot: Boot, lm_kernel: Path, expected: str, cpu: str, cpus: int) -> None:
    line = f'prompt="{QUESTION}" {GREEDY} max_tokens=3 ctx=256 logits exit'
    guest = boot(line, image=lm_kernel, memory=MEMORY, cpu=cpu, cpus=cpus, timeout=300)
    assert guest.wait().error() is None
    assert digest(guest.events) == expected


def test_a_device_that_is_polled_between_layers_changes_no_bit(boot: Boot, lm_kernel: Path, expected: str) -> None:
    """The seed starts the device, and greedy sampling does without it."""
    line = f'prompt="{QUESTION}" {GREEDY} max_tokens=3 ctx=256 logits exit cpus=2 seed=random'
    extra = ("-device", "virtio-rng-pci")
    guest = boot(line, image=lm_kernel, memory=MEMORY, cpu="qemu64", cpus=2, machine="q35", timeout=300, extra=extra)
    assert guest.wait().error() is None
    assert digest(guest.events) == expected


def test_it_chats(boot: Boot, lm_kernel: Path) -> None:
    """Several turns, the commands, a message of several lines, and the end."""
    guest = boot(f"{GREEDY} max_tokens=24 ctx=512", image=lm_kernel, memory=MEMORY, cpus=2, timeout=400)
    model = guest.expect_event("model")
    assert isinstance(model, Model)
    assert (model.arch, model.chat, model.n_vocab) == ("llama", "chatml", 49152)
    guest.expect_event("shell", prompt="> ")
    guest.send_line(QUESTION)
    guest.expect("William Shakespeare")
    guest.expect_event("shell", prompt="> ")
    assert "kgpt: prompt " not in guest.console  # only where it is asked for
    guest.send_line("/set stats on")
    guest.send_line('"""My name is')
    guest.send_line("Ada.")
    guest.send_line('"""')
    guest.expect_event("sample", index=1)
    guest.expect(r"kgpt: prompt \d+ tokens, .*; reply \d+ tokens?, .*; context \d+/512; seed 42")
    guest.send_line("/histroy")
    guest.expect(r'unknown command "/histroy"\s+kgpt: hint: did you mean "/history"\?')
    guest.send_line("/history")
    guest.expect(r"<\|im_start\|>user\s+Who wrote Romeo and Juliet\?<\|im_end\|>")
    guest.send_line("/set temperature 9000")
    guest.expect("temperature=9000 is not possible")
    guest.send_line("/stats")
    guest.expect("conversation prompt")
    guest.send_line("/reset")
    guest.expect("begins anew")
    guest.send_line("/quit")
    assert guest.wait().error() is None
    speeds = [event for event in guest.events if isinstance(event, Speed)]
    assert all(speed.seed == 42 and speed.decode_us and speed.first_token_us for speed in speeds)


def test_a_second_turn_goes_on_where_the_first_ended(boot: Boot, lm_kernel: Path, lm_hosted: Path) -> None:
    """What the cache holds gives the tokens that the whole conversation gives when it is computed anew."""
    guest = boot(f"{GREEDY} max_tokens=12 ctx=512", image=lm_kernel, memory=MEMORY, cpus=2, timeout=400)
    replies = []
    for index, message in enumerate([QUESTION, "And Hamlet?"]):
        guest.expect_event("shell", prompt="> ")
        guest.send_line(message)
        sample = guest.expect_event("sample", index=index)
        assert isinstance(sample, Sample)
        replies.append(sample.text)
    guest.send_line("/quit")
    assert guest.wait().error() is None
    speeds = [event for event in guest.events if isinstance(event, Speed)]
    assert speeds[1].prompt_tokens < speeds[0].prompt_tokens
    shell = [event for event in guest.events if isinstance(event, Shell)]
    assert len(shell) == 3
    assert "Shakespeare" in replies[0]
    assert "Hamlet" in replies[1]


def test_the_answer_alone(kgpt: Kgpt, smollm2: Path, lm_kernel: Path) -> None:
    done = kgpt(
        *("run", str(smollm2), "--prompt", QUESTION, "--temperature", "0", "--max-tokens", "24"),
        *("--ctx", "256", "--cpus", "2", "--accel", "tcg", "--verbose"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The story of Romeo and Juliet by William Shakespeare")
    assert "kgpt: prompt" in done.stderr


def test_a_model_as_a_module(kgpt: Kgpt, smollm2: Path) -> None:
    """An image without a model is brought one: the same answer."""
    built = kgpt("build", "--lm", "-o", "none")
    assert built.returncode == 0, built.stderr
    done = kgpt(
        *("run", "none/kernel.elf", "--model", str(smollm2), "--prompt", QUESTION, "--temperature", "0"),
        *("--max-tokens", "12", "--ctx", "256", "--accel", "tcg", "--json"),
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(e for e in events if e["event"] == "model")["chat"] == "chatml"
    assert "Shakespeare" in next(e for e in events if e["event"] == "sample")["text"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ctx=9000", "ctx=9000 is more than the 8192 positions that the model was trained for"),
        ("ctx=0", "ctx=0 is not possible"),
        ("mode=train", "mode=train trains a microgpt, and this kernel holds a language model"),
        ("model=3", "model=3, but the number of models is 1"),
        ("kv=q9", "kv=q9 is not possible"),
        ("logit_bias=x", "logit_bias=x is not possible"),
    ],
)
def test_refusals(boot: Boot, lm_kernel: Path, words: str, message: str) -> None:
    guest = boot(f"{words} exit", image=lm_kernel, memory=MEMORY)
    assert guest.wait().exit_code == 1
    assert message in guest.console


def test_too_little_memory(boot: Boot, lm_kernel: Path) -> None:
    guest = boot("ctx=8192 exit", image=lm_kernel, memory=160)
    assert guest.wait().exit_code == 1
    assert "a context of 8192 needs" in guest.console


def test_an_overflow_is_an_error_or_a_shift(lm_hosted: Path) -> None:
    """A context of 256 and a reply that wants more; hosted, since it takes a minute in QEMU."""
    line = f'prompt="Write a long story about the sea." {GREEDY} ctx=256 max_tokens=300 exit'
    refused = hosted_events(lm_hosted, line)
    (error,) = [event for event in refused if isinstance(event, Error)]
    assert not lacks(error.message, "context full: 256 of 256 tokens, 1 more")
    assert "on_overflow" in error.hint
    (reply,) = [event for event in hosted_events(lm_hosted, f"{line} on_overflow=shift") if isinstance(event, Sample)]
    assert (reply.tokens, reply.reason) == (300, "max_tokens")


def test_a_chat_with_nothing_to_type_on_says_why_and_what_to_do(boot: Boot, lm_kernel: Path) -> None:
    settings = {"machine": "q35", "serial": False, "keeps_screen": True, "extra": ("-machine", "q35,i8042=off")}
    guest = boot("ctx=256", image=lm_kernel, memory=MEMORY, timeout=300, **settings)
    guest.expect_event("exit", code=1, reason="refused")
    shown = see(guest, lambda screen: "hint" in screen.text).text.replace("\n", " ")
    assert "keyboard: none found; serial: none" in shown
    assert "press e in the boot menu to add words, such as prompt=TEXT" in shown
    assert "there is nothing to answer: no prompt is given, and none can be typed" in shown


def test_a_shard_as_a_module(boot: Boot, tmp_path: Path) -> None:
    """The host joins shards, a loader does not."""
    path = tmp_path / "shard.gguf"
    path.write_bytes(model_file("llama").with_fields(**{"split.count": 3, "split.no": 0}).bytes())
    guest = boot("exit", image=build_cached(NO_MODEL), extra=("-initrd", str(path)))
    assert guest.wait().exit_code == 1
    (error,) = [event for event in guest.events if isinstance(event, Error)]
    assert not lacks(error.message, "file shard 1 3 model")
    assert not lacks(error.hint, "kgpt import FIRST-SHARD.gguf WHOLE.gguf")


def test_the_largest_context_that_kgpt_info_names_boots(boot: Boot, tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    path.write_bytes(model_file("llama").with_fields(context_length=1 << 20).bytes())
    model, megabytes = load_lm(path), 64
    n_ctx = largest_ctx(model, megabytes << 20)
    assert 10_000 < n_ctx < 1 << 20
    guest = boot(f"exit prompt=ab max_tokens=1 ctx={n_ctx}", image=build_cached(model), memory=megabytes)
    assert guest.wait().error() is None
    (told,) = [event for event in guest.events if isinstance(event, Memory)]
    assert told.kv == needs_of(model, n_ctx).kv
