"""``python scripts/screens.py [NAME…]``: take the pictures of docs/screen.md again, with `kgpt screenshot` in QEMU.

Needs what `kgpt image` needs, OVMF, and the model smollm2-135m (`kgpt pull smollm2-135m`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
SIZES = {
    "800x600": "screens/chat-800x600.png",
    "1280x800": "screen-chat.png",
    "1920x1080": "screens/chat-1920x1080.png",
    "3840x2160": "screens/chat-3840x2160.png",
}
MODEL = "smollm2-135m"
QUESTION = "What is the capital of France? Answer in one sentence.\\n"
LETTERS = 'mode=generate max_tokens=24 temperature=0 prompt="Привет, мир! Ωμέγα αβγ ž ő → ≤ √ ∞ — €"'
PIXELS = b"set pixels=1920x1080,"
"""The beginning of the list of modes in boot/grub.cfg: GRUB takes the first one that the display has."""
UEFI = ("--firmware", "uefi", "--accel", "tcg")


def kgpt(*words: str | Path) -> None:
    """Run the command. Raises CalledProcessError."""
    sys.stdout.write(f"kgpt {' '.join(map(str, words))}\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "kgpt_build", *map(str, words)], check=True, cwd=DOCS.parent)


def chats(folder: Path) -> None:
    """A chat under UEFI, at each resolution."""
    disc = folder / "chat.iso"
    kgpt("image", "iso", MODEL, "-o", disc, "--timeout", "0", "--cmdline", "max_tokens=48 temperature=0")
    data = disc.read_bytes()
    if data.count(PIXELS) != 1:
        raise SystemExit(f"boot/grub.cfg does not have {PIXELS.decode()!r} once")
    for size, name in SIZES.items():
        first = f"set pixels={size},".encode().ljust(len(PIXELS), b",")
        disc.write_bytes(data.replace(PIXELS, first))
        kgpt("screenshot", disc, "-o", DOCS / name, *UEFI, "--resolution", size, "--type", QUESTION, "--timeout", "400")


def text(folder: Path) -> None:
    """Many alphabets in VGA's text mode."""
    kgpt("build", MODEL, "-o", folder / "lm")
    kernel = folder / "lm" / "kernel.elf"
    kgpt("screenshot", kernel, "-o", DOCS / "screens/vga-text.png", "--accel", "tcg", "--cmdline", LETTERS)


def menu(folder: Path) -> None:
    """The boot menu of GRUB, and that of kgpt.efi."""
    for kind in ("iso", "usb"):
        kgpt("image", kind, MODEL, "default", "-o", folder / f"menu.{kind}", "--timeout", "300")
    for kind, name, size in (
        ("iso", "screen-menu.png", "1280x800"),
        ("usb", "screens/menu-uefi.png", "1280x800"),
        ("usb", "screens/menu-uefi-1920x1080.png", "1920x1080"),
        ("usb", "screens/menu-uefi-3840x2160.png", "3840x2160"),
    ):
        kgpt("screenshot", folder / f"menu.{kind}", "-o", DOCS / name, *UEFI, "--resolution", size, "--seconds", "40")


def training(folder: Path) -> None:
    """The loss of a training."""
    disc = folder / "train.iso"
    kgpt("image", "iso", "default", "-o", disc, "--timeout", "0", "--default", "train")
    words = ("--resolution", "1920x1080", "--after", "sample:20", "--timeout", "400")
    kgpt("screenshot", disc, "-o", DOCS / "screen-training.png", *UEFI, *words)


def explain(folder: Path) -> None:
    """The shell's explain, with the maps of a layer in pixels."""
    disc = folder / "explain.iso"
    kgpt("image", "iso", MODEL, "-o", disc, "--timeout", "0", "--cmdline", "mode=shell explain_layers=10")
    words = ("--accel", "tcg", "--type", "explain The capital of France is\\n", "--timeout", "800")
    kgpt("screenshot", disc, "-o", DOCS / "explain" / "screen.png", *words)


def main(names: list[str]) -> None:
    """Take all pictures, or those of the functions ``names``."""
    makers = {maker.__name__: maker for maker in (chats, text, menu, training, explain)}
    for name in names or makers:
        with tempfile.TemporaryDirectory(prefix="kgpt-screens-") as folder:
            makers[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
