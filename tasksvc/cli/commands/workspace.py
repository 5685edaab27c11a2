"""tasksvc workspace: lists, erases, exports and imports the workspaces of a store."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, urlencode

import click

from tasksvc.application import tokens, transfer, workspace_import
from tasksvc.application.transfer import Summary
from tasksvc.application.workspaces import find_workspaces, finish_erasures, iter_workspaces
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
from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.exporting import open_output
from tasksvc.cli.importing import open_export
from tasksvc.cli.output import say, tell
from tasksvc.cli.progress import progress_bar
from tasksvc.cli.stores import check_exists, describe, open_to_read, open_to_write, url_of
from tasksvc.domain.workspace import WORKSPACE_NAME_MAX, check_workspace_name
from tasksvc.ports.store import Capability, TaskRepository, WorkspaceSummary
from tasksvc.ports.store_url import StoreURL

PAGE = 1_000
"""Workspaces that are read at once, the most that a service gives."""

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@click.group("workspace", cls=AdministrationGroup, help="List, erase, export and import the workspaces of a store.")
def command() -> None:
    """Does nothing itself; its commands do."""


def _name_argument(function: F) -> F:
    return click.argument("name", metavar="NAME")(function)


_NAME = {"NAME": f"the name of the workspace, up to {WORKSPACE_NAME_MAX} characters"}


# ---------------------------------------------------------------- list


@command.command(
    "list", cls=Command, help="List the workspaces that somebody has written to, by name.", variables=VARIABLES
)
@click.option("--prefix", default="", metavar="TEXT", help="Only those whose names begin with this.")
@place_options
def list_(prefix: str, store: str | None, url: str | None) -> None:
    """Prints a line for each workspace."""
    place = place_of(store, url)
    if isinstance(place, Service):
        for workspace in _list_of_service(place, prefix):
            say(_line(workspace))
        return

    async def print_all(repository: TaskRepository) -> None:
        async for page in iter_workspaces(repository, prefix=prefix, page_size=PAGE):
            for workspace in page:
                say(_line(_shown(workspace)))

    _with_existing(place, print_all)


def _list_of_service(service: Service, prefix: str) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        query = urlencode({"prefix": prefix, "after": after, "limit": PAGE})
        page = request(service, "GET", f"/workspaces/?{query}")
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1]["name"]


def _with_existing(store: str, work: Callable[[TaskRepository], Awaitable[T]]) -> T:
    """Does what with_store() does, but refuses a store that doesn't exist instead of creating it."""
    asyncio.run(check_exists(StoreURL(store)))
    return with_store(store, work)


def _shown(workspace: WorkspaceSummary) -> dict[str, Any]:
    """Returns a workspace as a service answers it."""
    return {**workspace._asdict(), "updated_at": time_as_answered(workspace.updated_at)}


def _line(workspace: dict[str, Any]) -> str:
    """Returns the line of a workspace in the list."""
    changed = "" if workspace["updated_at"] is None else f"  changed {workspace['updated_at']}"
    return f"{workspace['name']}  {_tasks(workspace)}, {workspace['open']:,} open{changed}\n"


def _tasks(workspace: dict[str, Any]) -> str:
    return f"{workspace['tasks']:,} task{'' if workspace['tasks'] == 1 else 's'}"


# ---------------------------------------------------------------- erase


