"""tasksvc token: makes, lists and revokes API tokens.

With --store it opens the store, or asks the process of this user that serves it, over its own socket.
With --url it asks a service with an admin token from TASKSVC_ADMIN_TOKEN_FILE or TASKSVC_ADMIN_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import re
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from tasksvc.api.server import unix_socket
from tasksvc.application import tokens
from tasksvc.application.clock import now
from tasksvc.application.tokens import Scope
from tasksvc.cli.arguments import Flags
from tasksvc.cli.local_service import connection_to
from tasksvc.cli.output import say, tell
from tasksvc.cli.token_file import token_in
from tasksvc.domain.errors import StoreInUse, TasksvcError
from tasksvc.plugins import admin_socket, open_repository
from tasksvc.ports.store import TaskRepository
from tasksvc.ports.store_url import StoreURL
from tasksvc.stores.atomic_file import new_file

HTTP_SECONDS = 10.0
_DURATION = re.compile(r"([1-9]\d{0,4})([mhdw])").fullmatch
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_KINDS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}

T = TypeVar("T")


class TokenCommandFailed(TasksvcError):
    """The service that was asked did not do it."""


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Makes, lists or revokes tokens, or prints a new one for a file."""
    settings = _flags({}).parse_args(arguments)
    if not settings.store and not settings.url:  # flags win, over the variable of the other one as well
        settings = _flags(environment).parse_args(arguments)
    if settings.action == "new":
        with _secret_output(settings) as show_secret:
            show_secret(tokens.new_secret())
        return
    if bool(settings.url) == bool(settings.store):
        raise TokenCommandFailed("Name the store with --store, or the service that serves it with --url.")
    ACTIONS[settings.action](settings, environment)


def _flags(environment: Mapping[str, str]) -> Flags:
    flags = Flags("token", "Makes, lists and revokes API tokens.", environment)
    flags.add_argument("action", choices=("create", "list", "revoke", "new"), help="new prints a token for a file")
    flags.add_argument("name", nargs="?", metavar="NAME", help=f"of the token: {tokens.NAME_RULE}")
    flags.add_store("the URL of a store on this machine, which may be served")
    flags.add("--url", str, None, "the URL of a service, such as http://127.0.0.1:8000")
    flags.add_argument(
        "--scope", choices=[str(scope) for scope in Scope], default="write", help="what it allows; default write"
    )
    flags.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where the secret goes, a new file for you alone; default: it is printed",
    )
    flags.add_argument("--expires", type=duration, metavar="90d", help="after so many m, h, d or w; default never")
    return flags


