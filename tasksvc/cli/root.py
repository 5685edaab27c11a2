"""The command `tasksvc` itself: its commands by group, each of which is imported only when it's used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

import tasksvc
from tasksvc.cli.command import Group, describe, print_and_exit
from tasksvc.cli.imports import ended_by_interrupts, without_garbage_collection
from tasksvc.cli.output import tell
from tasksvc.cli.plugin_commands import installed_commands, load_command, own_command
from tasksvc.cli.variables import COMPLETION

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from tasksvc.application.limits import Timeouts

TASKS = {
    "add": "Create a task.",
    "ls": "List tasks.",
    "show": "Show all that tasks have.",
    "edit": "Change tasks, by options or in an editor.",
    "done": "Complete tasks.",
    "reopen": "Open tasks again that are done.",
    "rm": "Delete tasks.",
    "undo": "Undo the last thing that you did here.",
    "redo": "Do again what was undone last.",
    "log": "Show the latest changes, or those of a task.",
    "lists": "Show the lists, with the number of their tasks.",
    "load": "Bring in tasks from a file of another program.",
    "dump": "Write tasks to a file that other programs read.",
    "open": "Open the page of the service in a browser.",
    "login": "Keep the URL of a service, and a token for it.",
    "logout": "Forget the token for a service.",
    "mcp": "Let an agent work with tasks (Model Context Protocol).",
}
"""The commands for people, which ask a service that runs.  Entry points of this distribution give them."""

GROUPS = {
    "Tasks": TASKS,
    "Service": {
        "serve": "Run the service; tasksvc does so without a command, too.",
        "token": "Create, list, change and revoke API tokens.",
        "workspace": "List, erase, export and import workspaces.",
    },
    "Stores": {
        "stores": "List the installed adapters.",
        "migrate": "Create a store, or upgrade its schema.",
        "check": "Look for damage and contradictions in a store.",
        "backup": "Copy a store to a file, while it is served.",
        "restore": "Fill an empty store from a backup or an export.",
        "renew": "Give a restored store a new generation.",
        "compact": "Rewrite a store without what was deleted.",
    },
    "Moving tasks": {
        "copy": "Copy a store to an empty one of any kind.",
        "export": "Write a store to a file of JSON Lines.",
        "import": "Fill an empty store from an export.",
    },
    "About tasksvc": {
        "help": "Show the help of tasksvc or of a command.",
        "version": "Show the version.",
        "plugins": "List the installed plugins.",
        "completion": "Print a script that completes commands in a shell.",
    },
}
"""Commands and what each does, by the heading under which the help lists them."""

COMMANDS = {name: text for commands in GROUPS.values() for name, text in commands.items()}
"""Each but those in TASKS is `command` in a module of tasksvc.cli.commands; that of `import` is import_."""

SERVE = "serve"
_OWN_OPTIONS = ("-h", "--help", "--version")


class Root(Group):
    """tasksvc: without a command, or with an option first, it's `tasksvc serve`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_serve = args[0].startswith("-") and args[0] not in _OWN_OPTIONS if args else not ctx.resilient_parsing
        if is_serve:
            args = [SERVE, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *self._commands_of_plugins()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            registration = installed_commands().get(cmd_name)
            return None if registration is None else load_command(registration)
        if cmd_name in TASKS:
            with without_garbage_collection(), ended_by_interrupts():
                return load_command(own_command(cmd_name))
        module = "import_" if cmd_name == "import" else cmd_name
        with without_garbage_collection(), ended_by_interrupts():
            command: click.Command = importlib.import_module(f"tasksvc.cli.commands.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups = dict(GROUPS)
        if of_plugins := self._commands_of_plugins():
            groups["Plugins"] = of_plugins
        width = max(len(name) for commands in groups.values() for name in commands)
        for heading, commands in groups.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])

    def _commands_of_plugins(self) -> dict[str, str]:
        """Returns the commands that plugins add, each with a text that takes no import."""
        return {
            name: f"A command of {registration.distribution.name}."
            for name, registration in installed_commands().items()
            if name not in COMMANDS
        }

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
        """Completes commands and, since `serve` may be left out, its options."""
        from click.shell_completion import CompletionItem

        if not incomplete.startswith("-"):
            commands = {**COMMANDS, **self._commands_of_plugins()}
            return [CompletionItem(name, help=text) for name, text in commands.items() if name.startswith(incomplete)]
        serve = self.get_command(ctx, SERVE)
        assert serve is not None
        return [*super().shell_complete(ctx, incomplete), *serve.shell_complete(ctx, incomplete)]


@click.command(
    "tasksvc",
    cls=Root,
    help="Tasks over REST, with stores as plugins.",
    epilog="'tasksvc help COMMAND' shows what a command takes. Most options have a variable, whose name begins with"
    " TASKSVC_; the option wins. Another variable whose name begins so is refused, in case it was mistyped.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, given: print_and_exit(ctx, f"tasksvc {tasksvc.__version__}") if given else None,
    help="Show the version.",
)
def root() -> None:
    """Does nothing itself; its commands do."""


def invoke(arguments: Sequence[str], timeouts: Timeouts | None = None) -> int:
    """Runs a command and returns its exit status.  Raises what the command raises.

    `timeouts`: those of a service that the command runs.
    """
    try:
        with root.make_context("tasksvc", list(arguments), obj=timeouts) as context:
            root.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        tell(f"tasksvc: {describe(error)}\n")
        return 2
    except click.ClickException as error:  # which only commands of plugins raise
        tell(f"tasksvc: {error.format_message()}\n")
        return error.exit_code
    return 0


def complete(instruction: str) -> int:
    """Prints what a completion script asked for, and returns the exit status."""
    from click.shell_completion import shell_complete

    return shell_complete(root, {}, "tasksvc", COMPLETION, instruction)
