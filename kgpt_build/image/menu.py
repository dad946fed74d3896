"""The boot menu: an entry for each model and mode, and the text of grub.cfg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from kgpt_build import paths
from kgpt_build.errors import KgptError, UsageError
from kgpt_build.image.grub_text import handed_on, literal, split_words, word
from kgpt_build.settings import MAX_CMDLINE, text_size

TEMPLATE = "boot/grub.cfg"
CONFIG = "/boot/grub/grub.cfg"
EFI_CONFIG = "/kgpt/menu.cfg"
"""The menu of kgpt.efi: kernel_c/loader/menu_file.h."""
EFI_ENDING = ".menu"
"""Of the menus of added models, in the folder /models."""
SAFE = "safe"
"""The submenu of entries with safe graphics, for screens that show nothing with the others."""
SAFE_WORDS = ("screen=safe",)
MAX_TIMEOUT = 3600
STOPPED = """\
# What an entry ends with that could not boot: GRUB has shown why. A kernel that was read is forgotten (multiboot2 does
# that first), as GRUB would boot it without what is missing; and no entry boots by itself any more.
function stopped {
    set timeout=-1
    echo
    echo 'kgpt: NOT STARTED: a file could not be read into memory. GRUB says why above.'
    echo 'A damaged stick or disc: write it again. "out of memory": a smaller model.'
    echo 'Esc goes back to the menu.'
    sleep --interruptible 999999
    multiboot2
}
"""
"""The function ``stopped`` of grub.cfg; an entry reaches its call only if the kernel did not start."""


@dataclass(frozen=True)
class MenuModule:
    """A boot module of an entry: its path in the image, and the words that the kernel gets with it."""

    path: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One entry of the menu: ``words`` are the kernel's command line; ``note`` is shown while it loads."""

    id: str
    title: str
    kernel: str
    words: tuple[str, ...]
    modules: tuple[MenuModule, ...] = ()
    note: str = ""
    bios: bool = True
    """Can GRUB load it? Else only kgpt.efi has it."""
    of_model: bool = True
    """Does the entry belong to one model, not to the whole image?"""

    @property
    def cmdline(self) -> str:
        """The command line in the notation of the kernel."""
        return " ".join(self.words)


@dataclass(frozen=True)
class MenuSettings:
    """Settings of the menu. ``timeout`` is in seconds: 0 boots at once, -1 waits for ever.

    ``default`` is an entry's id; empty: the first entry. ``cmdline`` is added to each entry. Raises UsageError.
    """

    cmdline: str = ""
    timeout: int = 5
    default: str = ""

    def __post_init__(self) -> None:
        text_size("the command line", self.cmdline)
        split_words(self.cmdline)
        if not -1 <= self.timeout <= MAX_TIMEOUT:
            raise UsageError(
                f"the time-out of the menu is {self.timeout} seconds",
                f"give 0 to {MAX_TIMEOUT} seconds, or -1 to wait until somebody chooses",
            )


def with_cmdline(entries: Sequence[Entry], cmdline: str) -> tuple[Entry, ...]:
    """The entries with ``cmdline`` appended to their words. Raises UsageError if the result is too long."""
    more = tuple(split_words(cmdline))
    longer = tuple(replace(entry, words=(*entry.words, *more)) for entry in entries)
    for entry in longer:
        size = len(handed_on((*entry.words, *SAFE_WORDS)).encode())
        if size > MAX_CMDLINE:
            raise UsageError(
                f"the command line of the entry {entry.id} has {size} bytes as GRUB hands it on",
                f"at most {MAX_CMDLINE} fit: shorten --cmdline",
            )
    return longer


def chosen(entries: Sequence[Entry], default: str) -> str:
    """The id of the default entry. Raises UsageError if there is no such entry."""
    ids = [*(entry.id for entry in entries), *(f"{SAFE}>{SAFE}-{entry.id}" for entry in entries)]
    if not default:
        return ids[0]
    if default in ids:
        return default
    close = get_close_matches(default, ids, 1)
    raise UsageError(
        f"the menu has no entry {default!r}" + (f"; did you mean {close[0]}?" if close else ""),
        f"it has: {', '.join(entry.id for entry in entries)}; {SAFE}>{SAFE}-… for safe graphics",
    )


def grub_cfg(entries: Sequence[Entry], settings: MenuSettings, template: str) -> str:
    """The text of grub.cfg. The words of settings.cmdline are in ``entries`` already. Raises UsageError."""
    filled = {
        "@TIMEOUT@": str(settings.timeout),
        "@DEFAULT@": literal(chosen(entries, settings.default)),
        "@STOPPED@": STOPPED.rstrip(),
        "@ENTRIES@": "\n".join(line for entry in entries for line in entry_lines(entry)),
        "@SAFE_ENTRIES@": "\n".join(
            f"    {line}"
            for entry in entries
            for line in entry_lines(entry, prefix=f"{SAFE}-", more=SAFE_WORDS, pixels="few_pixels")
        ),
    }
    text = template
    for name, value in filled.items():
        head, found, tail = text.partition(name)
        if not found:
            raise KgptError(f"{TEMPLATE} has no {name}", "install kgpt again: pip install --force-reinstall kgpt")
        text = head + value + tail
    return text


def entry_lines(entry: Entry, *, prefix: str = "", more: Sequence[str] = (), pixels: str = "pixels") -> Iterator[str]:
    """The lines of one menu entry; ``more``: words to append, ``pixels``: a variable of the template."""
    yield f"menuentry {literal(entry.title)} --id {literal(prefix + entry.id)} {{"
    if entry.note:
        yield f"    echo {literal(entry.note)}"
    yield "    " + " ".join(["multiboot2", word(entry.kernel), *(word(text) for text in (*entry.words, *more))])
    yield f"    set gfxpayload=${pixels}"  # after multiboot2, which sets it from the kernel's header
    for module in entry.modules:
        yield "    if " + " ".join(["module2", word(module.path), *(word(text) for text in module.words)]) + "; then"
    yield "    boot"
    yield from ["    fi"] * len(entry.modules)
    yield "    stopped"
    yield "}"


def efi_menu(entries: Sequence[Entry], settings: MenuSettings, program: str) -> str:
    """The text of EFI_CONFIG. ``program``: the kernel (its .elf) whose kgpt.efi has the menu."""
    head = (
        "# The boot menu of kgpt.efi. Any editor can change it: the words are the kernel's command line.",
        "# docs/images.md describes the lines.",
        f"timeout {settings.timeout}",
        f"default {chosen(entries, settings.default)}",
    )
    return "".join(f"{line}\n" for line in (*head, *efi_lines(entries, program)))


def efi_lines(entries: Sequence[Entry], program: str) -> Iterator[str]:
    """The lines of these entries in a menu of kgpt.efi."""
    for entry in entries:
        yield ""
        yield f"entry {entry.id} {entry.title}"
        if entry.kernel != program:
            yield f"kernel {efi_path(entry.kernel)}"
        yield f"words {entry.cmdline}"
        for module in entry.modules:
            yield " ".join(("module", module.path, *module.words))


def efi_path(kernel: str) -> str:
    """The path of a kernel's kgpt.efi."""
    return kernel.removesuffix(".elf") + ".efi"


def template() -> str:
    """The template of grub.cfg. Raises KgptError."""
    path = paths.source_root() / TEMPLATE
    try:
        return path.read_text()
    except OSError as error:
        raise KgptError(f"cannot read {path}: {error.strerror}", "install kgpt again") from error
