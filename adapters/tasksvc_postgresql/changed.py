"""Finds the workspaces that have changed since some moment, without looking at the others.

Each commit leaves its transaction id in the rows of its workspaces, `changed_by`.  A moment is a snapshot of the
server, which says of each transaction id whether that transaction was visible.  So a workspace has changed since then
if the transaction in its row wasn't visible: no clock, no numbers that several processes have to give in the order of
their commits, and an index finds the rows, since ids below the snapshot's xmin were all visible.

A token is written SEAL.SNAPSHOT, or SEAL.SNAPSHOT.SNAPSHOT.NAME in the middle of a list: what had changed since the
first snapshot is listed by name and has been given up to NAME, and the second snapshot was taken when the list was
begun.  What changes meanwhile isn't visible in the second one, so it is in the next list at least.  Transaction ids
mean nothing in another cluster, or in one that was put back.  So the seal is a hash of the rest and of what the store
has in this life alone: its epoch, its lineage, and the generation of the default workspace.

An erasure leaves its transaction id in the row too, for looks alone, which find there the name that the workspace had;
see erasing.py.  The row may be gone before a look, so a look compares how many were erased with how many it finds.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from tasksvc import LOG_START, ChangedWorkspaces
from tasksvc.network import Look
from tasksvc.sql import position_of_row
from tasksvc_postgresql.erasing import name_before
from tasksvc_postgresql.session import Session

_NOW: Final = """
    SELECT store.epoch, lineage, generation, pg_current_snapshot()::text, erasures
    FROM store CROSS JOIN workspaces WHERE name = 'default'
"""
_CHANGED: Final = """
    SELECT name FROM workspaces
    WHERE changed_by >= pg_snapshot_xmin($1::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(changed_by, $1::text::pg_snapshot)
    AND generation <> '' AND name > $2 ORDER BY name LIMIT $3
"""
_ENDS: Final = """
    SELECT name, generation, workspaces.epoch, store.epoch, last_seq,
        pg_visible_in_snapshot(changed_by, $2::text::pg_snapshot)
    FROM workspaces CROSS JOIN store
    WHERE changed_by >= pg_snapshot_xmin($1::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(changed_by, $1::text::pg_snapshot)
    AND (generation <> '' OR erased_at IS NOT NULL)
"""
_ALL: Final = """
    SELECT name FROM workspaces WHERE generation <> '' AND name > $1 ORDER BY name LIMIT $2
"""
_SNAPSHOT_MAX: Final = 150
"""Characters of a snapshot in a token.  One that lists more transactions is replaced by one that is a little older."""
_START: Final = "0:0:"
"""Stands for the snapshot of a moment before everything."""


class _Life(NamedTuple):
    """What distinguishes the tokens of this life of the store from all others."""

    epoch: str
    lineage: str
    generation: str

    def seal(self, text: str) -> str:
        """Returns `text` as a token."""
        return f"{hashlib.sha256(' '.join((*self, text)).encode()).hexdigest()[:16]}.{text}"


class _Place(NamedTuple):
    """What a token says: a moment, or a place in a list."""

    since: str = _START
    """What wasn't visible in this snapshot is listed."""
    begun: str = ""
    """The snapshot in which the list was begun, if it isn't at its end."""
    after: str = ""
    """The last name of the list that was given."""

    def token(self, life: _Life) -> str:
        """Returns the token of this place."""
        return life.seal(".".join(filter(None, self)))


class _Now(NamedTuple):
    """A moment in the life of a store."""

    life: _Life
    snapshot: str
    erasures: int
    """How many workspaces had been erased."""


async def changed_workspaces(session: Session, since: str, limit: int) -> ChangedWorkspaces:
    """Does what TaskRepository.changed_workspaces() promises."""
    life, now, _ = await _now(session)
    start = _parsed(since, life)
    if start.since == _START:
        rows = await session.fetch(_ALL, start.after, limit + 1)
    else:
        rows = await session.fetch(_CHANGED, start.since, start.after, limit + 1)
    names = [name for (name,) in rows[:limit]]
    begun = start.begun or _short(now)
    if len(rows) > limit:
        return ChangedWorkspaces(names, _Place(start.since, begun, names[-1]).token(life), more=True)
    # What has changed since the list was begun isn't in it.
    more = bool(start.begun and await session.fetch(_CHANGED, begun, "", 1))
    return ChangedWorkspaces(names, _Place(begun).token(life), more)


async def look(session: Session, since: str) -> Look:
    """Returns the ends of the logs that have changed since the last look, which returned the token `since`.

    An erased workspace ends at LOG_START.  Without a token, where the store has a new epoch, or where it isn't known
    what was erased, all logs must be read again.
    """
    life, now, erasures = await _now(session)
    token, _, erasures_before = since.partition(" ")
    start, following = _parsed(token, life), f"{_Place(_short(now)).token(life)} {erasures}"
    if start.since == _START:
        return Look([], following, is_new_life=True)
    ends, erased, found = [], [], 0
    for name, *end, is_before_now in await session.fetch(_ENDS, start.since, now):
        if before := name_before(name):
            erased.append((before, LOG_START))
            found += is_before_now
        else:
            ends.append((name, position_of_row(end)))
    # The erased ones first, since there may be new workspaces of their names.
    return Look([*erased, *ends], following, is_new_life=erasures - int(erasures_before) > found)


async def _now(session: Session) -> _Now:
    """Returns the present moment, which is before anything that is read after it."""
    ((epoch, lineage, generation, snapshot, erasures),) = await session.fetch(_NOW)
    return _Now(_Life(epoch, lineage, generation), snapshot, erasures)


def _short(snapshot: str) -> str:
    """Returns a snapshot in which no more is visible than in this one, and which is short enough for a token."""
    xmin = snapshot.partition(":")[0]
    return snapshot if len(snapshot) <= _SNAPSHOT_MAX else f"{xmin}:{xmin}:"


def _parsed(token: str, life: _Life) -> _Place:
    """Returns the place of a token; that of the start if it isn't one of this life of the store."""
    _, _, text = token.partition(".")
    if life.seal(text) != token:
        return _Place()
    return _Place(*text.split(".", 2))
