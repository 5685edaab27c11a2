"""Rewrites the tables of a store without what was deleted.

VACUUM FULL keeps deleted rows that a transaction may still see which began before they were deleted, whatever it reads.
So those transactions are waited for.

It locks the table against all others.  While it waited for one that reads the table for long, such as an export, all
others would wait behind it.  So it gives up soon, and is tried again.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from tasksvc import StoreRefused, StoreUnavailable
from tasksvc_postgresql.erasing import delete_left
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.privileges import SERVING
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings, quoted

STEP_ENTRIES: Final = 5_000
"""The most entries of each kind that are deleted in one transaction."""
PATIENCE: Final = 60.0
"""Seconds to wait for transactions that began before."""
STEP_TIMEOUT: Final = 24 * 3_600.0
"""The seconds that one statement may take: rewriting a large table takes long."""
PAUSE: Final = 0.05
"""Seconds between two looks at the transactions that are open."""
LOCK_SECONDS: Final = 0.5
"""Seconds for which all others wait at most before a table is rewritten."""
LOCK_PAUSE: Final = 1.0
"""Seconds between two attempts."""

_MAY: Final = """
    SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = ANY($2::text[]) AND NOT pg_has_role(relowner, 'USAGE') ORDER BY relname
"""
_THIS_TRANSACTION: Final = "SELECT pg_current_xact_id()::xid::text"
# Transactions of other databases don't see the tables, but those of standbys and copies count for all of them.
_OLDER: Final = """
    SELECT pid FROM pg_stat_activity
    WHERE (backend_type = 'walsender' OR backend_type = 'client backend' AND datname = current_database())
    AND pid <> pg_backend_pid() AND greatest(age(backend_xmin), age(backend_xid)) > age($1::text::xid) ORDER BY pid
"""
_CLEAR_STATISTICS: Final = """
    SELECT pg_clear_attribute_stats(schemaname::text, tablename::text, attname::text, inherited)
    FROM pg_stats WHERE schemaname = $1 AND tablename = $2 AND NOT EXISTS (SELECT FROM {table})
"""
"""The planner keeps samples of what a table held when it was analyzed last, which an empty table never is."""
_CLEARS_STATISTICS: Final = 18
"""The first version of the server that can."""


async def compact(connection: Connection, settings: Settings, *, patience: float = PATIENCE) -> None:
    """Deletes what erased workspaces have left, and rewrites the tables.

    It waits up to `patience` seconds for transactions that began before, and for each table.  Raises StoreRefused,
    StoreUnavailable.
    """
    name = settings.name
    session = Session(connection, timeout=STEP_TIMEOUT)
    with translating_errors(name, lambda: session.committing):
        await _check_may(session, settings)
        if not connection.is_pooled:  # a pooler would leave them to others
            await session.execute(f"SET statement_timeout = 0; SET lock_timeout = '{LOCK_SECONDS}s'")
        while await delete_left(session, limit=STEP_ENTRIES, kept_seconds=0):
            pass
        await _wait_for_older(session, name, patience)
        for name_in_schema in SERVING:
            table = f"{quoted(settings.schema)}.{name_in_schema}"
            await _vacuum(session, "FULL, ANALYZE", table, patience)
            if connection.get_server_version().major >= _CLEARS_STATISTICS:
                await session.write_alone(_CLEAR_STATISTICS.format(table=table), settings.schema, name_in_schema)
        # Where the role may not do this, since it doesn't own the database, the server leaves it at a warning.
        await _vacuum(session, "FULL", "pg_catalog.pg_statistic", patience)


async def _vacuum(session: Session, options: str, table: str, patience: float) -> None:
    """Rewrites a table, as soon as no transaction holds it for long."""
    end = asyncio.get_running_loop().time() + patience
    while True:
        try:
            await session.execute(f"VACUUM ({options}) {table}")
        except asyncpg.LockNotAvailableError:
            if asyncio.get_running_loop().time() > end:
                raise
        else:
            return
        await asyncio.sleep(LOCK_PAUSE)


async def _check_may(session: Session, settings: Settings) -> None:
    for (table,) in await session.fetch(_MAY, settings.schema, list(SERVING)):
        raise StoreRefused(
            f"The table {settings.schema}.{table} of {settings.name} can be rewritten by its owner alone."
            " Use the role that owns the tables."
        )


async def _wait_for_older(session: Session, name: str, patience: float) -> None:
    """Returns when no transaction is open that may see what has been deleted."""
    ((number,),) = await session.write_alone(_THIS_TRANSACTION)
    end = asyncio.get_running_loop().time() + patience
    while older := await session.fetch(_OLDER, number):
        if asyncio.get_running_loop().time() > end:
            pids = ", ".join(str(pid) for (pid,) in older)
            raise StoreUnavailable(
                f"{name} has transactions that began before and may still see what was deleted, in the sessions {pids}."
                " End them, and compact the store again."
            )
        await asyncio.sleep(PAUSE)
