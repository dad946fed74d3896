"""``python scripts/explain_pictures.py PAGE``: take the pictures of docs/explain.md from the page of `kgpt explain`.

Needs Chromium and playwright-core (``make test-slow`` installs both).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "explain"
COLOURS = 64
PLACES = {
    "attention": ("#attention figure:nth-of-type(2)", "#attention .split"),
    "draw": ("#draw-figure", "#candidates > :nth-child(24)"),
    "weights": ("#weights figure", "#weights figure"),
}
"""Of each picture: where it begins and ends."""
BOX = """(() => {{
  const [from, to] = {places}.map(place => document.querySelector(place).getBoundingClientRect());
  return [from.left - 16, from.top + scrollY - 16, from.width + 32, to.bottom - from.top + 32];
}})()"""


def main(page: Path) -> None:
    """Take them all."""
    sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("hosted", "unit")]
    from chromium import browsing

    PICTURES.mkdir(exist_ok=True)
    with browsing() as browser:
        browser.open(1100)
        browser.visit(page.resolve().as_uri())
        browser.waits_for("globalThis.kgpt !== undefined")
        for name, places in PLACES.items():
            x, y, width, height = browser.run(BOX.format(places=list(places)))
            taken = browser.picture(fullPage=True, clip={"x": x, "y": y, "width": width, "height": height})
            picture = Image.open(io.BytesIO(taken)).convert("RGB")
            picture.quantize(COLOURS).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
