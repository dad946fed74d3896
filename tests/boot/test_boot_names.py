"""A kernel reads its model from a server that it knows by name: over our own DNS, UDP and TCP, and QEMU's cards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pace
import pytest
from boots import ENVIRONMENT

HERE = Path(__file__).parent
PATHS = ":".join([ENVIRONMENT["PYTHONPATH"], str(HERE), str(HERE.parent / "hosted"), str(HERE.parent / "unit")])
WORDS = "mode=generate prompt=ab seed=1 max_tokens=4 exit ip=10.0.2.15/24,gw=10.0.2.2,dns=10.0.2.2"


def run(kernel: Path, name: str) -> subprocess.CompletedProcess[str]:
    """The kernel with model=http://NAME/…, in a network of its own with a made-up DNS server."""
    unshare = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network of its own")
    words = [
        *("run", str(kernel), "--accel", "tcg", "--machine", "microvm", "--net", "user", "--memory", "256"),
        *("--cmdline", f"{WORDS} model=http://{name}:{{port}}/talks.gguf"),
    ]
    return subprocess.run(
        [*unshare, sys.executable, str(HERE / "name_server.py"), *words],
        env={**ENVIRONMENT, "PYTHONPATH": PATHS}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", timeout=pace.limit(240), check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "queries"), [("models.kgpt.test", 3), ("late.kgpt.test", 4)])
def test_a_model_from_a_server_by_its_name(kernel_without_model: Path, name: str, queries: int) -> None:
    """An alias; and a query that is lost is sent again. There is one for the model, its hash and its template each."""
    done = run(kernel_without_model, name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "talks.gguf: 5 KB in" in done.stdout
    assert f"{queries} queries, 1 requests" in done.stdout


def test_a_name_that_does_not_exist(kernel_without_model: Path) -> None:
    done = run(kernel_without_model, "gone.kgpt.test")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "/talks.gguf cannot be read: the name does not exist" in done.stderr
    assert "1 queries, 0 requests" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"),
    [("mute.kgpt.test", "no DNS server answers"), ("broken.kgpt.test", "the DNS server failed")],
)
def test_a_name_server_that_is_of_no_use(kernel_without_model: Path, name: str, reason: str) -> None:
    """Six queries, 21 seconds if nobody answers."""
    done = run(kernel_without_model, name)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"/talks.gguf cannot be read: {reason}" in done.stderr
    assert "6 queries, 0 requests" in done.stdout
