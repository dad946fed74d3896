"""What `kgpt pack` writes boots, by each header that a loader may use, with a smaller and with a much larger model."""

from __future__ import annotations

import json
from pathlib import Path

import pace
import pytest
from toy import toy_model

from kgpt_build.cli import invoke
from kgpt_build.kernel.build import build_cached
from kgpt_build.kernel.pack import pack
from kgpt_build.models import Model, save_gguf
from kgpt_build.toolchain import Qemu
from kgpt_build.vm.qemu.machine import Machine
from kgpt_build.vm.settings import RunSettings

MODELS = {
    "smaller": toy_model("abc"),
    "larger by far": toy_model("abcdefgh", n_ctx=64, n_embd=128, n_layer=4),
}


def boot(image: Path, machine: str) -> list[dict[str, object]]:
    settings = RunSettings(
        image=image,
        cmdline="exit samples=1 max_tokens=3 temperature=0",
        accel="tcg",
        machine=machine,
        timeout=pace.limit(60),
    )
    with Machine(settings, qemu=str(Qemu().require()), symbols=image) as running:
        failure = running.wait().error()
        if failure is not None:
            raise failure
        return [json.loads(line) for line in running.lines]


@pytest.mark.parametrize("name", MODELS)
def test_a_packed_image_generates_as_a_built_one(name: str, tmp_path: Path) -> None:
    model: Model = MODELS[name]
    packed = tmp_path / "packed.elf"
    pack(build_cached(), model, packed)
    built = build_cached(model)
    assert packed.stat().st_size < built.stat().st_size + 4096, "a model of another size leaves a gap"
    events = boot(packed, "pc")
    (booted,) = [event for event in events if event["event"] == "model"]
    assert booted["sha256"] == model.sha256
    samples = [event for event in events if event["event"] in ("token", "sample")]
    assert samples
    assert samples == [event for event in boot(built, "pc") if event["event"] in ("token", "sample")]


def test_the_command_packs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_gguf(MODELS["smaller"], tmp_path / "m.gguf")
    assert invoke(["pack", str(build_cached()), str(tmp_path / "m.gguf"), "-o", str(tmp_path / "new.elf")]) == 0
    assert f"wrote {tmp_path / 'new.elf'}" in capsys.readouterr().out
    assert boot(tmp_path / "new.elf", "microvm")[-1]["event"] == "exit"
