"""The options of a run: the rows of kernel_c/include/kgpt/options.def, which documents its columns.

The kernel compiles the same rows. So the host refuses the values that the kernel refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kgpt_build.def_files import Row, rows
from kgpt_build.errors import UsageError
from kgpt_build.settings.values import MAX_TEXT, check_number, check_text, check_whole, value_text

TABLE = "include/kgpt/options.def"
GROUPS = ("RUN", "SAMPLING", "LM_SAMPLING", "LM_BIASES", "LM", "ADAM", "TRAIN", "BLOCK")
LM_GROUPS = ("LM_SAMPLING", "LM_BIASES", "LM")
"""Options that only kernels for language models have."""
MAX_SEED = (1 << 64) - 1

_LEAST_DECIMAL = 1e-30
"""The kernel reads a smaller number as 0."""
_BIAS = re.compile(r"([0-9]{1,10})[+-](inf|[0-9]+(\.[0-9]+)?)", re.ASCII)
_MAX_TOKEN = (1 << 32) - 1


@dataclass(frozen=True)
class Option:
    """A row of the table. ``values`` is its range: ``("FROM", "0", "100")``; ``names`` are its choices, if any."""

    group: str
    name: str
    kind: str
    values: tuple[str, ...]
    where: str
    default: Any
    lm_default: Any
    """The default of kernels for language models."""
    unit: str
    """The placeholder of the value in help; empty: no command of kgpt has an option of this name."""
    help: str
    default_words: str
    """A description of the default, if it is not a constant."""
    section: str
    names: tuple[str, ...]

    @property
    def is_for_lm(self) -> bool:
        """Do only kernels for language models have the option?"""
        return self.group in LM_GROUPS

    @property
    def least(self) -> int:
        """The smallest number."""
        return int(self.values[1])

    @property
    def most(self) -> int:
        """The largest number, or the largest size of a text in bytes."""
        return int(self.values[-1])

    @property
    def times(self) -> int:
        """The largest number of times that the option can be given."""
        return int(self.values[1]) if self.is_list else 1

    @property
    def is_list(self) -> bool:
        """Can the option be given more than once?"""
        return self.kind in ("TEXTS", "BIASES")

    @property
    def command_option(self) -> str:
        """The option's name on kgpt's command line: ``--top-k``."""
        return "--" + self.name.replace("_", "-")

    @property
    def shown_default(self) -> str:
        """The default in help; empty if the option has no effect unless it is given."""
        if self.default_words or self.kind in ("FLAG", "TEXT", "TEXTS", "BIASES"):
            return self.default_words
        text = _shown(self.default)
        return text if self.lm_default == self.default else f"{text}; of a language model {_shown(self.lm_default)}"

    def check(self, value: Any) -> None:
        """Raise UsageError for a value that the kernel refuses; None: the option is not given."""
        if value is not None:
            _CHECKS[self.kind](self, value)

    def words(self, value: Any) -> list[str]:
        """The words of the kernel's command line for ``value``; no words for None or a flag that is off."""
        if self.kind == "FLAG":
            return [self.name] if value else []
        values = value if self.is_list else () if value is None else (value,)
        return [f"{self.name}={value_text(item)}" for item in values]


def _check_flag(option: Option, value: Any) -> None:
    if not isinstance(value, bool):
        raise UsageError(f"{option.name} is {value!r}", f"{option.name} is given or not, without a value")


def _check_count(option: Option, value: Any) -> None:
    check_whole(option.name, value, option.least, option.most)


def _check_seed(option: Option, value: Any) -> None:
    if value != "random":
        check_whole(option.name, value, 0, MAX_SEED, also=' or "random"')


def _check_number(option: Option, value: Any) -> None:
    above, below = option.values[0] == "ABOVE", option.values[0] == "BELOW"
    check_number(option.name, value, option.least, option.most, above=above, below=below)
    if 0 < abs(value) < _LEAST_DECIMAL:
        raise UsageError(f"{option.name} is {value!r}", "the kernel reads so small a number as 0: give 0")


def _check_choice(option: Option, value: Any) -> None:
    if value not in option.names:
        raise UsageError(f"{option.name} is {value!r}", f"give one of {', '.join(option.names)}")


def _check_text(option: Option, value: Any) -> None:
    check_text(option.name, value, min(option.most, MAX_TEXT))


def _check_times(option: Option, value: Any) -> None:
    if len(value) > option.times:
        raise UsageError(f"{option.name} is given {len(value)} times", f"at most {option.times} are possible")


def _check_texts(option: Option, value: Any) -> None:
    _check_times(option, value)
    for text in value:
        check_text(option.name, text, option.most)
        if not text:
            raise UsageError(f"{option.name} is empty", "give a text")


def _check_biases(option: Option, value: Any) -> None:
    _check_times(option, value)
    for text in value:
        match = _BIAS.fullmatch(text)
        if not match or int(match[1]) > _MAX_TOKEN:
            raise UsageError(f"{option.name} is {text!r}, not ID+BIAS or ID-BIAS", "such as 15+2.5, or 15-inf")


_CHECKS = {
    "FLAG": _check_flag,
    "COUNT": _check_count,
    "SEED": _check_seed,
    "DECIMAL": _check_number,
    "DOUBLE": _check_number,
    "CHOICE": _check_choice,
    "NAME": _check_choice,
    "TEXT": _check_text,
    "SYSTEM": _check_text,
    "MODEL": _check_text,
    "TEXTS": _check_texts,
    "BIASES": _check_biases,
}


@cache
def options() -> Mapping[str, Option]:
    """All options by name, in the order of the table. Raises KgptError if the table cannot be read."""
    table = rows(TABLE)
    lists = {row.arguments[0]: row.arguments[1:] for row in table if row.kind.endswith("NAMES")}
    lm_defaults = {row.arguments[0]: row.arguments[1] for row in table if row.kind in ("LM_RUN", "LM_SAMPLED")}
    found: dict[str, Option] = {}
    section = ""
    for row in table:
        if row.kind == "HEADING":
            section = row.arguments[0]
        elif row.kind in GROUPS:
            found[row.arguments[0]] = _option(row, section, lists, lm_defaults)
    return found


def of_groups(*groups: str) -> list[Option]:
    """The options of these groups, in the order of the table."""
    return [option for option in options().values() if option.group in groups]


def _option(row: Row, section: str, lists: Mapping[str, tuple[str, ...]], lm_defaults: Mapping[str, str]) -> Option:
    name, kind, takes, where, otherwise, unit, text, words = row.arguments
    values = tuple(re.findall(r"[\w-]+", takes))
    names = lists[values[1]] if kind in ("CHOICE", "NAME") else ()
    return Option(
        group=row.kind,
        name=name,
        kind=kind,
        values=values,
        where=where,
        default=_default(kind, otherwise, names),
        lm_default=_default(kind, lm_defaults.get(name, otherwise), names),
        unit=unit,
        help=text,
        default_words=words,
        section=section,
        names=names,
    )


def _default(kind: str, text: str, names: tuple[str, ...]) -> Any:
    """The default, written in C as ``text``. For a CHOICE it is a name, or empty if there is no default."""
    match kind:
        case "COUNT" | "SEED":
            return int(text)
        case "DECIMAL" | "DOUBLE":
            return float(text)
        case "FLAG":
            return False
        case "CHOICE":
            return names[int(text)] if text.isdigit() else ""
    return () if kind in ("TEXTS", "BIASES") else ""


def _shown(value: Any) -> str:
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)
