"""What the pages have in common: parts become one HTML file that loads nothing and allows its own script alone."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

SHARED = ("base.js", "play.js", "look.js", "heat.js")


@dataclass(frozen=True)
class Frame:
    """The inline style and script of a page, and the sources of a CSP that allows them."""

    style: Markup
    script: Markup
    style_hash: str
    script_hash: str


def fill(template: str, scripts: Sequence[str], **values: Any) -> str:
    """The page of a template. Texts are escaped; names of the scripts stay inside one function."""
    style = _asset("style.css")
    script = f'"use strict";\n(() => {{\n{"".join(_asset(name) for name in scripts)}}})();\n'
    frame = Frame(Markup(style), Markup(script), content_hash(style), content_hash(script))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, loader=jinja2.FunctionLoader(_asset)
    )
    return environment.get_template(template).render(frame=frame, **values)


def content_hash(text: str) -> str:
    """The source of a CSP that allows the inline element with this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def script_json(value: Any) -> Markup:
    """``value`` as JSON that can stand in a script element."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


@cache
def _asset(name: str) -> str:
    return resources.files("kgpt_build.explain").joinpath("assets", *name.split("/")).read_text(encoding="utf-8")
