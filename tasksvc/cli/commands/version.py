"""tasksvc version: shows the version."""

from __future__ import annotations

import click

import tasksvc
from tasksvc.cli.command import Command
from tasksvc.cli.output import say


@click.command("version", cls=Command, checks_variables=False, help="Show the version.")
def command() -> None:
    """Prints the version, as --version does."""
    say(f"tasksvc {tasksvc.__version__}\n")