@command.command(
    "erase",
    cls=Command,
    help="Erase a workspace: its tasks, its change log, its idempotency keys and its name. It can't be undone. Files of"
    " the store hold parts of it until 'tasksvc compact'.",
    arguments=_NAME,
    variables=VARIABLES,
)
@_name_argument
@click.option("--yes", is_flag=True, help="Don't ask whether to erase it.")
@place_options
def erase(name: str, yes: bool, store: str | None, url: str | None) -> None:
    """Erases the workspace, and prints the tokens that name it."""
    check_workspace_name(name)
    place = place_of(store, url)
    if isinstance(place, Service):
        found = [each for each in _page_of_service(place, name) if each["name"] == name]
        _confirm(name, found, yes=yes)
        request(place, "DELETE", f"/workspaces/{quote(name, safe='')}")
        listed = request(place, "GET", f"/admin/tokens?workspace={quote(name, safe='')}")
        naming = [token["name"] for token in listed if token["workspaces"] is not None]
    else:

        async def find(repository: TaskRepository) -> list[dict[str, Any]]:
            page = await find_workspaces(repository, prefix=name, limit=1)
            return [_shown(each) for each in page.workspaces if each.name == name]

        async def erase_and_prune(repository: TaskRepository) -> list[str]:
            await repository.workspace(name).erase()
            await finish_erasures(repository)
            if Capability.RECORDS not in repository.capabilities:
                return []
            return [token.name async for token in tokens.list_tokens(repository) if name in (token.workspaces or ())]

        _confirm(name, _with_existing(place, find), yes=yes)
        naming = with_store(place, erase_and_prune)
    say(f"The workspace {name} is erased.\n")
    if naming:
        tell(f"These tokens name it, and stay valid: {', '.join(sorted(naming))}.\n")


def _page_of_service(service: Service, name: str) -> list[dict[str, Any]]:
    page: list[dict[str, Any]] = request(service, "GET", f"/workspaces/?{urlencode({'prefix': name, 'limit': 1})}")
    return page


def _confirm(name: str, found: list[dict[str, Any]], *, yes: bool) -> None:
    """Asks whether to erase a workspace.  Raises AdministrationFailed where it isn't there, or nobody says yes."""
    if not found:
        raise AdministrationFailed(f"There is no workspace {name}, so nothing was erased.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise AdministrationFailed("An erasure can't be undone. Confirm it with --yes.")
    (workspace,) = found
    try:
        agreed = click.confirm(f"Erase the workspace {name} with {_tasks(workspace)}? It can't be undone.", err=True)
    except click.Abort:
        raise KeyboardInterrupt from None
    if not agreed:
        raise AdministrationFailed("Nothing was erased.")


# ---------------------------------------------------------------- export and import


@command.command(
    "export",
    cls=Command,
    help="Write a workspace to a file of JSON Lines, also while the store is served.",
    arguments={**_NAME, "FILE": "the file to make; - or nothing for standard output"},
)
@_name_argument
@click.argument("file", type=click.Path(allow_dash=True), metavar="[FILE]", default="-")
@store_option()
def export(name: str, file: str, store: str | None) -> None:
    """Writes the file, or to standard output, and prints what it holds."""
    check_workspace_name(name)
    url = url_of(store)
    with open_output(file) as output:
        summary = asyncio.run(_export(url, name, output))
    report = tell if file == "-" else say
    report(f"Exported {name} of {url}: {describe(summary._replace(workspaces=1))}.\n")  # the default one is empty


async def _export(url: StoreURL, name: str, output: BinaryIO) -> Summary:
    async with open_to_read(url) as source:
        with progress_bar() as progress:
            return await transfer.export_to(output, source, workspace=name, progress=progress)


@command.command(
    "import",
    cls=Command,
    help="Fill a workspace that isn't there from an export, of a workspace or of a store. Its tasks keep their ids and"
    " what they hold, and when they were created and done. Their change log begins with the import.",
    arguments={**_NAME, "FILE": "an export, as 'tasksvc workspace export' or 'tasksvc export' writes it, or -"},
)
@_name_argument
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE")
@store_option("The URL of the store.")
def import_(name: str, file: str, store: str | None) -> None:
    """Reads the file, or standard input, fills the workspace, and prints how many tasks it has."""
    check_workspace_name(name)
    url = url_of(store)
    with open_export(file) as export:
        tasks = asyncio.run(_import(url, name, export))
    say(f"Imported into the workspace {name} of {url}: {tasks:,} task{'' if tasks == 1 else 's'}.\n")


async def _import(url: StoreURL, name: str, export: BinaryIO) -> int:
    with progress_bar() as progress:
        await transfer.verify(export, progress=progress)  # before the store is made, if it is not there
        async with open_to_write(url) as repository:
            return await workspace_import.import_workspace(export, repository.workspace(name), progress=progress)
