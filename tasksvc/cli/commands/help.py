"""tasksvc help: shows the help of tasksvc or of a command."""

from __future__ import annotations

import click

from tasksvc.cli.command import Command, no_such_command, print_and_exit


@click.command(
    "help",
    cls=Command,
    checks_variables=False,
    help="Show the help of tasksvc or of a command.",
    arguments={"COMMAND": "a command, such as backup or token create; without it, all commands are listed"},
)
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(context: click.Context, names: tuple[str, ...]) -> None:
    """Prints the help of the command with these names.  Raises click.UsageError where there is none."""
    shown = context.find_root()
    for name in names:
        found = shown.command.get_command(shown, name) if isinstance(shown.command, click.Group) else None
        if found is None:
            raise no_such_command(shown, name)
        shown = click.Context(found, info_name=name, parent=shown)
    print_and_exit(context, shown.get_help())
