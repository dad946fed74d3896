"""What all tests share: markers, and a cache that tests may fill."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than some seconds; `make test-slow` runs it")


pytest_plugins = ["boots"]
"""Fixtures of tests/boot: a second conftest.py would be a second module of that name to mypy."""
