"""The command line: finds the command and says what went wrong."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence

import tasksvc
from tasksvc.cli.advice import with_advice
from tasksvc.cli.output import finish_streams, prepare_streams, tell
from tasksvc.domain.errors import TasksvcError

COMMANDS = {
    "serve": "run the service (what tasksvc does without a command)",
    "stores": "list the installed adapters",
    "token": "make, list and revoke API tokens",
    "migrate": "make a store, or bring its schema up to date",
    "check": "look for damage and contradictions in a store",
    "backup": "copy a store to a file, while it is served",
    "restore": "fill an empty store from a backup or an export",
    "renew": "give a store that was put back a new generation",
    "copy": "copy a store to an empty one of whatever kind",
    "export": "write a store to a file of JSON lines",
    "import": "fill an empty store from an export",
}
"""Each is a module of tasksvc.cli.commands; that of `import` is import_."""


def main() -> None:
    """Runs the command of this process.  What the user can mend is one sentence and exit status 1."""
    prepare_streams()
    try:
        sys.exit(run(sys.argv[1:]))
    finally:
        finish_streams()


def run(arguments: Sequence[str]) -> int:
    """Runs a command; its exit status."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        arguments = ["serve", *arguments]
    command = _parser().parse_args(arguments[:1]).command
    try:
        module = importlib.import_module(f"tasksvc.cli.commands.{command}".replace(".import", ".import_"))
        module.run(arguments[1:], os.environ)
    except TasksvcError as error:
        tell(f"tasksvc: {with_advice(error)}\n")
        return 1
    except KeyboardInterrupt:
        # An interrupt while asyncio creates its event loop leaves a coroutine that was never awaited; don't report it.
        sys.unraisablehook = lambda _: None
        warnings.simplefilter("ignore")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="tasksvc",
        description="Tasks over REST, with stores as plugins.",
        epilog=f"commands:\n{commands}\n\n'tasksvc COMMAND --help' tells the rest.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tasksvc {tasksvc.__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help="one of those below")
    return parser
