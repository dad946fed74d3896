"""A headless Chromium, driven by playwright-core: tests/browser/driver.mjs is the program that both share."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pace
import pytest
from hosted import SECONDS

HERE = Path(__file__).parents[1] / "browser"
LAUNCH = {"args": ["--no-sandbox", "--disable-gpu"]}
"""Chromium refuses to run as root, as in a container, without the first."""


class Browser:
    """One page. ``requests`` and ``complaints`` are what it asked for and what the console said, since ``open``."""

    def __init__(self, driver: subprocess.Popen[str]) -> None:
        self._driver = driver
        self.requests, self.complaints = list[str](), list[str]()

    def _ask(self, **request: Any) -> Any:
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        self._driver.stdin.write(json.dumps(request) + "\n")
        self._driver.stdin.flush()
        line = self._driver.stdout.readline()
        assert line, "the driver of the browser has ended"
        answer = json.loads(line)
        self.requests += answer["requests"]
        self.complaints += answer["complaints"]
        assert "error" not in answer, f"{answer['error']} {self.complaints}"
        return answer.get("result")

    def open(self, width: int = 1280, height: int = 900, look: str = "light", **options: Any) -> None:
        """A new, empty page without anything kept of the one before; ``options`` are those of newContext()."""
        options |= {"viewport": {"width": width, "height": height}, "colorScheme": look, "isMobile": width < 600}
        self._ask(open=options, timeout=1000 * pace.limit(SECONDS))
        self.requests, self.complaints = [], []

    def page(self, *calls: tuple[Any, ...]) -> Any:
        """``page(("mouse",), ("move", 1, 2))`` is page.mouse.move(1, 2)."""
        return self._ask(page=calls)

    def visit(self, url: str) -> None:
        self.page(("goto", url))

    def run(self, script: str) -> Any:
        """What an expression gives."""
        return self.page(("evaluate", script))

    def waits_for(self, script: str) -> Any:
        """What an expression gives when it is true. The page's policy forbids what waitForFunction() does."""
        for _ in pace.attempts(SECONDS, 0.05):
            if found := self.run(script):
                return found
        raise AssertionError(script)

    def text(self, selector: str) -> str:
        found: str = self.page(("textContent", selector))
        return found

    def hover(self, selector: str, **options: Any) -> None:
        self.page(("hover", selector, options))

    def click(self, selector: str, **options: Any) -> None:
        self.page(("click", selector, options))

    def focus(self, selector: str) -> None:
        self.page(("focus", selector))

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other."""
        for key in keys:
            self.page(("keyboard",), ("press", key))

    def type(self, text: str) -> None:
        """Type into the field that has the focus."""
        self.page(("keyboard",), ("insertText", text))

    def picture(self, **options: Any) -> bytes:
        """A PNG; ``options`` are those of screenshot()."""
        return base64.b64decode(self.page(("screenshot", options)))


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser while the block runs. Where something is missing, the test is skipped."""
    chromium, node = shutil.which("chromium"), shutil.which("node")
    if chromium is None or node is None or not (HERE / "node_modules" / "playwright-core").is_dir():
        pytest.skip("there is no chromium, no node, or no playwright-core (make test-slow brings them)")
    options = json.dumps(LAUNCH | {"timeout": 1000 * pace.limit(SECONDS)})
    words = [node, str(HERE / "driver.mjs"), chromium, options]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        try:
            browser = Browser(driver)
            browser.open()
            yield browser
        finally:
            assert driver.stdin is not None
            driver.stdin.close()
            try:
                driver.wait(pace.limit(SECONDS))
            except subprocess.TimeoutExpired:
                driver.kill()
