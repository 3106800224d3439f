"""``shadowlab completion``: the lines by which a shell completes our commands."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what lets SHELL complete commands, options and settings.

    \b
    Examples:
      eval "$(shadowlab completion bash)"
      shadowlab completion fish > ~/.config/fish/completions/shadowlab.fish
    """
    from click.shell_completion import get_completion_class

    from shadowlab.cli.commands import shadowlab

    script = get_completion_class(shell)
    assert script is not None  # click brings all three
    click.echo(script(shadowlab, {}, "shadowlab", "_SHADOWLAB_COMPLETE").source())
