"""The options of a run by name: checked before the build, then turned into words of the kernel's command line."""

from __future__ import annotations

from typing import Any

from kgpt_build.errors import UsageError
from kgpt_build.settings.options import MAX_SEED as MAX_SEED
from kgpt_build.settings.options import Option as Option
from kgpt_build.settings.options import of_groups as of_groups
from kgpt_build.settings.options import options as options
from kgpt_build.settings.values import MAX_CMDLINE as MAX_CMDLINE
from kgpt_build.settings.values import MAX_TEXT as MAX_TEXT
from kgpt_build.settings.values import SERVE_SLOTS as SERVE_SLOTS
from kgpt_build.settings.values import check_whole as check_whole
from kgpt_build.settings.values import quoted as quoted
from kgpt_build.settings.values import text_size as text_size
from kgpt_build.settings.values import value_text as value_text


class Settings:
    """Values of options (kernel_c/include/kgpt/options.def). The kernel has a default for each missing option.

    None, an empty tuple, and False mean that an option is not given. Raises UsageError for a value that the kernel
    would refuse, and TypeError for a name that the table does not have.
    """

    def __init__(self, **given: Any) -> None:
        table = options()
        if unknown := given.keys() - table.keys():
            raise TypeError(f"options.def has no row {', '.join(sorted(unknown))}")
        self._given: dict[str, Any] = {}
        for name, option in table.items():
            value = given.get(name)
            if value is None or value == () or value is False:
                continue
            option.check(value)
            self._given[name] = value

    def get(self, name: str) -> Any:
        """The value of an option; None if it is not given."""
        return self._given.get(name)

    def cmdline_words(self) -> list[str]:
        """The words of the kernel's command line, quoted where needed."""
        return [word for name, value in self._given.items() for word in options()[name].words(value)]

    @property
    def for_lm(self) -> list[str]:
        """The names of the given options that only kernels for language models have."""
        return [name for name in self._given if options()[name].is_for_lm]


def check_context(ctx: int | None, name: str, most: int) -> None:
    """Refuse a context that is longer than the ``most`` positions which a model was trained for. Raises UsageError."""
    if ctx is not None and ctx > most:
        raise UsageError(f"a context of {ctx} is more than {name} was trained for", f"give --ctx {most} or less")
