"""What all tests share: the fixtures of tests/boot, and Ctrl-C as a program finds it at a desk."""

from __future__ import annotations

import signal
from pathlib import Path

import pace
import pytest
from real_model import smollm2_file


def pytest_configure(config: pytest.Config) -> None:
    # A shell that runs the suite in the background has SIGINT ignored, and so would every program the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str | None:
    """About how long it will take, where all of it is run."""
    if config.args != config.getini("testpaths") or config.option.keyword:
        return None
    workers = getattr(config.option, "numprocesses", None) or 1
    return f"about {pace.suite_minutes(int(workers)):.0f} minutes on this machine, as busy as it is now"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test has an end."""
    for item in items:
        if item.get_closest_marker("timeout") is None:
            slow = item.get_closest_marker("slow") is not None
            item.add_marker(pytest.mark.timeout(pace.limit((10 if slow else 1) * pace.TEST_SECONDS)))


pytest_plugins = ["boots", "pulls"]
"""Fixtures of tests/boot and tests/unit: a second conftest.py would be a second module of that name to mypy."""


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The file of SmolLM2-135M-Instruct, which `kgpt pull` brings."""
    return smollm2_file()
