"""``kgpt completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash  eval "$(kgpt completion bash)"   in ~/.bashrc
    zsh   eval "$(kgpt completion zsh)"    in ~/.zshrc
    fish  kgpt completion fish > ~/.config/fish/completions/kgpt.fish
    """
    complete = get_completion_class(shell)
    assert complete is not None
    # The template alone: source() would first run bash to see how old it is.
    completer = complete(ctx.find_root().command, {}, "kgpt", "_KGPT_COMPLETE")
    click.echo(completer.source_template % completer.source_vars())
