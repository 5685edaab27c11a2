"""Fills in what a migration has added and only Python knows: the terms of metadata.  It also links older changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import aiosqlite

from tasksvc import in_turns, sql
from tasksvc.sql import Row
from tasksvc_sqlite.errors import CorruptData
from tasksvc_sqlite.history import LINKING
from tasksvc_sqlite.rows import TASK_COLUMNS, TERM_COLUMNS, WORKSPACE_TERM_COLUMNS, placeholders, terms_of_row

FILLED_BY: Final = 7
"""The number of the migration for which this is done."""
_WIDTH: Final = len(sql.TASK_COLUMNS)
_AT_ONCE: Final = 64
"""The tasks that are read at once; one may have 155 KB."""


class _Table(NamedTuple):
    """A table of tasks, and that of their terms."""

    select: str
    """The statement for the next tasks with metadata, whose rows end with TASK_COLUMNS."""
    insert: str
    """The statement for a term, which takes what a row has between its first column and those of the task."""


_TABLES: Final = (
    _Table(
        f"SELECT id, {TASK_COLUMNS} FROM tasks WHERE id > ? AND metadata <> '{{}}' ORDER BY id LIMIT {_AT_ONCE}",
        f"INSERT OR IGNORE INTO task_terms ({TERM_COLUMNS}) VALUES {placeholders(2, 1)}",
    ),
    _Table(
        f"SELECT number, workspace, {TASK_COLUMNS} FROM versions WHERE number > ? AND metadata <> '{{}}'"
        " AND current IS NOT NULL AND workspace IN (SELECT key FROM workspaces)"
        f" ORDER BY number LIMIT {_AT_ONCE}",
        f"INSERT OR IGNORE INTO workspace_terms ({WORKSPACE_TERM_COLUMNS}) VALUES {placeholders(3, 1)}",
    ),
)


async def fill(connection: aiosqlite.Connection) -> None:
    """Fills it in within the transaction of the migrations, after all of them.  Raises sqlite3.Error."""
    for statement in LINKING:
        await connection.execute_fetchall(*statement)
    for table in _TABLES:
        last = 0
        while rows := list(await connection.execute_fetchall(table.select, (last,))):
            terms = [term for of_one in await in_turns(_terms, rows) for term in of_one]
            await connection.executemany(table.insert, terms)
            last = rows[-1][0]


def _terms(row: Row) -> Sequence[Row]:
    """Returns the rows of the terms of a task; of a damaged one none, which every check reports."""
    (_, *key), task = row[:-_WIDTH], row[-_WIDTH:]
    try:
        return [(*key, term, task[0]) for term in terms_of_row(task)]
    except CorruptData:
        return ()
