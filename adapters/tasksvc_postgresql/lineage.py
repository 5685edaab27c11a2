"""Notices that a store was put back from a copy, and gives it a new epoch, and so all workspaces new generations.

A copy brings its epoch along, and would give the numbers of changes that clients have seen to
other changes.  So the store holds the lineage of its tables, which no copy keeps: a dump is restored
into another table, or at least by another transaction, perhaps in another cluster or database.  A
base backup that is recovered to some moment, and a standby that is promoted, begin a new timeline.

A copy of the server's files keeps the lineage.  A process notices it by what it has seen: all that was committed up to
some moment is there, so if anything is missing, so are the last commits that this process heard of.  It remembers the
workspaces of the last ones, rather than of the very last, since commits that were under way at the same time may have
been answered in another order.

A workspace may be missing because it was erased.  The store counts erasures, so a process knows whether that may be so,
and a copy from before an erasure is noticed by its lower count.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping

import asyncpg

from tasksvc import DEFAULT_WORKSPACE, Position, effective_generation, new_generation
from tasksvc_postgresql.listener import NOTIFY_RENEWED
from tasksvc_postgresql.locking import LOCK_ALL
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings

REMEMBERED = 32
"""Workspaces that were written to last, whose logs must not have become shorter."""

LATE_SECONDS = 600.0
"""Seconds for which a process may still hear of commits in a workspace that was erased before."""

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
_SEEN = "store LEFT JOIN workspaces ON name = ANY($1::text[])"
_STATE = f"""
    SELECT is_read_only, store.epoch, lineage, CASE WHEN is_read_only THEN '' ELSE {_LINEAGE} END, erasures,
        name, generation, workspaces.epoch, last_seq
    FROM (SELECT {_IS_READ_ONLY} AS is_read_only) AS server CROSS JOIN {_SEEN}
"""
_STATE_ALONE = f"""
    SELECT {_IS_READ_ONLY}, store.epoch, lineage, lineage, erasures, name, generation, workspaces.epoch, last_seq
    FROM {_SEEN}
"""
_NOTE = "UPDATE store SET lineage = $1 WHERE lineage = ''"
_RENEW = "UPDATE store SET epoch = $1, lineage = $2 WHERE epoch = $3 AND lineage = $4 RETURNING epoch"
_FORGET_FOREIGN_TRANSACTIONS = "UPDATE workspaces SET changed_by = DEFAULT WHERE changed_by > pg_current_xact_id()"
"""Transactions of another cluster, whose ids this one hasn't reached, would count as later than all for long."""
_RENEW_ANYWAY = "UPDATE store SET epoch = $1"


class Lineage:
    """Compares where a store is with where it was."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.name
        self._state: str | None = None
        self._epoch: str | None = None
        """The epoch of the store at the last check."""
        self._seen: OrderedDict[str, Position] = OrderedDict()
        """Where the logs of the workspaces that were written to last went to at least."""
        self._erasures: int | None = None
        """The number of erasures at the last check."""
        self._missing_until = 0.0
        """Until when a workspace that is missing may be one that was erased, on the clock of the loop."""

    def saw(self, heads: Mapping[str, Position]) -> None:
        """Takes note of the ends of logs, which were committed."""
        for name, position in heads.items():
            before = self._seen.pop(name, position)
            is_older = before.generation == position.generation and before.seq > position.seq
            self._seen[name] = before if is_older else position
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    async def check(self, session: Session) -> bool:
        """Returns whether all generations are others than at the check before.

        Raises what the driver does, and ReadOnlySQLTransactionError where the server takes no writes.
        """
        state = self._state = self._state or await self._allowed(session)
        while True:
            seen, erasures_before = dict(self._seen), self._erasures  # as they were before the server was asked
            rows = await session.fetch(state, list(seen))
            is_read_only, epoch, before, now, erasures = rows[0][:5]
            if is_read_only:
                raise asyncpg.ReadOnlySQLTransactionError("the server takes no writes")
            if self._epoch not in (None, epoch):  # what was seen in another one tells nothing
                self._seen.clear()
                self._erasures = erasures_before = None
                seen = {}
            heads = {row[5]: tuple(row[6:]) for row in rows}
            if self._may_miss_erased(erasures_before, erasures):
                for name in [name for name in seen if not heads.get(name, ("",))[0]]:
                    del seen[name]
                    self._seen.pop(name, None)
            lost = _lost(seen, epoch, heads)
            if lost is None and erasures < (erasures_before or 0):
                lost = _UNERASED
            if before == now and lost is None:
                is_renewed, self._epoch = self._epoch not in (None, epoch), epoch
                return is_renewed
            if not before and lost is None:  # a new store, or one of an earlier version
                await session.write_alone(_NOTE, now)
            elif await _renew_if(session, epoch, before, now):
                _logger.warning(_RENEWED, self._name, lost or _MOVED)

    def _may_miss_erased(self, before: int | None, erasures: int) -> bool:
        """Returns whether a workspace that is missing may have been erased, and takes note of the count."""
        now = asyncio.get_running_loop().time()
        if before is None or erasures > before:
            self._erasures = max(erasures, self._erasures or 0)
            self._missing_until = now + LATE_SECONDS
        return erasures > 0 and now < self._missing_until

    async def _allowed(self, session: Session) -> str:
        """The statement for what the role may ask."""
        ((may,),) = await session.fetch(_MAY, _FUNCTIONS)
        if not may:
            _logger.warning(_FORBIDDEN, self._name, ", ".join(_FUNCTIONS))
        return _STATE if may else _STATE_ALONE


def _lost(seen: Mapping[str, Position], epoch: str, heads: Mapping[str, tuple[str, str, int]]) -> str | None:
    """Returns what is missing of what was seen in this epoch, in words, or None."""
    for name, position in seen.items():
        generation, made_in, seq = heads.get(name, ("", "", 0))
        is_same = effective_generation(generation, made_in, epoch) == position.generation
        if not generation or (is_same and seq < position.seq):
            where = "" if name == DEFAULT_WORKSPACE else f", in the workspace {name},"
            return _BEHIND.format(where, seq, position.seq)
    return None


async def _renew_if(session: Session, epoch: str, before: str, now: str) -> bool:
    """Gives the store a new epoch, and the lineage `now`, if it still has `epoch` and the lineage `before`."""
    await session.begin(LOCK_ALL)
    renewed = await session.fetch(_RENEW, new_generation(), now, epoch, before)
    if renewed:
        await session.fetch(_FORGET_FOREIGN_TRANSACTIONS)
        await session.fetch(NOTIFY_RENEWED)
    await session.commit()
    return bool(renewed)


async def renew(session: Session) -> None:
    """Gives the store a new epoch."""
    await session.begin(LOCK_ALL)
    await session.fetch(_RENEW_ANYWAY, new_generation())
    await session.fetch(NOTIFY_RENEWED)
    await session.commit()


_MOVED = "was restored, moved to another server, or is served by a standby that was promoted"
_BEHIND = "ends{} with change {}, and was served up to change {}"
_UNERASED = "holds workspaces again that were erased"
_RENEWED = (
    "%s %s. It has a new generation now: clients that follow its changes start over, and older ETags don't match."
)
_FORBIDDEN = "%s: a copy of the store that is put back isn't noticed, since the role may not call %s. Grant EXECUTE."

_logger = logging.getLogger(__name__)
