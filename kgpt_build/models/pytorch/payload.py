"""The parts of what was saved with torch.save: the state dict, the settings beside it, and the characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kgpt_build.errors import KgptError
from kgpt_build.models.pytorch.characters import characters_of
from kgpt_build.models.pytorch.tensors import StoredTensor

_STATES = ("model", "model_state_dict", "state_dict", "best", "weights")
"""Keys of state dicts: nanoGPT, common training loops, and kgpt's own trainer (its best weights first)."""

_SETTINGS = ("model_args", "settings", "config", "hparams", "args")
_SIZES: Mapping[str, tuple[str, ...]] = {
    "n_layer": ("n_layer",),
    "n_head": ("n_head", "num_heads"),
    "n_embd": ("n_embd",),
    "n_ctx": ("block_size", "n_ctx", "context_length"),
    "n_vocab": ("vocab_size", "n_vocab"),
}
"""Names of a size in settings."""

_SAVE = "save a state dict: torch.save(model.state_dict(), PATH)"


@dataclass(frozen=True)
class Payload:
    """``state`` has tensors by name; ``sizes`` those that the settings give; ``chars`` the characters, or None."""

    state: Mapping[str, Any]
    sizes: Mapping[str, int]
    chars: list[str] | None


def payload(saved: Any) -> Payload:
    """The parts of a saved value. Raises KgptError if it holds no state dict."""
    if not isinstance(saved, dict):
        raise KgptError(f"it holds {_kind(saved)}, not a state dict", _SAVE)
    states = [saved, *(saved[key] for key in _STATES if key in saved)]
    state = next((value for value in states[1:] + states[:1] if _is_state(value)), None)
    if state is None:
        keys = ", ".join(str(key)[:32] for key in list(saved)[:8])
        raise KgptError(f"it holds no state dict: its keys are {keys or 'none'}", _SAVE)
    chars = characters_of(saved["chars"], "chars") if "chars" in saved else None
    return Payload(state, sizes_in(saved, state), chars)


def sizes_in(saved: Mapping[Any, Any], state: Mapping[str, Any] | None = None) -> dict[str, int]:
    """The sizes that settings beside the ``state``, or ``saved`` itself, give. Raises KgptError for what is none."""
    found: dict[str, int] = {}
    groups = [saved[key] for key in _SETTINGS if isinstance(saved.get(key), dict)]
    for group in [*groups, *([saved] if saved is not state else [])]:
        for size, names in _SIZES.items():
            for name in names:
                if size not in found and name in group and group[name] is not None:
                    found[size] = _size(name, group[name])
    return found


def _size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1 << 20:
        raise KgptError(f"the setting {name} is {value!r:.32}, not a whole number from 1 to {1 << 20:,}", "correct it")
    return value


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) for key in value)
        and sum(isinstance(item, StoredTensor) for item in value.values()) * 2 > len(value)
    )


def _kind(value: Any) -> str:
    return "a single tensor" if isinstance(value, StoredTensor) else f"a {type(value).__name__}"
