"""kgpt explain boots a kernel, and the hosted program gives the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pace
import pytest
from boots import Boot, Kgpt, grub_disc, see
from tiny_lm import write_lm

from kgpt_build.cli import invoke
from kgpt_build.explain.encode import from_json
from kgpt_build.explain.microgpt import reference_trace
from kgpt_build.explain.trace import Floats
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import load_lm, load_microgpt
from kgpt_build.vm.picture import Picture, write_picture


def test_a_microgpt(kgpt: Kgpt, tmp_path: Path) -> None:
    output = tmp_path / "trace.json"
    done = kgpt("explain", "--default", "--prompt", "em", "-o", str(output))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert "from the kernel in QEMU; the hosted program gave the same bits" in line
    trace = from_json(output.read_text())
    assert (trace.source.made_by, trace.source.same_bits) == ("kernel", True)
    assert len(trace.source.image_sha256) == 64
    expected = reference_trace(load_microgpt(), "em")
    assert trace.reply == expected.reply
    assert [draw.uniform for draw in trace.draws] == [draw.uniform for draw in expected.draws]
    assert len(trace.weights) == 9


@pytest.mark.slow
def test_a_language_model(kgpt: Kgpt, smollm2: Path, tmp_path: Path) -> None:
    output = tmp_path / "trace.json"
    done = kgpt("explain", str(smollm2), "--prompt", "The capital of France is", "--tokens", "8", "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert "the hosted program gave the same bits" in done.stdout
    assert output.stat().st_size < 5_000_000
    assert from_json(output.read_text()).reply.startswith(" Paris")


NOTHING, ALL = np.array([0x1C, 0x21, 0x28]), np.array([0x84, 0xAE, 0xFF])
"""Colours of a map's cells, as in kernel_c/app/explain/explained_picture.c."""


def maps_in_pixels(picture: Picture, n: int, n_head: int) -> list[Floats]:
    """The maps of attention in the upper half of a screen, read from the colours of their cells.

    Each begins with a cell of the whole weight: the first token can only look at itself.
    """
    rgb = picture.rgb[: picture.height // 2].astype(int)
    whole = (abs(rgb - ALL) < 9).all(axis=2)
    top, left = np.argwhere(whole)[0]
    starts = [x for x in range(left, picture.width) if whole[top, x] and not whole[top, x - 1]]
    assert len(starts) == n_head, starts
    ends = np.flatnonzero(whole[top, left:] == 0)[0] + left
    cell = ends - left + 1  # a dark line tells cells apart
    found = []
    for x in starts:
        rows, columns = (start + cell // 2 + cell * np.arange(n) for start in (top, x))
        shades = rgb[np.ix_(rows, columns)]
        assert (shades[np.triu_indices(n, 1)] == 0).all()
        found.append(((shades - NOTHING) / (ALL - NOTHING)).mean(axis=2))
    return found


@pytest.mark.parametrize("mode", ["1280x800x32", "800x600x16"])
def test_maps_of_attention_in_pixels(boot: Boot, tmp_path: Path, mode: str) -> None:
    """As the hosted program computed them; text stands below, and the next command gets the whole screen again."""
    path, trace = write_lm(tmp_path / "m.gguf", kind="F16"), tmp_path / "trace.json"
    text = "abcaab"
    assert invoke(["explain", str(path), "--prompt", text, "--target", "hosted", "-o", str(trace)]) == 0
    layer = from_json(trace.read_text()).layers[-1]
    n_head, n = layer.attention.shape[0], 3
    disc = grub_disc(tmp_path, build_cached(load_lm(path)), "multiboot2", "mode=shell", mode)
    guest = boot(image=disc, medium="cdrom", machine="pc", memory=256)
    guest.expect(r"^kgpt> $")
    guest.send(f"explain {text}\r")
    guest.expect(r"next token: drawn from \d+ of 9\n(.*\n)*kgpt> $")
    assert f"attention of layer {len(from_json(trace.read_text()).layers) - 1}: row looks at column" in guest.console
    for _ in pace.attempts(60.0, 0.2):  # the prompt is drawn last
        if "kgpt>" in guest.screen().lines:
            break
    picture = guest.machine.picture()
    write_picture(tmp_path / f"{mode}.png", picture)
    for head, found in enumerate(maps_in_pixels(picture, n, n_head)):
        np.testing.assert_allclose(np.tril(found), layer.attention[head][:n, :n], atol=0.05)
    guest.send("mem\r")
    screen = see(guest, lambda screen: "\narena " in screen.text and screen.text.endswith("\nkgpt>"))
    assert any("attention of layer" in line for line in screen.lines)  # the text was not covered, but stood below
