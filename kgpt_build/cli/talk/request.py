"""The request of a run: words and texts for the kernel, and how kgpt shows the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgpt_build.boot_modules import PROMPT, Text, read_files, read_grammar, read_key, take_out
from kgpt_build.cli.shared.lm import is_language_model
from kgpt_build.cli.shared.options import is_verbose
from kgpt_build.cli.shared.settings import take_settings
from kgpt_build.errors import UsageError
from kgpt_build.settings import Settings, check_context
from kgpt_build.vm.terminal import kernel_words

if TYPE_CHECKING:
    from kgpt_build.models import GgufModel, Model, NoModel


@dataclass(frozen=True)
class Wishes:
    """How kgpt shows the run: as a console, as plain text, as texts only, or as events."""

    mode: str | None
    one_shot: bool
    as_json: bool
    serial: bool
    terminal: bool
    window: bool

    @property
    def interactive(self) -> bool:
        """The user types to the guest on our terminal."""
        return self.terminal and self.serial and not self._alone

    @property
    def typed_to(self) -> bool:
        """The user types on our terminal or in the window of the screen. The guest then goes on after its texts."""
        return self.interactive or (self.window and not self._alone)

    @property
    def shows_console(self) -> bool:
        """kgpt prints the guest's serial port."""
        return self.serial and not (self.one_shot or self.as_json)

    @property
    def _alone(self) -> bool:
        return self.one_shot or self.as_json or self.mode in ("bench", "perplexity", "jitter", "prefill", "selftest")


@dataclass(frozen=True)
class Request:
    """A run as the command line asks for it, before the kernel is known.

    ``words``: for the kernel's command line, with those of ``settings``. ``texts``: for boot modules, since they do not
    fit there.
    """

    words: tuple[str, ...]
    texts: tuple[Text, ...]
    settings: Settings
    wishes: Wishes

    @property
    def cmdline(self) -> str:
        """The kernel's command line. It ends with ``exit`` if nobody can type to the guest."""
        return " ".join([*self.words, *([] if self.wishes.typed_to else ["exit"])])

    @property
    def cache_words(self) -> str:
        """The words that decide the type of the KV cache: a prefill is built for them."""
        wanted = {name: self.settings.get(name) for name in ("kv", "rng")}
        return " ".join(f"{name}={value}" for name, value in wanted.items() if value)

    def cmdline_for(self, kernel: Path) -> str:
        """The command line with the words that the user's terminal needs. Raises KgptError."""
        if not self.wishes.shows_console:
            return self.cmdline
        told = kernel_words(1, interactive=self.wishes.interactive)
        told += ["stats=on"] if is_verbose() and is_language_model(kernel) else []
        return " ".join([*told, self.cmdline]).strip()

    def check_kernel(self, kernel: Path, *, brings: bool) -> None:
        """Refuse options that this kind of kernel does not have. ``brings``: models come as boot modules.

        Raises UsageError.
        """
        if is_language_model(kernel):
            return
        if brings:
            raise UsageError(f"{kernel} holds a microgpt, and takes no models", "build one that does: kgpt build --lm")
        self._refuse_lm_settings(f"{kernel} holds a microgpt")

    def check_model(self, model: Model | GgufModel | NoModel) -> None:
        """Refuse options that the engine of ``model`` does not have, before its kernel is built. Raises UsageError."""
        from kgpt_build.models import GgufModel, Model

        if isinstance(model, Model):
            self._refuse_lm_settings(f"{model.name} is a microgpt")
        elif isinstance(model, GgufModel):
            check_context(self.settings.get("ctx"), model.name, model.hparams.n_ctx)

    def refuse_for_image(self, image: Path) -> None:
        """Refuse words and texts for an image: they stand in its boot menu. Raises UsageError."""
        if given := [*self.words, *(text.kind for text in self.texts)]:
            raise UsageError(
                f"{image} brings its own command line: it cannot be told {given[0]}",
                "make it anew: kgpt image --cmdline, --file",
            )

    def _refuse_lm_settings(self, what: str) -> None:
        given = [*self.settings.for_lm, *(text.kind for text in self.texts if text.kind != PROMPT)]
        if self.wishes.mode == "serve":
            raise UsageError(f"mode serve is for language models, and {what}", "give one: kgpt pull lists some")
        if given or self.wishes.mode in ("chat", "bench", "perplexity", "jitter", "prefill"):
            word = given[0].replace("_", "-") if given else f"mode {self.wishes.mode}"
            raise UsageError(f"--{word} is for language models, and {what}", "leave it out")


def take_request(prompt: str | None, files: Sequence[Path], wishes: Wishes, given: dict[str, Any]) -> Request:
    """Take the options for the kernel out of ``given``. Raises UsageError, or KgptError for a file."""
    prompt, given["system"], texts = take_out(prompt, given["system"])
    texts += read_files(files) + read_grammar(given.pop("grammar_file"), given.pop("json_schema"))
    if key_file := given.pop("key_file", None):
        texts.append(read_key(key_file))
    settings = take_settings(given, prompt=prompt)
    extra = given.pop("cmdline")
    if wishes.mode == "shell" and not wishes.typed_to:
        raise UsageError("the shell needs a terminal to type on", "leave out --mode shell, or run it on a terminal")
    mode = [f"mode={wishes.mode}"] if wishes.mode else []
    words = (*mode, *settings.cmdline_words(), *([extra] if extra else []))
    return Request(words, tuple(texts), settings, wishes)
