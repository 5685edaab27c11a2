"""Opens a store: waits for a server that answers, and prepares its schema."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tasksvc import StoreRefused
from tasksvc_postgresql.errors import DRIVER_ERRORS, advice, is_permanent, reason
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.hosts import HostConnector
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings

_logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between the first two attempts, and at most; each pause is twice the one before."""
PATIENCE = 3_600.0
"""Seconds that a migration may take, in this process or in another one that it waits for."""


Ready = Callable[[Session, Settings], Awaitable[None]]
"""A function that prepares the schema, or raises StoreRefused."""


async def prepare(connector: HostConnector, settings: Settings, make_ready: Ready) -> Connection:
    """Returns a connection to a store that is ready.  Raises StoreRefused, with the reason, if it isn't.

    A server that does not answer, or takes no writes, is waited for, up to the start timeout.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + settings.start_timeout
    pause = FIRST_PAUSE
    while True:
        try:
            return await _try(connector, settings, make_ready)
        except DRIVER_ERRORS as error:
            if is_permanent(error):
                raise StoreRefused(f"{settings.name} refuses: {reason(error)}. {advice(error)}") from error
            if loop.time() + pause > end:
                raise StoreRefused(
                    f"{settings.name} cannot be used, {settings.start_timeout:g} s after the first attempt:"
                    f" {reason(error)}. Start the server, or correct the URL."
                ) from error
            if pause == FIRST_PAUSE:
                _logger.warning(
                    "%s cannot be used yet: %s. It is tried again for %g s.",
                    *(settings.name, reason(error), settings.start_timeout),
                )
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


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
