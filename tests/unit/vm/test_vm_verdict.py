"""How a run ended: each way has its verdict and its exit code, and none but the kernel's own word is a pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kgpt_build.errors import GuestFailed, KgptError, MachineLost, RunTimeout
from kgpt_build.events import Address, Boot, Error, Exit, Panic, SelfTest, SelfTests
from kgpt_build.vm.verdict import Observed, judge

BOOT = Boot("0.1.0", "x86_64", "pvh", "", 1, True, True)
DONE, REFUSED, FAILED = Exit(0, "done"), Exit(1, "refused"), Exit(4, "panic")
PANIC = Panic(14, "#PF", Address(2), "page fault", Address(0x1000), Address(0), {}, (Address(0x1000),))
GOOD = Observed(status=65, events=(BOOT, DONE), tail="the end")


def test_good() -> None:
    verdict = judge(GOOD)
    assert verdict.ok
    assert verdict.exit_code == 0
    assert verdict.error() is None


@pytest.mark.parametrize(
    ("seen", "kind", "exit_code", "words"),
    [
        (replace(GOOD, status=67, events=(BOOT, Error("bad key", "drop it"), REFUSED)), "refused", 1, "bad key"),
        (replace(GOOD, status=67, events=(BOOT, REFUSED)), "refused", 1, "did not say why"),
        (replace(GOOD, status=73, events=(BOOT, PANIC, FAILED)), "failed", 4, "#PF error 0x2 at 0x1000"),
        (replace(GOOD, status=-9, events=(BOOT, PANIC)), "failed", 4, "panic"),
        (
            replace(GOOD, status=73, events=(BOOT, SelfTest("a.b", False, "no"), SelfTests(3, 1), Exit(4, "selftest"))),
            "failed",
            4,
            "1 self-test failed",
        ),
        (replace(GOOD, status=0, events=(BOOT,), shutdown="guest-reset"), "lost", 5, "reset without a verdict"),
        (replace(GOOD, status=0, events=(BOOT,), shutdown="guest-shutdown"), "lost", 5, "guest-shutdown"),
        (replace(GOOD, status=-9, events=(BOOT,)), "lost", 5, "killed by SIGKILL"),
        (replace(GOOD, status=65, events=(BOOT,)), "lost", 5, "without the kernel's verdict"),
        (replace(GOOD, status=65, events=()), "lost", 5, "without the kernel's verdict"),
        (replace(GOOD, status=0), "lost", 5, "announced code 0, but"),
        (replace(GOOD, status=67), "lost", 5, "announced code 0, but"),
        (replace(GOOD, status=-11), "lost", 5, "announced code 0, but"),
        (replace(GOOD, status=69, events=(BOOT, Exit(2, "?"))), "lost", 5, "unknown code 2"),
        (replace(GOOD, garbage="a line that is no JSON"), "lost", 5, "no JSON"),
        (replace(GOOD, events=(BOOT,), broken="internal-error"), "lost", 5, "internal-error"),
        (replace(GOOD, status=0, events=(BOOT,), timed_out=3.0), "timeout", 124, "within 3 seconds"),
        (replace(GOOD, status=65, timed_out=3.0), "timeout", 124, "within 3 seconds"),
        (replace(GOOD, status=1, events=(), started=False, stderr="qemu-system-x86_64: no\n"), "refused", 1, ": no"),
        (replace(GOOD, status=-6, events=(), started=False, stderr="boom"), "lost", 5, "boom"),
    ],
)
def test_bad(seen: Observed, kind: str, exit_code: int, words: str) -> None:
    verdict = judge(seen)
    assert (verdict.kind, verdict.exit_code) == (kind, exit_code)
    assert words in verdict.message
    assert not verdict.ok
    error = verdict.error()
    assert error is not None
    assert error.exit_code == exit_code


def test_only_code_0_with_its_status_passes() -> None:
    for status in range(-15, 256):
        assert judge(replace(GOOD, status=status)).ok == (status == 65)


def test_a_reboot_that_was_announced_is_good() -> None:
    reboot = replace(GOOD, status=0, events=(BOOT, Exit(0, "reboot")), shutdown="guest-reset")
    assert judge(reboot).ok
    assert judge(replace(reboot, shutdown="guest-shutdown")).kind == "lost"


def test_leaving_is_neither_a_pass_nor_a_failure() -> None:
    verdict = judge(replace(GOOD, status=0, events=(BOOT,), quit=True))
    assert (verdict.kind, verdict.ok, verdict.exit_code, verdict.error()) == ("quit", False, 0, None)


def test_leaving_does_not_hide_a_failure() -> None:
    assert judge(replace(GOOD, status=73, events=(BOOT, PANIC, FAILED), quit=True)).kind == "failed"


def test_the_refusals_hint_and_the_tests_messages_are_kept() -> None:
    assert judge(replace(GOOD, status=67, events=(Error("bad key", "drop it"), REFUSED))).hint == "drop it"
    failed = judge(replace(GOOD, status=73, events=(SelfTest("a.b", False, "x.c:3: no"), Exit(4, "selftest"))))
    assert failed.hint == "a.b: x.c:3: no"


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (replace(GOOD, status=67, events=(REFUSED,)), KgptError),
        (replace(GOOD, status=73, events=(FAILED,)), GuestFailed),
        (replace(GOOD, events=()), MachineLost),
        (replace(GOOD, timed_out=1.0), RunTimeout),
    ],
)
def test_the_error_carries_the_consoles_tail(seen: Observed, kind: type[KgptError]) -> None:
    error = judge(seen).error()
    assert type(error) is kind
    assert "the end" in error.hint


def test_a_closed_window_is_the_user_leaving() -> None:
    verdict = judge(replace(GOOD, status=0, events=(BOOT,), shutdown="host-ui"))
    assert (verdict.kind, verdict.exit_code) == ("quit", 0)
    assert judge(replace(GOOD, status=0, events=(BOOT, PANIC), shutdown="host-ui")).kind == "failed"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("shorten it; a larger ctx= at boot makes room", "shorten it; a larger --ctx at boot makes room"),
        ("on_overflow=shift forgets the older half", "--on-overflow shift forgets the older half"),
        ("use mode=generate, or sha256=", "use mode=generate, or sha256="),
    ],
)
def test_a_guest_s_hint_names_our_options(said: str, shown: str) -> None:
    seen = replace(GOOD, status=67, events=(BOOT, Error("no room", said), REFUSED))
    assert judge(seen).hint == shown


@pytest.mark.parametrize(
    ("status", "shutdown", "kind"),
    [
        (0, "guest-shutdown", "ok"),
        (0, "guest-reset", "lost"),
        (0, "host-signal", "lost"),
        (1, "guest-shutdown", "lost"),
        (65, "guest-shutdown", "lost"),
    ],
)
def test_a_machine_without_a_device_for_the_code(status: int, shutdown: str, kind: str) -> None:
    """Its guest switches it off after the event: anything else is no verdict."""
    seen = replace(GOOD, powers_off=True, status=status, shutdown=shutdown)
    assert judge(seen).kind == kind
    refused_run = replace(seen, events=(BOOT, Exit(code=1, reason="refused")))
    assert judge(refused_run).kind == ("refused" if kind == "ok" else "lost")
    assert judge(replace(seen, events=(BOOT,))).kind != "ok"
