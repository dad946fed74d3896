from __future__ import annotations

import sys
from pathlib import Path

import pace
import pytest
from refusals import refused

from kgpt_build.boot_modules import BootModule
from kgpt_build.errors import RunTimeout, ToolMissing
from kgpt_build.kernel.hosted import HostedProcess, run_hosted
from kgpt_build.process import CommandFailed


def fake(path: Path, body: str) -> Path:
    """A program that is called as the hosted build is: `cmdline` is its command line, `send` writes an event."""
    lines = [
        f"#!{sys.executable} -S",
        "import os, signal, sys, time",
        "cmdline_option, cmdline, fd_option, fd = sys.argv[1:]",
        "assert (cmdline_option, fd_option) == ('--cmdline', '--events-fd')",
        "send = lambda text: os.write(int(fd), text.encode() + b'\\n')",
        body,
    ]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("status", [0, 1, 4])
def test_lines_of_the_machine_channel(tmp_path: Path, status: int) -> None:
    body = f"send(cmdline); print('console'); send('end'); sys.exit({status})"
    lines = run_hosted(fake(tmp_path / "hosted", body), 'prompt="a b" exit', timeout=pace.limit(20))
    assert lines == [b'prompt="a b" exit\n', b"end\n"]


def test_much_on_both_channels(tmp_path: Path) -> None:
    body = "for i in range(3000): print('x' * 100, flush=True); send(str(i))"
    lines = run_hosted(fake(tmp_path / "hosted", body), "", timeout=pace.limit(60))
    assert lines == [b"%d\n" % i for i in range(3000)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("send('event'); print('words', flush=True); os.kill(os.getpid(), signal.SIGSEGV)", "killed SIGSEGV"),
        ("send('event'); print('words'); sys.exit(3)", "exit status 3"),
        ("print('words')", "exit status 0"),
    ],
)
def test_a_run_that_failed_shows_its_console(tmp_path: Path, body: str, message: str) -> None:
    with refused(CommandFailed, message) as caught:
        run_hosted(fake(tmp_path / "hosted", body), "", timeout=pace.limit(20))
    assert caught.value.hint.endswith("words")


def test_a_run_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with refused(RunTimeout, "hosted 0.2 seconds"):
        run_hosted(fake(tmp_path / "hosted", "time.sleep(600)"), "", timeout=0.2)


def test_no_such_program(tmp_path: Path) -> None:
    with refused(ToolMissing, "none No such file"):
        run_hosted(tmp_path / "none", "", timeout=1)


def test_modules_and_keys(tmp_path: Path) -> None:
    """What `fake` checks of the words is another's: these have more of them."""
    lines = [
        f"#!{sys.executable} -S",
        "import os, sys",
        "fd = int(sys.argv[-1])",
        "os.write(fd, ' '.join(sys.argv[1:-1]).encode() + b'\\n')",
        "os.write(fd, os.read(0, 10))",
    ]
    program = tmp_path / "hosted"
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    modules = [BootModule(Path("a")), BootModule(Path("b c"), ("kind=prompt",))]
    with HostedProcess(program, "mode=train", modules=modules, memory=64, timeout=pace.limit(20)) as process:
        process.send(b"\x03")
        sent = b"".join(process.pieces())
        assert process.check(has_spoken=True) == 0
    assert sent == b"--cmdline mode=train --module a --module b c kind=prompt --arena-mb 64 --events-fd\n\x03"
