"""tasksvc completion: prints a script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tasksvc.cli.command import Command
from tasksvc.cli.output import say
from tasksvc.cli.variables import COMPLETION

SHELLS = ("bash", "zsh", "fish")

INSTALL = """\
Print a script that completes commands, options and file names in a shell.

\b
bash: put into ~/.bashrc:
  eval "$(tasksvc completion bash)"
zsh: put into ~/.zshrc, after compinit:
  eval "$(tasksvc completion zsh)"
fish: run once:
  tasksvc completion fish > ~/.config/fish/completions/tasksvc.fish
"""


@click.command("completion", cls=Command, checks_variables=False, help=INSTALL)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Prints the script for `shell`."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root()
    say(kind(root.command, {}, "tasksvc", COMPLETION).source() + "\n")
