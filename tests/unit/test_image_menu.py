"""The boot menu: its entries, and the text of grub.cfg."""

from __future__ import annotations

from dataclasses import replace

import pytest
from refusals import refused
from toy import assert_golden

from kgpt_build.errors import KgptError, UsageError
from kgpt_build.image.menu import Entry, MenuModule, MenuSettings, chosen, grub_cfg, template, with_cmdline

MODULES = (
    MenuModule("/models/smol.gguf", ("smol.gguf", "sha256=" + "ab" * 32)),
    MenuModule("/models/smol.kgct", ("smol.kgct", "sha256=" + "cd" * 32)),
)
ENTRIES = (
    Entry("default-generate", "default: generate", "/kgpt/default.elf", ("mode=generate",)),
    Entry("smol-chat", "it's smol: chat", "/kgpt/lm.elf", ("mode=chat",), MODULES, "Loading smol, 98 MB: …"),
    Entry("train", "Train a new model on names.txt", "/kgpt/train.elf", ("mode=train",)),
)


def test_the_text_of_a_menu() -> None:
    """The golden text changes with boot/grub.cfg: look at it, and boot it, before it is written anew."""
    settings = MenuSettings(r'prompt="it' "'" r's $HOME \"a\"" exit', 7, "safe>safe-train")
    assert_golden("grub.cfg", grub_cfg(with_cmdline(ENTRIES, settings.cmdline), settings, template()))


def test_a_command_line_is_added_to_each_entry() -> None:
    longer = with_cmdline(ENTRIES, 'temperature=0 prompt="a b"')
    assert [entry.words[-2:] for entry in longer] == [("temperature=0", 'prompt="a b"')] * 3
    assert longer[0].cmdline == 'mode=generate temperature=0 prompt="a b"'
    assert longer[1].modules == MODULES


def test_a_command_line_that_grows_too_long_in_grubs_hands() -> None:
    with refused(UsageError, "default-generate bytes GRUB"):
        with_cmdline(ENTRIES, "prompt=" + "'" * 2040)
    assert with_cmdline(ENTRIES, "prompt=" + "a" * 4000)


@pytest.mark.parametrize("timeout", [-2, 3601])
def test_time_outs_that_are_none(timeout: int) -> None:
    with refused(UsageError, f"time-out {timeout} seconds"):
        MenuSettings(timeout=timeout)


def test_the_entry_that_boots_by_itself() -> None:
    assert chosen(ENTRIES, "") == "default-generate"
    assert chosen(ENTRIES, "train") == "train"
    assert chosen(ENTRIES, "safe>safe-smol-chat") == "safe>safe-smol-chat"
    with refused(UsageError, "entry 'smol-chta' smol-chat?") as caught:
        chosen(ENTRIES, "smol-chta")
    assert "default-generate, smol-chat, train" in caught.value.hint


def test_a_template_that_is_not_whole() -> None:
    with refused(KgptError, "@ENTRIES@"):
        grub_cfg(ENTRIES, MenuSettings(), template().replace("@ENTRIES@", ""))


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    entry = replace(ENTRIES[0], title="@SAFE_ENTRIES@")
    assert "menuentry '@SAFE_ENTRIES@' --id" in grub_cfg([entry], MenuSettings(), template())
