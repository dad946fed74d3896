"""What tests of pages in a browser share: how to open one, read its grids, and find what is hard to read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from chromium import Browser
from PIL import Image

OPEN_SECONDS = 1.0
CELLS = """(id => {
  const box = document.getElementById(id), out = box.nextElementSibling, found = [];
  const press = key => box.dispatchEvent(new KeyboardEvent("keydown", {key, cancelable: true}));
  box.focus();
  for (let i = 0; i < 100; i++) { press("ArrowUp"); }
  for (let last = null, row = 0; row < 100; row++) {
    press("Home");
    for (let before = null; before !== out.textContent; press("ArrowRight")) found.push(before = out.textContent);
    press("ArrowDown");
    press("Home");
    if (out.textContent === last) break;
    last = out.textContent;
  }
  return [...new Set(found)];
})"""
"""Reads every cell of a grid by keys."""
CONTRAST = """(() => {
  const parts = text => (text.match(/[0-9.]+/g) || []).map(Number);
  const linear = c => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = text => parts(text).slice(0, 3).map(linear)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const back = node => { for (; node; node = node.parentElement) {
    const c = getComputedStyle(node).backgroundColor; if (parts(c)[3] !== 0) return c; } return "rgb(255, 255, 255)"; };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility() || node.disabled) continue;
    if (node.closest("svg, script, style, .shares, noscript")) continue;
    const a = light(getComputedStyle(node).color), b = light(back(node));
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) poor.push(node.textContent.slice(0, 40));
  }
  return poor;
})()"""
"""Texts whose contrast is below that of WCAG 2.2, AA. Shares of the line choose black or white themselves."""
WIDER = """[...document.querySelectorAll("main h2, main p, figure > *, .bars, .heat canvas")]
  .filter(node => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1)
  .map(node => node.id || node.textContent.slice(0, 40))"""


def open_page(browser: Browser, html: str, folder: Path, width: int = 1280, look: str = "light") -> None:
    """Open the page, and wait until it is live."""
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    browser.open(width, look=look)
    browser.visit(path.as_uri())
    assert browser.run("globalThis.kgpt !== undefined"), browser.complaints


def assert_quiet(browser: Browser, folder: Path) -> None:
    """The console says nothing, and nothing but the page itself was asked for."""
    assert browser.complaints == []
    assert browser.requests == [(folder / "page.html").as_uri()]


def assert_readable(browser: Browser, width: int, picture: Path) -> None:
    """Nothing is wider than the screen, every text has contrast, and a picture of the whole page is written."""
    browser.run("document.querySelectorAll('details').forEach((node, i) => { node.open = i < 3; })")
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(WIDER) == []
    assert browser.run(CONTRAST) == []
    browser.run("document.querySelectorAll('details').forEach(node => { node.open = false; })")
    shown = Image.open(io.BytesIO(browser.picture(path=str(picture), fullPage=True)))
    assert shown.width == width
    assert len(shown.convert("RGB").getcolors(shown.width * shown.height) or ()) > 50


def value_of(text: str) -> Any:
    """The number at the end of what a grid tells of a cell."""
    return np.float32(text.replace("−", "-").split()[-1])
