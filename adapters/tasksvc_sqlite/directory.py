"""Which workspaces there are, and which have changed."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from tasksvc import DEFAULT_WORKSPACE, ChangedWorkspaces, Position, WorkspaceSummary
from tasksvc.sql import INT64_MAX, Row, from_microseconds
from tasksvc_sqlite.cache import StoreCache
from tasksvc_sqlite.connection import ReadConnection

_AFTER_NAMES: Final = "\x7f"
"""A character after all those of names."""

_SUMMARIES: Final = """
SELECT name, (SELECT count(*) FROM versions WHERE workspace = key AND current IS NOT NULL),
  (SELECT count(*) FROM versions INDEXED BY versions_by_id WHERE workspace = key AND current IS NOT NULL AND done = 0),
  (SELECT at FROM versions WHERE workspace = key AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1)
FROM workspaces WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?"""
_DEFAULT_SUMMARY: Final = """
SELECT 'default', (SELECT count(*) FROM tasks), (SELECT count(*) FROM tasks WHERE done = 0),
  (SELECT at FROM changes ORDER BY seq DESC LIMIT 1)"""

_MADE: Final = "SELECT key, name FROM workspaces WHERE key > ? ORDER BY key LIMIT ?"
_CHANGED: Final = """
SELECT number, name FROM (
  SELECT number, workspace FROM versions WHERE number > ? AND number <= ?
  UNION ALL SELECT pruned_position, key FROM workspaces WHERE pruned_position > ?
  ORDER BY 1 LIMIT ?
) LEFT JOIN workspaces ON key = workspace ORDER BY number"""
"""The statement for changes, without a name if their workspace has been erased."""
_ROWS_FOR_NAME: Final = 16
"""The most changes that are read for each workspace that is asked for; one may have made many."""


class _Token(NamedTuple):
    """How far a reader of changed_workspaces() has come."""

    life: str
    """The life of the store."""
    generation: str
    """The effective generation of the default workspace."""
    last_seq: int
    """The last change of the default workspace that was reported."""
    position: int
    """The last change of all other ones that was reported."""
    key: int | None
    """The last of all workspaces that was reported, while these are still being reported."""

    def is_of(self, life: str, default: Position, position: int) -> bool:
        """Returns whether a store in that life can have given it; `default` is where the log of that workspace ends."""
        if self.life != life or self.position > position:
            return False
        return self.generation != default.generation or self.last_seq <= default.seq

    def __str__(self) -> str:
        return "-".join(str(value) for value in self if value is not None)


def _parse(text: str) -> _Token | None:
    life, generation, *numbers = text.split("-") if "-" in text else ("", "")
    if len(numbers) not in (2, 3) or not all(number.isdecimal() and number.isascii() for number in numbers):
        return None
    values = list(map(int, numbers))
    if max(values) > INT64_MAX:
        return None
    return _Token(life, generation, values[0], values[1], values[2] if len(values) == 3 else None)


class Directory:
    """Answers the questions about all workspaces, with few statements each."""

    def __init__(self, reader: ReadConnection, cache: StoreCache) -> None:
        self._reader, self._cache = reader, cache

    async def summaries(self, prefix: str, after: str, limit: int) -> Sequence[WorkspaceSummary]:
        """Does what TaskRepository.workspaces() promises."""
        if not prefix.isascii():
            return []
        place = "".join(character if character < _AFTER_NAMES else _AFTER_NAMES for character in after)
        rows = await self._reader.rows(_SUMMARIES, (place, prefix, prefix + _AFTER_NAMES, limit))
        if DEFAULT_WORKSPACE.startswith(prefix) and after < DEFAULT_WORKSPACE:
            rows = sorted([*rows, *await self._reader.rows(_DEFAULT_SUMMARY)], key=itemgetter(0))
        return [
            WorkspaceSummary(name, tasks, still_open, None if at is None else from_microseconds(at))
            for name, tasks, still_open, at in rows[:limit]
        ]

    async def changed(self, since: str, limit: int) -> ChangedWorkspaces:
        """Does what TaskRepository.changed_workspaces() promises."""
        # The file may hold a commit already that reads from the cache don't show yet.  It's for the next call.
        life, default, position = self._cache.life, self._cache.default.position, self._cache.position
        token = _parse(since)
        if token is None or not token.is_of(life, default, position):
            return await self._made(_Token(life, *default, position, 0), limit, [DEFAULT_WORKSPACE])
        if token.key is not None:
            return await self._made(token, limit, [])
        names: dict[str, None] = {}
        if default != (token.generation, token.last_seq):
            names[DEFAULT_WORKSPACE] = None
        rows_max = limit * _ROWS_FOR_NAME
        rows: list[Row] = await self._reader.rows(_CHANGED, (token.position, position, token.position, rows_max))
        end = token.position
        for place, name in rows:
            if name is not None and name not in names:
                if len(names) == limit:
                    return ChangedWorkspaces(list(names), str(_Token(life, *default, end, None)), more=True)
                names[name] = None
            end = place
        more = len(rows) == rows_max
        return ChangedWorkspaces(list(names), str(_Token(life, *default, end, None)), more)

    async def _made(self, token: _Token, limit: int, names: list[str]) -> ChangedWorkspaces:
        """Returns workspaces that are made, after the key of the token, and `names` before them."""
        rows = await self._reader.rows(_MADE, (token.key, limit + 1))
        page = rows[: limit - len(names)]
        more = len(page) < len(rows)
        names += [name for _, name in page]
        following = token._replace(key=(page[-1][0] if page else token.key) if more else None)
        return ChangedWorkspaces(names, str(following), more)
