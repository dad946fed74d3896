"""A shell typed on a virtio keyboard, on either architecture; a tablet beside it is left alone."""

from __future__ import annotations

import pytest
from boots import Boot, see

from kgpt_build.arch import ALL, Arch
from kgpt_build.events import Keyboards
from kgpt_build.kernel.build import build_cached


@pytest.mark.parametrize(
    "arch",
    [pytest.param(arch, marks=pytest.mark.slow if arch.qemu.keyboard else ()) for arch in ALL],
    ids=lambda arch: arch.name,
)
def test_a_shell_typed_on_a_virtio_keyboard(boot: Boot, arch: Arch) -> None:
    settings = {"keyboard": "virtio", "card": arch.qemu.card, "serial": False, "arch": arch}
    extra = ("-device", "virtio-tablet-pci")
    guest = boot("samples=2", image=build_cached(drivers=True, arch=arch), extra=extra, **settings)
    guest.expect_event("shell")
    guest.expect_event("keyboards", names=("virtio",))
    shown = see(guest, lambda screen: screen.text.endswith("\nkgpt>"))
    assert "none found" not in shown.text
    guest.press("devicesX\x7f\n")
    shown = see(guest, lambda screen: any("the search took" in line for line in screen.lines))
    assert "keyboards: virtio" in shown.lines
    assert any("virtio-input: works" in line for line in shown.lines)
    assert any("virtio-input: it is no keyboard" in line for line in shown.lines), shown.lines
    assert [event.names for event in guest.events if isinstance(event, Keyboards)][-1] == ("virtio",)
    guest.press("halt\n")
    assert guest.wait().ok
