"""Our rendering of templates against transformers' own, where that is installed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import pytest
from chat_cases import CASES, Case, conversation

from kgpt_build.chat import Message
from kgpt_build.chat.environment import TODAY, Renderer, TemplateRefused
from kgpt_build.chat.verify import BLANK, SAID

utils: Any = pytest.importorskip(
    "transformers.utils.chat_template_utils", reason="needs transformers: pip install transformers"
)
TEXTS = SAID + BLANK


class _Today(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Today:
        return cls(TODAY.year, TODAY.month, TODAY.day, tzinfo=tz)


def _ours(case: Case, messages: Sequence[Message], ask: bool) -> str | None:
    try:
        return Renderer(case.text, case.bos, case.eos)(messages, ask=ask)
    except TemplateRefused:
        return None


def _theirs(case: Case, messages: Sequence[Message], ask: bool) -> str | None:
    tokens = {"bos_token": case.bos, "eos_token": case.eos}
    try:
        rendered = utils.render_jinja_template(
            conversations=[messages], chat_template=case.text, add_generation_prompt=ask, **tokens
        )
    except Exception:  # whatever a template does
        return None
    return str(rendered[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_text(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "datetime", _Today, raising=False)
    for start in range(len(TEXTS)):
        texts = [TEXTS[(start + 3 * i) % len(TEXTS)] for i in range(5)]
        for system in (None, "s"):
            for ask in (True, False):
                messages = conversation(system, *texts)
                assert _ours(case, messages, ask) == _theirs(case, messages, ask)
