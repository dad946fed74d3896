"""What all tests share: the fixtures of tests/boot, and Ctrl-C as a program finds it at a desk."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from real_model import smollm2_file


def pytest_configure(config: pytest.Config) -> None:
    # A shell that runs the suite in the background has SIGINT ignored, and so would every program the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


pytest_plugins = ["boots"]
"""Fixtures of tests/boot: a second conftest.py would be a second module of that name to mypy."""


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The file of SmolLM2-135M-Instruct, which `kgpt pull` brings."""
    return smollm2_file()
