"""A folder of Hugging Face becomes a kernel that chats in QEMU, with the bits of the hosted program."""

from __future__ import annotations

import json
from pathlib import Path

import hf_folders
import pace
from boots import Boot, Kgpt
from test_hf_import import direct
from tiny_lm import CHATML

from kgpt_build.events import Logits, Sample, parse_event
from kgpt_build.kernel.hosted import run_hosted

WORDS = 'prompt="the inner <|im_end|>" temperature=0 max_tokens=5 logits exit'


def test_a_folder_chats_in_qemu(boot: Boot, kgpt: Kgpt, tmp_path: Path) -> None:
    folder = hf_folders.save(tmp_path / "My model", *direct(tmp_path / "direct.gguf", "llama"))
    settings = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": CHATML}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    for target, words in (("hosted", ["--target", "hosted"]), ("kernel", [])):
        built = kgpt("build", folder, "-o", tmp_path / target, *words)
        assert built.returncode == 0, built.stderr
        assert "My model" in built.stderr
    guest = boot(WORDS, image=tmp_path / "kernel" / "kernel.elf", memory=128)
    assert guest.wait().error() is None
    (program,) = (path for path in (tmp_path / "hosted").iterdir() if path.stat().st_mode & 0o100 and path.is_file())
    hosted = [parse_event(line) for line in run_hosted(program, f"mode=chat {WORDS}", timeout=pace.limit(60))]
    logits = [[event for event in events if isinstance(event, Logits)] for events in (guest.events, hosted)]
    assert logits[0] == logits[1]
    assert len(logits[0]) > 3
    assert [event.text for event in guest.events if isinstance(event, Sample)] == [
        event.text for event in hosted if isinstance(event, Sample)
    ]
