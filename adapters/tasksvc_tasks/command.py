"""What all commands share: the options that name the service, and one sentence for what goes wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from tasksvc.cli.arguments import option
from tasksvc.cli.command import Command
from tasksvc_tasks import completing, values
from tasksvc_tasks.logins import InvalidURL
from tasksvc_tasks.service import TOKEN, Service, service_at

F = TypeVar("F", bound=Callable[..., Any])

SECTION = "Service"
VARIABLES = {TOKEN: "The token for the service; without it the one that 'tasksvc login' kept for its URL."}


def tasks_command(name: str, **options: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Makes a command of a function that takes a Service and the values of its own options."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(*, url: str | None, workspace: str | None, **arguments: Any) -> None:
            _check_text(arguments.values())
            function(_service(url, workspace), **arguments)

        command = click.command(name, cls=Command, variables=VARIABLES, **options)(_with_service(run))
        command.params.sort(key=lambda parameter: getattr(parameter, "section", None) == SECTION)  # last in the help
        return command

    return decorate


def ids_argument(completer: completing.Completer) -> Callable[[F], F]:
    """Adds the argument `ids`: at least one, each a tuple of the ids in it."""
    return click.argument(
        "ids", type=values.task_ids, nargs=-1, required=True, metavar="ID...", shell_complete=completer
    )


def _with_service(function: Callable[..., Any]) -> Callable[..., Any]:
    url = option(
        *("--url", str, "URL", "The service; without it that of the last login, or http://127.0.0.1:8000."),
        section=SECTION,
    )
    workspace = option(
        *("--workspace", str, "NAME", "The workspace; without it that of the login, or the home of the token."),
        section=SECTION,
        shell_complete=completing.workspaces,
    )
    return url(workspace(function))


def _service(url: str | None, workspace: str | None) -> Service:
    """Returns the service that is asked.  Raises Failed, click.BadParameter."""
    try:
        return service_at(url, workspace)
    except InvalidURL as error:
        context = click.get_current_context()
        option = next(parameter for parameter in context.command.params if parameter.name == "url")
        raise click.BadParameter(str(error), context, option) from error


def _check_text(given: Iterable[object]) -> None:
    """Raises click.UsageError for bytes that aren't text, which Python has as surrogates."""
    for value in given:
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                message = f"{value!r} isn't valid in the encoding of this terminal."
                raise click.UsageError(message, click.get_current_context()) from None
        elif isinstance(value, tuple):
            _check_text(value)


def ask(question: str) -> bool:
    """Asks on the terminal, and returns whether the answer is yes.  An interrupt raises KeyboardInterrupt."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        raise KeyboardInterrupt from None
