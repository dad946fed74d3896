"""A schema on the kernel's command line in QEMU: the texts of the hosted program, which are valid."""

from __future__ import annotations

import json
from pathlib import Path

from boots import Boot, texts
from chats import write_talker
from hosted import Hosted

from kgpt_build import models
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL
from kgpt_build.settings import quoted

SCHEMA = {
    "type": "object",
    "properties": {
        "class": {"enum": ["good", "bad", "é"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 300},
        "parts": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    },
    "required": ["class", "score", "parts"],
}


def test_a_kernel_keeps_to_a_schema(boot: Boot, tmp_path: Path) -> None:
    model = write_talker(tmp_path, n_ctx=512)
    line = f"exit mode=generate prompt=x samples=3 seed=5 slots=2 grammar={quoted(json.dumps(SCHEMA))}"
    said = Hosted(build_cached(NO_MODEL, target="hosted")).run(line, options=("--module", str(model))).samples()
    guest = boot(line, image=build_cached(models.load_lm(model)), memory=128)
    assert guest.wait().error() is None
    assert texts(guest) == said
    for text in said:
        found = json.loads(text)
        assert list(found) == ["class", "score", "parts"]
        assert found["class"] in ("good", "bad", "é")
        assert 1 <= found["score"] <= 300
        assert all(isinstance(part, bool) for part in found["parts"])
        assert 1 <= len(found["parts"]) <= 3
