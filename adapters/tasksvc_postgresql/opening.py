"""Opens a store: waits for a server that answers, and prepares its schema."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tasksvc import StoreRefused
from tasksvc.network import wait_for_server
from tasksvc_postgresql.errors import DRIVER_ERRORS, reason, refusal
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.hosts import HostConnector
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings

PATIENCE = 3_600.0
"""Seconds that a migration may take, in this process or in another one that it waits for."""


Ready = Callable[[Session, Settings], Awaitable[None]]
"""A function that prepares the schema, or raises StoreRefused."""


async def prepare(connector: HostConnector, settings: Settings, make_ready: Ready) -> Connection:
    """Returns a connection to a store that is ready.  Raises StoreRefused, with the reason, if it isn't.

    A server that does not answer, or takes no writes, is waited for, up to the start timeout.
    """
    return await wait_for_server(
        lambda: _try(connector, settings, make_ready),
        name=settings.name,
        timeout=settings.start_timeout,
        errors=DRIVER_ERRORS,
        refusal=refusal,
        describe=reason,
    )


async def _try(connector: HostConnector, settings: Settings, make_ready: Ready) -> Connection:
    connection = await connector.connect()
    try:
        if (encoding := connection.get_settings().server_encoding) != "UTF8":
            raise StoreRefused(
                f"The database of {settings.name} is encoded in {encoding}, which cannot hold every text."
                " Create one with ENCODING 'UTF8'."
            )
        await make_ready(Session(connection, timeout=PATIENCE), settings)
    except BaseException:
        connection.terminate()
        raise
    return connection
