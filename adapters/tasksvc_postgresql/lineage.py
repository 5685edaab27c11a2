"""Notices that a store was put back from a copy, and gives it a new generation.

A copy brings its generation along, and would give the numbers of changes that clients have seen to
other changes.  So the store holds the lineage of its tables, which no copy keeps: a dump is restored
into another table, or at least by another transaction, perhaps in another cluster or database.  A
base backup that is recovered to some moment, and a standby that is promoted, begin a new timeline.
"""

from __future__ import annotations

import logging

import asyncpg

from tasksvc import Position, new_generation
from tasksvc_postgresql.commit import NOTIFY
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings

_FUNCTIONS = ("pg_control_system()", "pg_walfile_name(pg_lsn)", "pg_current_wal_insert_lsn()")
"""By default every role may call these."""
_MAY = "SELECT bool_and(has_function_privilege(name, 'EXECUTE')) FROM unnest($1::text[]) AS name"

_LINEAGE = """
    concat_ws('/',
        (SELECT system_identifier FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        store.tableoid,
        (SELECT xmin FROM migrations WHERE number = 1)
    )
"""
"""The cluster, the timeline, the database, the table, and the transaction that wrote a row that is never changed."""
_IS_READ_ONLY = "pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
_STATE = f"""
    SELECT is_read_only, generation, last_seq, lineage, CASE WHEN is_read_only THEN '' ELSE {_LINEAGE} END
    FROM store, (SELECT {_IS_READ_ONLY} AS is_read_only) AS server
"""
_STATE_ALONE = f"SELECT {_IS_READ_ONLY}, generation, last_seq, lineage, lineage FROM store"
_NOTE = "UPDATE store SET lineage = $1 WHERE lineage = ''"
_RENEW = f"""
    WITH updated AS (
        UPDATE store SET generation = $1, lineage = $2 WHERE generation = $3 AND lineage = $4 RETURNING *
    )
    SELECT {NOTIFY} FROM updated
"""
_RENEW_ANYWAY = f"""
    WITH updated AS (UPDATE store SET generation = $1 RETURNING *) SELECT last_seq, {NOTIFY} FROM updated
"""


class Lineage:
    """Compares where a store is with where it was."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.name
        self._state: str | None = None

    async def check(self, session: Session, seen: Position) -> Position:
        """Returns the end of the log, which may be that of a new generation.

        `seen` is where the log went to at least, as far as this process knew before.  Raises what the driver
        does, and ReadOnlySQLTransactionError where the server takes no writes.
        """
        state = self._state = self._state or await self._allowed(session)
        while True:
            ((is_read_only, generation, seq, before, now),) = await session.fetch(state)
            if is_read_only:
                raise asyncpg.ReadOnlySQLTransactionError("the server takes no writes")
            is_behind = generation == seen.generation and seq < seen.seq
            if before == now and not is_behind:
                return Position(generation, seq)
            if not before and not is_behind:  # a new store, or one of an earlier version
                await session.write_alone(_NOTE, now)
            elif await session.write_alone(_RENEW, new_generation(), now, generation, before):
                _logger.warning(_RENEWED, self._name, _BEHIND.format(seq, seen.seq) if is_behind else _MOVED)

    async def _allowed(self, session: Session) -> str:
        """The statement for what the role may ask."""
        ((may,),) = await session.fetch(_MAY, _FUNCTIONS)
        if not may:
            _logger.warning(_FORBIDDEN, self._name, ", ".join(_FUNCTIONS))
        return _STATE if may else _STATE_ALONE


async def renew(session: Session) -> Position:
    """Gives the store a new generation.  Returns the end of its log."""
    generation = new_generation()
    ((seq, _),) = await session.write_alone(_RENEW_ANYWAY, generation)
    return Position(generation, seq)


_MOVED = "was restored, moved to another server, or is served by a standby that was promoted"
_BEHIND = "ends with change {}, and was served up to change {}"
_RENEWED = (
    "%s %s. It has a new generation now: clients that follow its changes start over, and older ETags don't match."
)
_FORBIDDEN = "%s: a copy of the store that is put back isn't noticed, since the role may not call %s. Grant EXECUTE."

_logger = logging.getLogger(__name__)
