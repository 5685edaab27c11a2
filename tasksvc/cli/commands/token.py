"""tasksvc token: creates, lists, changes and revokes API tokens."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from tasksvc.application import tokens
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.cli.administration import (
    VARIABLES,
    AdministrationFailed,
    AdministrationGroup,
    Service,
    place_of,
    place_options,
    request,
    time_as_answered,
    with_store,
)
from tasksvc.cli.command import Command
from tasksvc.cli.output import say, tell
from tasksvc.cli.variables import ADMIN_TOKEN_FILE
from tasksvc.ports.store import TaskRepository
from tasksvc.stores.atomic_file import atomic_write

_DURATION = re.compile(r"([1-9]\d{0,4})([mhdw])").fullmatch
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

F = TypeVar("F", bound=Callable[..., Any])


def duration(text: str) -> timedelta:
    """Returns a time span, such as 90d.  Raises click.BadParameter."""
    if (match := _DURATION(text)) is None:
        raise click.BadParameter(f"{text!r} isn't a time span, such as 30m, 12h, 90d or 4w.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.group("token", cls=AdministrationGroup, help="Create, list, change and revoke API tokens.")
def command() -> None:
    """Does nothing itself; its commands do."""


def _name_argument(function: F) -> F:
    return click.argument("name", required=False, metavar="NAME")(function)


def _output_option(function: F) -> F:
    return click.option(
        "--output", type=click.Path(path_type=Path), metavar="FILE",
        help="Write the token to this new file, for you alone; without it, the token is printed.",
    )(function)  # fmt: skip


# ---------------------------------------------------------------- the commands


@command.command(
    "create",
    cls=Command,
    help="Create a token and print it, or write it to a file. It is shown this once.",
    arguments={"NAME": tokens.NAME_RULE},
    variables=VARIABLES,
)
@_name_argument
@click.option(
    *("--scope",),
    type=click.Choice([str(scope) for scope in Scope]),
    default="write",
    show_default=True,
    help="What the token allows.",
)
@click.option(
    *("--workspace", "workspaces"),
    multiple=True,
    metavar="NAME",
    help="A workspace in which it is valid; repeatable, and the first is its home. Without it, all.",
)
@click.option("--expires", type=duration, metavar="SPAN", help="When it ends, such as 30m, 12h, 90d or 4w; else never.")
@_output_option
@place_options
def create(
    name: str | None,
    scope: str,
    workspaces: tuple[str, ...],
    expires: timedelta | None,
    output: Path | None,
    store: str | None,
    url: str | None,
) -> None:
    """Creates a token, and prints its secret or writes it to `output`."""
    place = place_of(store, url)
    name = _required(name)
    valid_in = list(workspaces) or None
    expires_at = None if expires is None else now() + expires
    with _secret_output(output) as show_secret:
        if isinstance(place, Service):
            body = {"name": name, "scope": scope, "workspaces": valid_in, "expires_at": time_as_answered(expires_at)}
            secret = request(place, "POST", "/admin/tokens", body)["token"]
        else:

            async def make(repository: TaskRepository) -> str:
                secret, _ = await tokens.create_token(
                    repository, name, Scope.named(scope), at=now(), expires_at=expires_at, workspaces=valid_in
                )
                return secret

            secret = with_store(place, make)
        if output is None:
            tell(f"The token {name}, scope {scope}. It is not kept and cannot be shown again:\n")
        show_secret(secret)
    if output is not None:
        tell(f"The token {name}, scope {scope}, is in {output}. It is not kept anywhere else.\n")


@command.command("list", cls=Command, help="List the tokens, without their secrets.", variables=VARIABLES)
@place_options
def list_(store: str | None, url: str | None) -> None:
    """Prints a line for each token, by name."""
    place = place_of(store, url)
    if isinstance(place, Service):
        found = request(place, "GET", "/admin/tokens")
    else:

        async def collect(repository: TaskRepository) -> list[dict[str, Any]]:
            return [_shown(token) async for token in tokens.list_tokens(repository)]

        found = sorted(with_store(place, collect), key=lambda token: str(token["name"]))
    for token in found:
        say(_line(token))


@command.command(
    "update",
    cls=Command,
    help="Change a token, within a second where the store is served. What isn't named stays as it is.",
    arguments={"NAME": "the name of the token"},
    variables=VARIABLES,
)
@_name_argument
@click.option("--scope", type=click.Choice([str(scope) for scope in Scope]), help="What the token allows.")
@click.option(
    *("--workspace", "workspaces"),
    multiple=True,
    metavar="NAME",
    help="A workspace in which it is valid, in place of all that it had; repeatable, and the first is its home.",
)
@click.option("--all-workspaces", is_flag=True, help="Make it valid in all workspaces.")
@click.option("--expires", type=duration, metavar="SPAN", help="When it ends, such as 30m, 12h, 90d or 4w from now.")
@click.option("--no-expiry", is_flag=True, help="Let it be valid until it is revoked.")
@place_options
def update(
    name: str | None,
    scope: str | None,
    workspaces: tuple[str, ...],
    all_workspaces: bool,
    expires: timedelta | None,
    no_expiry: bool,
    store: str | None,
    url: str | None,
) -> None:
    """Changes the token with this name, and prints it as the list does."""
    if workspaces and all_workspaces:
        raise click.UsageError("--workspace and --all-workspaces contradict each other.")
    if expires is not None and no_expiry:
        raise click.UsageError("--expires and --no-expiry contradict each other.")
    changes: dict[str, Any] = {}
    if scope is not None:
        changes["scope"] = Scope.named(scope)
    if workspaces or all_workspaces:
        changes["workspaces"] = workspaces or None
    if expires is not None or no_expiry:
        changes["expires_at"] = None if expires is None else now() + expires
    if not changes:
        raise click.UsageError("Name what to change: --scope, --workspace, --all-workspaces, --expires or --no-expiry.")
    place = place_of(store, url)
    name = _required(name)
    if isinstance(place, Service):
        body = {field: _as_json(value) for field, value in changes.items()}
        token = request(place, "PATCH", f"/admin/tokens/{quote(name, safe='')}", body)
    else:

        async def change(repository: TaskRepository) -> dict[str, Any]:
            changed, _ = await tokens.update_token(repository, name, changes, at=now())
            return _shown(changed)

        token = with_store(place, change)
    say(_line(token))


@command.command(
    "revoke",
    cls=Command,
    help="End a token, within a second where the store is served.",
    arguments={"NAME": "the name of the token"},
    variables=VARIABLES,
)
@_name_argument
@place_options
def revoke(name: str | None, store: str | None, url: str | None) -> None:
    """Revokes the token with this name."""
    place = place_of(store, url)
    name = _required(name)
    if isinstance(place, Service):
        request(place, "DELETE", f"/admin/tokens/{quote(name, safe='')}")
    else:
        with_store(place, lambda repository: tokens.revoke_token(repository, name, at=now()))
    say(f"The token {name} is revoked.\n")


@command.command(
    "new", cls=Command, help=f"Print a token for the file of {ADMIN_TOKEN_FILE}, which a service takes as an admin's."
)
@_output_option
def new(output: Path | None) -> None:
    """Prints a new token, or writes it to `output`; no store has it."""
    with _secret_output(output) as show_secret:
        show_secret(tokens.new_secret())


@contextmanager
def _secret_output(output: Path | None) -> Iterator[Callable[[str], None]]:
    """Takes a secret to the file `output`, which is there when the block ends, or to standard output.

    Raises OutputRefused before the block, so that no token is created whose secret nobody gets.
    """
    if output is None:
        yield _print_secret
        return
    with atomic_write(output.absolute()) as partial:
        yield lambda secret: _write_secret(partial, secret)


def _write_secret(file: Path, secret: str) -> None:
    file.write_text(secret + "\n")


def _print_secret(secret: str) -> None:
    """Prints a secret, and warns where that goes to a file which others can read."""
    say(secret + "\n")
    with suppress(OSError, ValueError):  # it has no descriptor
        status = os.fstat(sys.stdout.fileno())
        if os.name == "posix" and stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
            tell(
                "Other users can read the file that the token was written to. Make it private with chmod 600,"
                " or let tasksvc make it, with --output FILE.\n"
            )


def _required(name: str | None) -> str:
    if name is None:
        raise AdministrationFailed("Name the token.")
    return name


def _shown(token: tokens.Token) -> dict[str, Any]:
    """Returns a token as a service answers it."""
    fields = ("name", "scope", "workspaces", "created_at", "expires_at")
    return {field: _as_json(getattr(token, field)) for field in fields}


def _as_json(value: Any) -> Any:
    """Returns the value of a token's field as JSON has it."""
    match value:
        case Scope():
            return str(value)
        case datetime():
            return time_as_answered(value)
        case _:
            return value


def _line(token: Mapping[str, Any]) -> str:
    """Returns the line of a token in a list."""
    until = f"until {token['expires_at']}" if token["expires_at"] else "for ever"
    places = "" if token["workspaces"] is None else f"  in {','.join(token['workspaces'])}"
    return f"{token['name']}  {token['scope']}  made {token['created_at']}  {until}{places}\n"
