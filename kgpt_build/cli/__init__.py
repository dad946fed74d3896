"""The command line: a table of commands, one module each, imported when asked for. Every failure is printed here, once.

Command modules import what is heavy (numpy, gguf, lief) inside the command, so that `kgpt --help` stays quick.
"""

from __future__ import annotations

import errno
import importlib
import keyword
import sys
from collections.abc import Sequence
from difflib import get_close_matches

import click

import kgpt_build
from kgpt_build.cli import streams
from kgpt_build.cli.shared.options import verbose_option
from kgpt_build.errors import KgptError

COMMANDS = {
    "corpus": "training",
    "train": "training",
    "info": "talk",
    "pull": "talk",
    "models": "talk",
    "import": "make",
    "build": "make",
    "run": "talk",
    "chat": "talk",
    "serve": "talk",
    "smoke": "check",
    "screenshot": "check",
    "image": "make",
    "netboot": "make",
    "flash": "make",
    "keys": "make",
    "inspect": "make",
    "pack": "make",
    "quantize": "make",
    "verify": "check",
    "explain": "check",
    "test": "check",
    "bench": "measure",
    "jitter": "measure",
    "memory": "check",
    "perplexity": "measure",
    "doctor": "check",
    "completion": "check",
}
"""The names of commands, and their rooms. Each command is the attribute ``command`` of its module there."""

_INTERRUPTED = 130


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"kgpt_build.cli.{COMMANDS[cmd_name]}.{module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command as click does, with a suggestion for a typing error."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            close = get_close_matches(name, COMMANDS, 1)
            ctx.fail(f"there is no command {name!r}{f'; did you mean {close[0]}?' if close else ''}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kgpt_build.__version__, prog_name="kgpt", message="%(prog)s %(version)s")
@verbose_option
def cli() -> None:
    """Turn a GPT into a bootable kernel, boot it in QEMU, and let it generate or chat.

    \b
    kgpt run                   the default model: first names
    kgpt run smollm2-135m      a language model, which it gets first: a chat
    kgpt chat smollm2-135m     the same without QEMU, at full speed
    kgpt image usb -o kgpt.img && sudo kgpt flash kgpt.img /dev/sdX
                               a stick that a PC boots
    kgpt doctor                what is missing on this machine, and its fix
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``kgpt``: run the command line of the process, and exit with its code."""
    streams.prepare()
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments`` (default: the process's) and return its exit code."""
    try:
        result = cli.main(arguments, prog_name="kgpt", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except KgptError as error:
        show_error(error.message, error.hint)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "kgpt"
        show_error(" ".join(error.format_message().split()), f"see {command} --help")
        return error.exit_code
    except click.ClickException as error:
        show_error(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except OSError as error:  # of a temporary file: files that the user names have messages of their own
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        show_error(
            f"cannot write {error.filename or 'a file'}: {error.strerror}",
            "make room, or choose other places: TMPDIR for temporary files, KGPT_CACHE for the cache, -o",
        )
        return KgptError.exit_code


def show_error(message: str, hint: str = "") -> None:
    """One line that says what is wrong, and below it what to do, on standard error."""
    click.echo(f"kgpt: error: {message}", err=True)
    for line in hint.splitlines():
        click.echo(f"  {line}", err=True)
