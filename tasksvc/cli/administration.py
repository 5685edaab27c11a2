"""Where administration happens: in a store that the command opens, or at the service that is asked.

With --store a command opens the store, or asks the process of this user that serves it, over its own socket.
With --url it asks a service with an admin token from TASKSVC_ADMIN_TOKEN_FILE or TASKSVC_ADMIN_TOKEN.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import click

from tasksvc.api.server import unix_socket
from tasksvc.application import tokens
from tasksvc.cli.arguments import option, store_option
from tasksvc.cli.command import Group
from tasksvc.cli.local_service import connection_to
from tasksvc.cli.token_file import read_token_file
from tasksvc.cli.variables import ADMIN_TOKEN, ADMIN_TOKEN_FILE
from tasksvc.domain.errors import StoreInUse, TasksvcError
from tasksvc.ports.store import TaskRepository
from tasksvc.ports.store_url import StoreURL
from tasksvc.store_adapters import admin_socket, open_repository

HTTP_SECONDS = 10.0
"""Seconds that a service has for an answer."""
VARIABLES = {
    ADMIN_TOKEN_FILE: "With --url, a file with the token of an administrator.",
    ADMIN_TOKEN: "The token itself, if there is no such file.",
}
"""The variables without an option that these commands read, for their help."""

_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class AdministrationFailed(TasksvcError):
    """The command lacks something, or the service that was asked refused."""


class AdministrationGroup(Group):
    """A command that has commands, whose options may also stand before these."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = 0
        while at < len(args) and args[at].startswith("--") and args[at] != "--help":
            at += 1 if "=" in args[at] else 2  # each of them has a value
        if 0 < at < len(args):
            args = [args[at], *args[:at], *args[at + 1 :]]
        if not args and not ctx.resilient_parsing:
            raise click.UsageError(f"tasksvc {self.name} needs a command: {', '.join(self.commands)}.", ctx)
        return super().parse_args(ctx, args)


def place_options(function: F) -> F:
    """Adds --store and --url, of which the one that is given wins over the variable of the other."""
    url = option("--url", str, "URL", "The URL of a service, such as http://127.0.0.1:8000.", unless="store")
    return store_option("The URL of a store on this machine, which may be served.", unless="url")(url(function))


class Service(NamedTuple):
    """A service that can be asked."""

    connection: http.client.HTTPConnection
    prefix: str
    """The beginning of its paths."""
    headers: Mapping[str, str]
    """The proof that it may be asked."""


def place_of(store: str | None, url: str | None) -> Service | str:
    """Returns the service at `url`, the one that serves `store` now, or `store` if nobody serves it.

    Raises AdministrationFailed, LocalServiceRefused, and what the store's URL is refused with.
    """
    if url and not store:
        authorization = {"Authorization": f"Bearer {_admin_token(os.environ)}"}
        return Service(*_connection_to(url), authorization)
    if url or not store:
        raise AdministrationFailed("Name the store with --store, or the service that serves it with --url.")
    path = admin_socket(StoreURL(store)) if unix_socket.AVAILABLE else None
    connection = None if path is None else connection_to(path, seconds=HTTP_SECONDS)
    return store if connection is None else Service(connection, "", {})


def with_store(url: str, work: Callable[[TaskRepository], Awaitable[T]]) -> T:
    async def main() -> T:
        try:
            repository = await open_repository(url)
        except StoreInUse as error:
            raise AdministrationFailed(
                f"{error} Or ask that process: with --url, and an admin token in {ADMIN_TOKEN_FILE}."
            ) from error
        try:
            return await work(repository)
        finally:
            await repository.close()

    return asyncio.run(main())


def request(service: Service, method: str, path: str, body: object = None) -> Any:
    """Sends a request, and returns the JSON document in the answer.  Raises AdministrationFailed."""
    connection = service.connection
    try:
        headers = {**service.headers, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        connection.request(method, service.prefix + path, data, headers)
        response = connection.getresponse()
        raw = response.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise AdministrationFailed(f"The service at {connection.host} did not answer: {error}.") from error
    finally:
        connection.close()
    try:
        document = json.loads(raw) if raw else None
    except ValueError:
        document = None
    if response.status >= 300:
        raise AdministrationFailed(f"The service refused: {_reason(document) or f'status {response.status}'}")
    if raw and document is None:
        raise AdministrationFailed(f"What answers at {connection.host} is no service of tasksvc.")
    return document


def time_as_answered(at: datetime | None) -> str | None:
    """Returns a time in the form in which a service answers it."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _connection_to(url: str) -> tuple[http.client.HTTPConnection, str]:
    """Returns a connection to the service at `url`, and the beginning of its paths.  Raises AdministrationFailed."""
    try:
        parts = urlsplit(url)
        if parts.hostname:
            return _CONNECTIONS[parts.scheme](parts.hostname, parts.port, timeout=HTTP_SECONDS), parts.path.rstrip("/")
    except (KeyError, ValueError, http.client.InvalidURL):
        pass
    raise AdministrationFailed("The URL of a service looks like http://127.0.0.1:8000 or https://tasks.example.")


def _admin_token(environment: Mapping[str, str]) -> str:
    if file := environment.get(ADMIN_TOKEN_FILE):
        return read_token_file(file)
    secret = environment.get(ADMIN_TOKEN, "").strip()
    if not secret:
        raise AdministrationFailed(
            f"Put an admin token into {ADMIN_TOKEN_FILE} or {ADMIN_TOKEN}."
            " On the machine of the service its own user needs none: name the store with --store."
        )
    if not tokens.is_well_formed(secret):
        raise AdministrationFailed(f"What {ADMIN_TOKEN} holds is no token of tasksvc.")
    return secret


def _reason(document: Any) -> str | None:
    """Returns the detail of a problem, or None if the document isn't one."""
    if not isinstance(document, dict):
        return None
    match document.get("errors"):
        case [{"message": str(message)}, *_]:
            return message
    return document.get("detail")
