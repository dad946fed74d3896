"""An image whose menu serves by itself: a PC that a stick turns into a server of OpenAI's API."""

from __future__ import annotations

from pathlib import Path

import pace
import pytest
from boots import Boot, need, uefi

from kgpt_build.cli.talk.reach import free_port
from kgpt_build.events import Boot as Booted
from kgpt_build.events import Memory
from kgpt_build.image import inspect
from kgpt_build.image.contents import Wanted, load_models
from kgpt_build.image.make import ImageResult, ImageSettings, make
from kgpt_build.image.menu import MenuSettings
from kgpt_build.image.needs import FIRMWARE
from kgpt_build.kernel.settings import Silent
from kgpt_build.training.corpus import read_corpus
from kgpt_build.vm.nets import Forward, Net

openai = pytest.importorskip("openai")

MODEL = Path(__file__).parents[1] / "fuzz" / "shell" / "chat.gguf"
PORT = 80
WORDS = f"key=secret port={PORT} seed=5"
NAME = "Chat, tiny"


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> ImageResult:
    need("grub-mkimage", "mtools", "qemu-system-x86_64")
    model = tmp_path_factory.mktemp("model") / f"{NAME}.gguf"
    model.write_bytes(MODEL.read_bytes())
    wanted = Wanted(load_models([model]), read_corpus(None).embedded(), "zig", "chatml")
    menu = MenuSettings(timeout=0, default="chat-tiny-serve", cmdline=WORDS)
    return make(ImageSettings("usb", tmp_path_factory.mktemp("stick") / "kgpt.img", wanted, menu), Silent())


@pytest.mark.parametrize("loader", ["multiboot2", pytest.param("uefi", marks=pytest.mark.slow)])
def test_a_stick_serves(boot: Boot, stick: ImageResult, loader: str) -> None:
    """By GRUB and by kgpt.efi, in the memory that the manifest asks for, at an address of DHCP, with a key."""
    port = free_port("127.0.0.1")
    guest = boot(
        image=stick.image,
        medium="usb",
        machine="q35",
        firmware=uefi() if loader == "uefi" else None,
        memory=inspect.memory_wanted(stick.image),
        nets=(Net("virtio", (Forward(port, PORT),), restrict=True),),
        timeout=400,
    )
    guest.expect_event("serving", address=f"10.0.2.15:{PORT}", model=NAME, slots=4)
    (booted,) = [event for event in guest.events if isinstance(event, Booted)]
    assert booted.loader == loader
    assert booted.cmdline.startswith("mode=serve slots=4 ")
    (needs,) = [event for event in guest.events if isinstance(event, Memory)]
    entry = next(entry for entry in stick.described["entries"] if entry["id"] == "chat-tiny-serve")
    assert needs.needed < entry["memory"] << 20
    assert inspect.memory_wanted(stick.image) == entry["memory"] + FIRMWARE  # no entry needs more
    url, said = f"http://127.0.0.1:{port}/v1", [{"role": "user", "content": "ab"}]
    with openai.OpenAI(base_url=url, api_key="secret", max_retries=0, timeout=pace.limit(60)) as client:
        assert [model.id for model in client.models.list()] == [NAME]
        reply = client.chat.completions.create(model=NAME, messages=said, max_tokens=3, seed=1)
        assert reply.usage.completion_tokens > 0
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="other").models.list()
    guest.send("\x03")
    guest.wait()
