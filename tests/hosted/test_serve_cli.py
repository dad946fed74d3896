"""The command kgpt serve."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pace
import pytest
from hosted import SECONDS, Hosted
from lm_brought import Brought

from kgpt_build.cli import invoke

KGPT = [sys.executable, "-c", "from kgpt_build.cli import main; main()"]


def test_a_client_of_the_command(without_model: Hosted, tmp_path: Path) -> None:
    """With an API key from a file, until Ctrl-C."""
    openai = pytest.importorskip("openai")
    model = Brought(without_model, tmp_path).path
    (tmp_path / "key").write_text("sesame\n")
    words = [*KGPT, "serve", str(model), "--port", "0", "--key-file", str(tmp_path / "key"), "--slots", "2"]
    words += ["--alias", "my model", "--temperature", "0"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if found := re.search(r"serving my model on (http://127.0.0.1:\d+) with 2 slots", line):
                    break
            else:
                raise AssertionError("".join(lines))
            with openai.OpenAI(base_url=f"{found[1]}/v1", api_key="sesame", max_retries=0) as client:
                asked = {"model": "my model", "messages": [{"role": "user", "content": "ab"}], "max_tokens": 4}
                assert client.chat.completions.create(**asked).usage.completion_tokens <= 4
                with pytest.raises(openai.AuthenticationError):
                    client.with_options(api_key="else").models.list()
            process.send_signal(signal.SIGINT)
            process.wait(pace.limit(SECONDS))
            assert "sesame" not in "".join(lines) + process.stdout.read()
        finally:
            process.kill()


def test_the_dry_run(without_model: Hosted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Brought(without_model, tmp_path).path
    assert invoke(["serve", str(model), "--dry-run", "--port", "81", "--listen", "::1", "--queue", "3"]) == 0
    line = capsys.readouterr().out
    assert "--listen ::1" in line
    assert "mode=serve slots=4 port=81 queue=3 timeout=10" in line


def test_the_words_for_modbus(without_model: Hosted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Brought(without_model, tmp_path).path
    words = ["serve", str(model), "--dry-run", "--modbus"]
    assert invoke([*words, "--modbus-port", "5020", "--labels", "ok,not ok"]) == 0
    line = capsys.readouterr().out
    assert "modbus=on modbus_port=5020" in line
    assert "ok,not ok" in line
    assert invoke(words) == 2
    assert "--labels" in capsys.readouterr().err


def test_what_cannot_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["serve", "default"]) == 2
    assert "mode serve is for language models, and default is a microgpt" in capsys.readouterr().err
    assert invoke(["serve", "smollm2-135m", "--listen", "localhost"]) == 2
    assert "--listen localhost: this is not an address" in capsys.readouterr().err
    (tmp_path / "key").write_text("two words\n")
    assert invoke(["serve", "smollm2-135m", "--key-file", str(tmp_path / "key")]) == 2
    assert "API key" in capsys.readouterr().err
