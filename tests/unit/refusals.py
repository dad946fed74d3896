"""Refusals by exception class and facts: a message can be worded anew, but not lose a name, a number or its kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

_Error = TypeVar("_Error", bound=Exception)


def lacks(message: str, facts: str) -> list[str]:
    """The space-separated ``facts`` that are not whole words of ``message``; their order is free."""
    return [fact for fact in facts.split() if not re.search(rf"(?<![\w.]){re.escape(fact)}(?!\w|\.\w)", message)]


@contextmanager
def refused(kind: type[_Error], facts: str) -> Iterator[pytest.ExceptionInfo[_Error]]:
    """Expect an exception of exactly the class ``kind``, so with its exit code, whose one line has all ``facts``."""
    with pytest.raises(kind) as caught:
        yield caught
    message = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in message
    assert not lacks(message, facts), message