def duration(text: str) -> timedelta:
    """A time span, such as 90d."""
    if (match := _DURATION(text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time span, such as 30m, 12h, 90d or 4w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


# ---------------------------------------------------------------- the actions


def create(settings: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Makes a token and prints its secret."""
    name, scope = _name(settings), settings.scope
    expires_at = None if settings.expires is None else now() + settings.expires
    with _secret_output(settings) as show_secret:
        if (service := _service_of(settings, environment)) is not None:
            body = {"name": name, "scope": scope, "expires_at": _shown(expires_at)}
            secret = _ask(service, "POST", "/admin/tokens", body)["token"]
        else:

            async def make(repository: TaskRepository) -> str:
                secret, _ = await tokens.create_token(
                    repository, name, Scope.named(scope), at=now(), expires_at=expires_at
                )
                return secret

            secret = _with_store(settings.store, make)
        if settings.output is None:
            tell(f"The token {name}, scope {scope}. It is not kept and cannot be shown again:\n")
        show_secret(secret)
    if settings.output is not None:
        tell(f"The token {name}, scope {scope}, is in {settings.output}. It is not kept anywhere else.\n")


def show(settings: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Lists the tokens, without their secrets."""
    if (service := _service_of(settings, environment)) is not None:
        found = _ask(service, "GET", "/admin/tokens")
    else:

        async def collect(repository: TaskRepository) -> list[dict[str, Any]]:
            return [
                {
                    "name": token.name,
                    "scope": str(token.scope),
                    "created_at": _shown(token.created_at),
                    "expires_at": _shown(token.expires_at),
                }
                async for token in tokens.all_tokens(repository)
            ]

        found = sorted(_with_store(settings.store, collect), key=lambda token: str(token["name"]))
    for token in found:
        until = f"until {token['expires_at']}" if token["expires_at"] else "for ever"
        say(f"{token['name']}  {token['scope']}  made {token['created_at']}  {until}\n")


def revoke(settings: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Ends a token."""
    name = _name(settings)
    if (service := _service_of(settings, environment)) is not None:
        _ask(service, "DELETE", f"/admin/tokens/{quote(name, safe='')}")
    else:
        _with_store(settings.store, lambda repository: tokens.revoke_token(repository, name, at=now()))
    say(f"The token {name} is revoked.\n")


ACTIONS: dict[str, Callable[[argparse.Namespace, Mapping[str, str]], None]] = {
    "create": create,
    "list": show,
    "revoke": revoke,
}


@contextmanager
def _secret_output(settings: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Takes a secret to the file of --output, which is there when the block ends, or to standard output.

    Raises FileRefused before the block, so that no token is made whose secret nobody gets.
    """
    if settings.output is None:
        yield _print_secret
        return
    with new_file(settings.output.absolute()) as partial:
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


def _name(settings: argparse.Namespace) -> str:
    if settings.name is None:
        raise TokenCommandFailed("Name the token.")
    return str(settings.name)


def _shown(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


# ---------------------------------------------------------------- where they happen


def _with_store(url: str, work: Callable[[TaskRepository], Awaitable[T]]) -> T:
    async def main() -> T:
        try:
            repository = await open_repository(url)
        except StoreInUse as error:
            raise TokenCommandFailed(
                f"{error} Or ask that process: with --url, and an admin token in TASKSVC_ADMIN_TOKEN_FILE."
            ) from error
        try:
            return await work(repository)
        finally:
            await repository.close()

    return asyncio.run(main())


class _Service(NamedTuple):
    """A service that can be asked."""

    connection: http.client.HTTPConnection
    prefix: str
    """What its paths begin with."""
    headers: Mapping[str, str]
    """What shows that it may be asked."""


def _service_of(settings: argparse.Namespace, environment: Mapping[str, str]) -> _Service | None:
    """The service at --url, or the one that serves --store now; None if nobody does.

    Raises TokenCommandFailed, LocalServiceRefused, and what the store's URL is refused with.
    """
    if settings.url:
        authorization = {"Authorization": f"Bearer {_admin_token(environment)}"}
        return _Service(*_place_of(settings.url), authorization)
    path = admin_socket(StoreURL(settings.store)) if unix_socket.AVAILABLE else None
    connection = None if path is None else connection_to(path, seconds=HTTP_SECONDS)
    return None if connection is None else _Service(connection, "", {})


def _ask(service: _Service, method: str, path: str, body: object = None) -> Any:
    """What the service answers.  Raises TokenCommandFailed."""
    connection = service.connection
    try:
        headers = {**service.headers, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        connection.request(method, service.prefix + path, data, headers)
        response = connection.getresponse()
        raw = response.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TokenCommandFailed(f"The service at {connection.host} did not answer: {error}.") from error
    finally:
        connection.close()
    try:
        document = json.loads(raw) if raw else None
    except ValueError:
        document = None
    if response.status >= 300:
        raise TokenCommandFailed(f"The service refused: {_reason(document) or f'status {response.status}'}")
    if raw and document is None:
        raise TokenCommandFailed(f"What answers at {connection.host} is no service of tasksvc.")
    return document


def _place_of(url: str) -> tuple[http.client.HTTPConnection, str]:
    """Where it is, and with what its paths begin."""
    try:
        parts = urlsplit(url)
        if parts.hostname:
            return _KINDS[parts.scheme](parts.hostname, parts.port, timeout=HTTP_SECONDS), parts.path.rstrip("/")
    except (KeyError, ValueError, http.client.InvalidURL):
        pass
    raise TokenCommandFailed("The URL of a service looks like http://127.0.0.1:8000 or https://tasks.example.")


def _admin_token(environment: Mapping[str, str]) -> str:
    if file := environment.get("TASKSVC_ADMIN_TOKEN_FILE"):
        return token_in(file)
    secret = environment.get("TASKSVC_ADMIN_TOKEN", "").strip()
    if not secret:
        raise TokenCommandFailed(
            "Put an admin token into TASKSVC_ADMIN_TOKEN_FILE or TASKSVC_ADMIN_TOKEN."
            " On the machine of the service its own user needs none: name the store with --store."
        )
    if not tokens.is_well_formed(secret):
        raise TokenCommandFailed("What TASKSVC_ADMIN_TOKEN holds is no token of tasksvc.")
    return secret


def _reason(document: Any) -> str | None:
    """What a problem says, if it is one."""
    if not isinstance(document, dict):
        return None
    match document.get("errors"):
        case [{"message": str(message)}, *_]:
            return message
    return document.get("detail")
