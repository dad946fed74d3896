"""A kernel that breaks: the right verdict, and a panic that names the place in the source."""

from __future__ import annotations

import json
from pathlib import Path

import generate_events
import pytest
from boots import Boot, Kgpt

from kgpt_build.def_files import rows

PANICS = {
    "ud": "#UD",
    "null": "#PF",
    "text": "#PF",
    "exec": "#PF",
    "stack": "#PF",
    "div": "#DE",
}


@pytest.mark.parametrize("cpu", ["qemu64", "max"])
@pytest.mark.parametrize("fault", PANICS)
def test_exceptions(boot: Boot, fault: str, cpu: str) -> None:
    guest = boot(f"fault={fault} exit", cpu=cpu)
    end = guest.wait()
    assert (end.kind, end.exit_code) == ("failed", 4)
    assert end.panic is not None
    assert end.panic.name == PANICS[fault]
    assert end.panic.registers["rsp"]
    headline, *frames = end.message.splitlines()
    assert headline.startswith(f"panic: {PANICS[fault]} (")
    if fault == "exec":
        assert headline.endswith(" at not_code")
    else:
        assert "/fault.c:" in headline
    if fault != "stack":  # there the innermost frames are one function
        assert any("kg_main kernel_c/app/main.c:" in frame for frame in frames)
    guest.expect("^kgpt: panic: ")
    guest.expect_event("exit", code=4, reason="panic")


def test_a_failed_check(boot: Boot) -> None:
    end = boot("fault=panic").wait()
    assert end.exit_code == 4
    assert end.message.startswith("panic: asked for by fault=panic at ")
    assert end.panic is not None
    assert end.panic.vector == -1


def test_the_lines_hold_the_keys_of_the_table(boot: Boot) -> None:
    guest = boot("fault=null")
    guest.wait()
    table = generate_events.definitions(rows(generate_events.SOURCE))
    keys = {event.name: [key.name for key in event.keys if not key.lm_only] for event in table}
    lines = [json.loads(line) for line in guest.machine.lines]
    assert [line["event"] for line in lines][-2:] == ["panic", "exit"]
    assert all(list(line) == ["event", *keys[line["event"]]] for line in lines)


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
def test_a_reset(boot: Boot, machine: str) -> None:
    end = boot("fault=reset", machine=machine).wait()
    assert (end.kind, end.exit_code) == ("lost", 5)
    assert "reset" in end.message
    assert "kgpt: model default" in end.tail


def test_a_hang(boot: Boot) -> None:
    end = boot("fault=hang", timeout=2).wait()
    assert (end.kind, end.exit_code) == ("timeout", 124)
    assert "kgpt: model default" in end.tail


def test_a_panic_without_a_serial_port(boot: Boot) -> None:
    end = boot("fault=ud", serial=False).wait()
    assert end.exit_code == 4
    assert "fault.c:" in end.message


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--cmdline", "fault=null"], 4, "kgpt: error: panic: #PF (page fault"),
        (["--cmdline", "fault=reset"], 5, "kgpt: error: the guest reset"),
        (["--cmdline", "fault=hang", "--timeout", "2"], 124, "kgpt: error: the guest did not end within 2 seconds"),
        (["--cmdline", "nokey=1"], 1, "kgpt: error: "),
        (["--prompt", "A"], 1, "kgpt: error: character 'A'"),
        (["--memory", "16"], 1, "kgpt: error: 16 MB of memory are too little: "),
        (["--cpu", "nonsense"], 1, "nonsense"),
        (["--mode", "shell"], 2, "kgpt: error: the shell needs a terminal"),
        (["--cpus", "0"], 2, "kgpt: error: 0 processors"),
        (["--top-p", "0"], 2, "kgpt: error: top_p is 0"),
        (["--machine", "isapc"], 2, "isapc"),
    ],
)
def test_kgpt_run_says_what_happened_and_exits_with_its_code(
    kgpt: Kgpt, kernel: Path, words: list[str], code: int, message: str
) -> None:
    done = kgpt("run", kernel, "--accel", "tcg", *words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
