"""tasksvc plugins: lists the installed plugins."""

from __future__ import annotations

import click

from tasksvc.cli.command import Command
from tasksvc.cli.imports import quick_imports
from tasksvc.cli.output import say
from tasksvc.cli.tables import print_table


@click.command("plugins", cls=Command, help="List the installed plugins: from where they are, and their state.")
def command() -> None:
    """Prints each plugin, the distribution that it came from, and whether it can be loaded."""
    with quick_imports():
        from tasksvc.api.plugins.loading import installed_plugins

        installed = installed_plugins()
    if not installed:
        say("No plugin is installed.\n")
        return
    rows = [("NAME", "DISTRIBUTION", "STATE")]
    rows += [
        (plugin.name, f"{plugin.distribution} {plugin.version}", plugin.problem or "ready") for plugin in installed
    ]
    print_table(rows)
