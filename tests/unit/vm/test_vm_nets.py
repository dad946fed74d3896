"""``--net``: a card on QEMU's user network, with words behind it."""

from __future__ import annotations

import pytest
from refusals import refused

from kgpt_build.errors import UsageError
from kgpt_build.vm.nets import CARDS, Forward, Net, parse_net


@pytest.mark.parametrize("card", CARDS)
def test_cards(card: str) -> None:
    assert parse_net(f"user,card={card}") == Net(card)


def test_words_behind_it() -> None:
    assert parse_net("user") == Net("virtio", (), restrict=False, mac="")
    assert parse_net("user,restrict,hostfwd=8080:80,mac=52:54:00:00:00:01,hostfwd=0.0.0.0:1:65535") == Net(
        "virtio", (Forward(8080, 80, "127.0.0.1"), Forward(1, 65535, "0.0.0.0")), restrict=True, mac="52:54:00:00:00:01"
    )


@pytest.mark.parametrize("text", ["", "tap", "socket,card=virtio", "User"])
def test_other_networks_are_refused(text: str) -> None:
    with refused(UsageError, "--net no network"):
        parse_net(text)


@pytest.mark.parametrize("word", ["", "card=", "card=rtl8139", "mac=", "mac=01:00:00:00:00:00", "restrict=on", "x=1"])
def test_other_words_are_refused(word: str) -> None:
    with refused(UsageError, "--net no"):
        parse_net(f"user,{word}")


@pytest.mark.parametrize("value", ["", "80", "80:", ":80", "0:80", "80:65536", "256.0.0.1:1:1", "tcp::80-:80", "1:2:3"])
def test_other_forwards_are_refused(value: str) -> None:
    with refused(UsageError, "--net no pair ports"):
        parse_net(f"user,hostfwd={value}")
