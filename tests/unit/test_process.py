from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pace
import pytest
from processes import runs
from refusals import refused

from kgpt_build import process
from kgpt_build.bound_process import start_bound
from kgpt_build.errors import KgptError, RunTimeout, ToolMissing


def test_output_and_lines() -> None:
    lines: list[str] = []
    done = process.run(["sh", "-c", "echo one; echo two >&2"], on_line=lines.append)
    assert done.output == "one\ntwo\n"
    assert lines == ["one", "two"]


def test_the_line_shown_can_be_pasted(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO, "kgpt")
    process.run(["echo", "a b", "$c"], cwd=tmp_path)
    assert caplog.messages == [f"cd {tmp_path} && echo 'a b' '$c'"]


def test_a_failure_shows_the_command_and_the_end_of_its_output() -> None:
    with pytest.raises(process.CommandFailed) as caught:
        process.run(["sh", "-c", "seq 1 100; exit 3"])
    assert caught.value.message == "sh failed (exit status 3)"
    hint = caught.value.hint.splitlines()
    assert hint[0] == "the command was: sh -c 'seq 1 100; exit 3'"
    assert hint[1] == "… 80 lines before"
    assert hint[-1] == "100"
    assert caught.value.returncode == 3


def test_a_signal_is_named() -> None:
    with refused(process.CommandFailed, "sh killed SIGTERM"):
        process.run(["sh", "-c", "kill -TERM $$"])


def test_a_timeout_ends_the_children_too(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    with refused(RunTimeout, "sh 0.5 seconds"):
        process.run(["sh", "-c", f"sleep 600 & echo $! >{child}; wait"], timeout=0.5)
    _wait_for_end(int(child.read_text()))


@pytest.mark.parametrize("left", ["sleep 600", "yes", "setsid sleep 600"])
def test_a_leader_that_ends_first_takes_the_rest_with_it(tmp_path: Path, left: str) -> None:
    """What it leaves behind holds its standard output, and may write to it for ever."""
    child = tmp_path / "pid"
    done = process.run(["sh", "-c", f"{left} & echo $! >{child}; echo said"], timeout=pace.limit(60))
    assert "said\n" in done.output
    if "setsid" in left:  # that asked to be left alone
        os.kill(int(child.read_text()), signal.SIGKILL)
    _wait_for_end(int(child.read_text()))


@pytest.mark.parametrize("script", ["exec >&-; sleep 600", "(sleep 600; echo) & sleep 600", "yes"])
def test_a_timeout_comes_whatever_becomes_of_the_output(script: str) -> None:
    with pytest.raises(RunTimeout):
        process.run(["sh", "-c", script], timeout=0.5)


def test_a_stream_ends_with_its_leader(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    assert b"".join(process.stream(["sh", "-c", f"sleep 600 & echo $! >{child}; echo said"])) == b"said\n"
    _wait_for_end(int(child.read_text()))


def test_nothing_is_lost_of_much_output() -> None:
    data = b"".join(process.stream(["sh", "-c", "head -c 3000000 /dev/zero"]))
    assert data == bytes(3_000_000)


def test_a_line_that_comes_in_pieces() -> None:
    lines: list[str] = []
    done = process.run(["sh", "-c", r"printf 'a\303'; sleep 0.1; printf '\244\r\nb'"], on_line=lines.append)
    assert lines == ["aä", "b"]
    assert done.output == "aä\nb"


def test_a_bound_program_dies_with_us_beside_other_threads(tmp_path: Path) -> None:
    program = (
        "import sys, threading, time; from kgpt_build.bound_process import start_bound\n"
        "for _ in range(8): threading.Thread(target=lambda: [hash(i) for i in iter(int, 1)], daemon=True).start()\n"
        "print(start_bound(['sleep', '600'], stdout=sys.stderr).pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x00600\x00"
    parent.kill()
    parent.wait()
    _wait_for_end(pid)


def test_a_bound_program_that_cannot_be_executed(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    for path, number in ((tmp_path / "absent", errno.ENOENT), (plain, errno.EACCES)):
        with pytest.raises(OSError, match=os.strerror(number)):
            start_bound([str(path)])


def test_a_bound_program_has_the_signals_and_descriptors_of_any_other() -> None:
    read, write = os.pipe()
    script = f"ls /proc/self/fd; echo x >/dev/fd/{write}; grep SigIgn /proc/self/status"
    bound = start_bound(["sh", "-c", script], pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    os.close(write)
    assert bound.stdout is not None
    with bound.stdout as out, os.fdopen(read, "rb") as events:
        said = out.read().decode().split()
        assert events.read() == b"x\n"
    assert bound.wait() == 0
    plain = subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True, check=True)
    assert said[-1] == plain.stdout.split()[-1]
    assert set(said[:-2]) <= {"0", "1", "2", "3", str(write)}  # 3 is the folder that ls reads


def test_nobody_runs_python_between_fork_and_exec() -> None:
    package = Path(process.__file__).parent
    assert not [path for path in package.rglob("*.py") if "preexec_fn=" in path.read_text()]


def _wait_for_end(pid: int) -> None:
    if all(runs(pid) for _ in pace.attempts(30, 0.05)):  # init takes a moment to collect it
        os.kill(pid, signal.SIGKILL)
        pytest.fail("it was left behind")


def test_environment_is_only_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-Dleak")
    done = process.run(["/bin/sh", "-c", 'echo "[$CFLAGS][$X]"'], env={"X": "y", "PATH": os.environ["PATH"]})
    assert done.output == "[][y]\n"


def test_missing_program_and_missing_folder(tmp_path: Path) -> None:
    with refused(ToolMissing, "no-such-program there"):
        process.run(["no-such-program"])
    plain = tmp_path / "plain"
    plain.write_text("text")
    with refused(ToolMissing, "plain Permission denied"):
        process.run([plain])
    with refused(KgptError, "absent folder"):
        process.run(["true"], cwd=tmp_path / "absent")


def test_a_stream_of_bytes() -> None:
    assert b"".join(process.stream(["sh", "-c", "printf '\\377\\0a'; echo warned >&2"])) == b"\xff\0a"


def test_a_stream_that_fails_says_so_at_its_end() -> None:
    parts = process.stream(["sh", "-c", "echo one; echo two >&2; exit 3"])
    assert next(parts) == b"one\n"
    with refused(process.CommandFailed, "sh exit status 3") as caught:
        next(parts)
    assert caught.value.output == "two\n"


def test_a_stream_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    parts = process.stream(["sh", "-c", f"echo $$ > {tmp_path}/pid; yes"])
    next(parts)
    parts.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
