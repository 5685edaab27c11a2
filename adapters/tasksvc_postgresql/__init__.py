"""Stores on a PostgreSQL server, for several processes and machines: postgresql://user@host1,host2/db.

The parameters of the URL that are the adapter's own are listed in `settings`; all others are
asyncpg's, such as `sslmode`, or settings of the session at the server.
"""

from __future__ import annotations

from tasksvc import StoreIsKept, StoreReader, StoreURL, TaskRepository, hookimpl
from tasksvc_postgresql.reader import open_to_read
from tasksvc_postgresql.repository import open_postgresql
from tasksvc_postgresql.settings import settings_of

PORT = 3
"""The version of the port that this adapter was written for."""


@hookimpl
async def tasksvc_open_store(url: StoreURL, scratch: bool) -> TaskRepository:
    if scratch:
        raise StoreIsKept(f"{url} is on a server, where tasks are kept, so it isn't opened as a scratch store.")
    return await open_postgresql(settings_of(url))


@hookimpl
async def tasksvc_open_reader(url: StoreURL) -> StoreReader:
    return await open_to_read(settings_of(url, to_read=True))
