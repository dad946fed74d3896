from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from kgpt_build import process
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
    with pytest.raises(process.CommandFailed, match="killed by SIGTERM"):
        process.run(["sh", "-c", "kill -TERM $$"])


def test_a_timeout_ends_the_children_too(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    with pytest.raises(RunTimeout, match=r"did not end within 0\.5 seconds"):
        process.run(["sh", "-c", f"sleep 600 & echo $! >{child}; wait"], timeout=0.5)
    pid = int(child.read_text())
    for _ in range(100):  # init takes a moment to collect it
        if not _runs(pid):
            return
        time.sleep(0.05)
    pytest.fail("the child outlived the timeout")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_environment_is_only_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-Dleak")
    done = process.run(["/bin/sh", "-c", 'echo "[$CFLAGS][$X]"'], env={"X": "y", "PATH": os.environ["PATH"]})
    assert done.output == "[][y]\n"


def test_missing_program_and_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-program is not there"):
        process.run(["no-such-program"])
    plain = tmp_path / "plain"
    plain.write_text("text")
    with pytest.raises(ToolMissing, match="cannot be run: Permission denied"):
        process.run([plain])
    with pytest.raises(KgptError, match="no such folder"):
        process.run(["true"], cwd=tmp_path / "absent")


def test_a_stream_of_bytes() -> None:
    assert b"".join(process.stream(["sh", "-c", "printf '\\377\\0a'; echo warned >&2"])) == b"\xff\0a"


def test_a_stream_that_fails_says_so_at_its_end() -> None:
    parts = process.stream(["sh", "-c", "echo one; echo two >&2; exit 3"])
    assert next(parts) == b"one\n"
    with pytest.raises(process.CommandFailed, match=r"sh failed \(exit status 3\)") as caught:
        next(parts)
    assert caught.value.output == "two\n"


def test_a_stream_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    parts = process.stream(["sh", "-c", f"echo $$ > {tmp_path}/pid; yes"])
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
