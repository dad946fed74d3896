"""``python scripts/explain_pictures.py PAGE``: take the pictures of docs/explain.md from the page of `kgpt explain`.

Needs Chromium (``scripts/need chromium``).
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
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
    from browser import browsing

    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browsing(Path(folder)) as browser:
        browser.call("Emulation.setDeviceMetricsOverride", width=1100, height=900, deviceScaleFactor=1, mobile=False)
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        browser.call("Page.navigate", url=page.resolve().as_uri())
        browser.waits_for("globalThis.kgpt !== undefined")
        for name, places in PLACES.items():
            x, y, width, height = browser.run(BOX.format(places=list(places)))
            clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
            taken = browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
            picture = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
            picture.quantize(COLOURS).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
