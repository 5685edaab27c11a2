"""Finds the workspaces that have changed since some moment, without looking at the others.

Each commit leaves its transaction id in the rows of its workspaces, `changed`.  A moment is a snapshot of the server,
which says of each transaction id whether that transaction was visible.  So a workspace has changed since then if the
transaction in its row wasn't visible: no clock, no numbers that several processes have to give in the order of their
commits, and an index finds the rows, since ids below the snapshot's xmin were all visible.

A token is written SEAL.SNAPSHOT, or SEAL.SNAPSHOT.SNAPSHOT.NAME in the middle of a list: what had changed since the
first snapshot is listed by name and has been given up to NAME, and the second snapshot was taken when the list was
begun.  What changes meanwhile isn't visible in the second one, so it is in the next list at least.  Transaction ids
mean nothing in another cluster, or in one that was put back.  So the seal is a hash of the rest and of what the store
has in this life alone: its epoch, its lineage, and the generation of the default workspace.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from tasksvc import ChangedWorkspaces
from tasksvc.network import Look
from tasksvc.sql import position_of_row
from tasksvc_postgresql.session import Session

_NOW: Final = """
    SELECT store.epoch, lineage, generation, pg_current_snapshot()::text
    FROM store CROSS JOIN workspaces WHERE name = 'default'
"""
_CHANGED: Final = """
    SELECT name, generation, workspaces.epoch, store.epoch, last_seq
    FROM workspaces CROSS JOIN store
    WHERE changed >= pg_snapshot_xmin($1::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(changed, $1::text::pg_snapshot)
    AND generation <> '' AND name > $2 ORDER BY name LIMIT $3
"""
_ALL: Final = """
    SELECT name, generation, workspaces.epoch, store.epoch, last_seq FROM workspaces CROSS JOIN store
    WHERE generation <> '' AND name > $1 ORDER BY name LIMIT $2
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


class _Found(NamedTuple):
    """Some of the workspaces that have changed after a place."""

    life: _Life
    start: _Place
    now: str
    """A snapshot from before the rows were read."""
    rows: list[tuple[str, str, str, str, int]]
    """The name of each, and what position_of_row() takes."""


async def changed_workspaces(session: Session, since: str, limit: int) -> ChangedWorkspaces:
    """Does what TaskRepository.changed_workspaces() promises."""
    life, start, now, rows = await _read(session, since, limit + 1)
    names = [row[0] for row in rows[:limit]]
    begun = start.begun or now
    if len(rows) > limit:
        return ChangedWorkspaces(names, _Place(start.since, begun, names[-1]).token(life), more=True)
    # What has changed since the list was begun isn't in it.
    more = bool(start.begun and await session.fetch(_CHANGED, begun, "", 1))
    return ChangedWorkspaces(names, _Place(begun).token(life), more)


async def look(session: Session, since: str) -> Look:
    """Returns the ends of the logs that have changed since the last look, which returned the token `since`.

    Without a token, or where the store has a new epoch, all logs must be read again, and it lists none.
    """
    life, start, now, rows = await _read(session, since, 1)
    token = _Place(now).token(life)
    if start.since == _START:
        return Look([], token, is_new_life=True)
    if rows:
        rows = await session.fetch(_CHANGED, start.since, "", None)
    return Look([(row[0], position_of_row(row[1:])) for row in rows], token, is_new_life=False)


async def _read(session: Session, since: str, limit: int) -> _Found:
    """Finds at most `limit` workspaces that have changed after the place of the token `since`."""
    ((epoch, lineage, generation, snapshot),) = await session.fetch(_NOW)
    life = _Life(epoch, lineage, generation)
    start = _parsed(since, life)
    if start.since == _START:
        rows = await session.fetch(_ALL, start.after, limit)
    else:
        rows = await session.fetch(_CHANGED, start.since, start.after, limit)
    return _Found(life, start, _short(snapshot), rows)


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
