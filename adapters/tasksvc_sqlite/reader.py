"""Reads, checks and backs up a file for operators, also while another process serves it.

Nothing here locks, makes or migrates a store: it is read through a connection of its own that
cannot write.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosqlite

from tasksvc import (
    DEFAULT_WORKSPACE,
    Migrations,
    SchemaOutdated,
    SchemaTooOld,
    StoreClosed,
    StoreEntry,
    StoreReader,
    StoreRefused,
    StoreUnavailable,
    sql,
)
from tasksvc_sqlite import dump
from tasksvc_sqlite.connection import connect, interruptible
from tasksvc_sqlite.erase import HAS_ERASED, LEFT_IN
from tasksvc_sqlite.errors import CorruptData, open_failure, read_failure
from tasksvc_sqlite.history import UNLINKED, UNLINKED_TASKS
from tasksvc_sqlite.rows import terms_of_row
from tasksvc_sqlite.schema import APPLICATION_ID, DEFAULT_GENERATION, MIGRATIONS, renewal, too_new

_OBJECTS: Final = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
_OF_TASK: Final = ", ".join(f"tasks.{column}" for column in sql.TASK_COLUMNS)
_TERMS: Final = """
SELECT term, task_id, 'default' FROM task_terms
UNION ALL SELECT term, task_id, name FROM workspace_terms JOIN workspaces ON key = workspace"""
_TERMS_OF_TASKS: Final = f"""
SELECT term.value, tasks.id, 'default' FROM tasks, json_each(terms_of({_OF_TASK})) AS term
UNION ALL SELECT term.value, tasks.id, name
FROM workspaces JOIN versions AS tasks ON workspace = workspaces.key, json_each(terms_of({_OF_TASK})) AS term
WHERE current IS NOT NULL"""
_SHOWN: Final = 100
"""The most problems of one kind that are reported."""
_ROWS: Final = " UNION ".join(f"SELECT '{table}', workspace FROM {table}" for table in LEFT_IN)
_ROWS_OF_NOBODY: Final = f"""
SELECT * FROM ({_ROWS}) WHERE workspace NOT IN (SELECT key FROM workspaces UNION ALL SELECT key FROM erased_workspaces)
ORDER BY 2, 1 LIMIT {_SHOWN}"""


class SQLiteReader(StoreReader):
    """Reads the store in an existing file, which another process may write to."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._closed = False

    async def dump(self) -> AsyncIterator[StoreEntry]:
        self._check_open()
        try:
            async with _connected(self._path) as connection, aclosing(dump.dump(connection)) as entries:
                async for entry in entries:
                    yield entry
        except sqlite3.Error as error:
            raise read_failure(error, self._path) from error

    async def check(self) -> Sequence[str]:
        self._check_open()
        async with _connected(self._path) as connection:
            try:
                return [problem for find in _CHECKS for problem in await find(connection)]
            except sqlite3.Error as error:
                return [f"The check breaks off: {error}."]

    async def close(self) -> None:
        """Refuses later calls.  Those that run have connections of their own, and go on."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("The store is closed.")


async def open_to_read(path: str, *, migrations: Migrations = MIGRATIONS) -> SQLiteReader:
    """Opens the store in the file `path` for reading.  Raises SchemaOutdated, StoreRefused."""
    _check_there(path)
    try:
        async with _connected(path) as connection:
            ((application_id, version),) = await connection.execute_fetchall(
                "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
            )
    except sqlite3.Error as error:
        raise StoreRefused(open_failure(error, path)) from error
    if application_id != APPLICATION_ID:
        raise StoreRefused(f"{path} is no store of tasksvc. Name another file.")
    if version < migrations.first:
        raise SchemaTooOld(path)
    if version < migrations.version:
        raise SchemaOutdated(
            f"The schema of {path} is version {version}, and this tasksvc reads {migrations.version}. Migrate it first."
        )
    if version > migrations.version:
        raise too_new(path, version, migrations)
    return SQLiteReader(path)


def _check_there(path: str) -> None:
    if not os.path.isfile(path):
        raise StoreRefused(f"There is no store in {path}. Name a file that is there.")


async def backup(path: str, copy: str) -> None:
    """Makes the empty file `copy` a kept store that holds what `path` holds now.

    Its epoch is new, so whoever serves it in place of the other one is not taken for that.
    Raises StoreRefused, StoreUnavailable.
    """
    await open_to_read(path)
    try:
        async with _connected(path) as connection:
            await interruptible(connection, "VACUUM INTO ?", (Path(copy).as_uri(),))  # a name may be no text
        async with _connected(copy, mode="rw") as connection:
            await connection.execute_fetchall("PRAGMA journal_mode = MEMORY")  # so that no journal lies beside it
            (row,) = await connection.execute_fetchall(DEFAULT_GENERATION)
            await connection.execute_fetchall(*renewal(*row))
            await connection.execute_fetchall("UPDATE store SET scratch = 0")
            ((has_erased,),) = await connection.execute_fetchall(HAS_ERASED)
            if has_erased:
                await _delete_erased(connection)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path} could not be copied: {error}.") from error
    finally:
        _remove_journal(copy)


async def _delete_erased(connection: aiosqlite.Connection) -> None:
    """Deletes what erased workspaces have left from a copy that nobody serves, with all their bytes."""
    await connection.execute_fetchall("PRAGMA secure_delete = OFF")  # VACUUM leaves none of them
    for table in LEFT_IN:
        erased = "workspace IN (SELECT key FROM erased_workspaces)"
        await interruptible(connection, f"DELETE FROM {table} WHERE {erased}")
    await connection.execute_fetchall("DELETE FROM erased_workspaces")
    await interruptible(connection, "VACUUM")


def _remove_journal(path: str) -> None:
    """Removes what SQLite leaves beside a file that it could not fill."""
    Path(f"{path}-journal").unlink(missing_ok=True)


@asynccontextmanager
async def _connected(path: str, *, mode: str = "ro") -> AsyncIterator[aiosqlite.Connection]:
    connection = await connect(path, options=f"mode={mode}")
    try:
        yield connection
    finally:
        await connection.close()


# ---------------------------------------------------------------- checks


async def _damage(connection: aiosqlite.Connection) -> list[str]:
    rows = await connection.execute_fetchall(f"PRAGMA integrity_check({_SHOWN})")
    return [f"SQLite says: {text}." for (text,) in rows if text != "ok"]


async def _schema(connection: aiosqlite.Connection) -> list[str]:
    """Returns the tables, indexes and triggers that aren't those of the migrations, a sentence each."""
    there = {tuple(row) for row in await connection.execute_fetchall(_OBJECTS)}
    model = sqlite3.connect(":memory:")
    try:
        model.executescript("".join(MIGRATIONS.scripts.values()))
        due = set(model.execute(_OBJECTS))
    finally:
        model.close()
    return [
        *(f"The {kind} {name} is missing, or not as it was made." for kind, name, _ in sorted(due - there)),
        *(f"The {kind} {name} is not ours, or not as it was made." for kind, name, _ in sorted(there - due)),
    ]


async def _terms(connection: aiosqlite.Connection) -> list[str]:
    """Returns the differences between tasks and the index of their terms, a sentence each."""
    await connection.create_function("terms_of", len(sql.TASK_COLUMNS), _terms_of_row)
    missing = await connection.execute_fetchall(_difference(_TERMS_OF_TASKS, _TERMS))
    wrong = await connection.execute_fetchall(_difference(_TERMS, _TERMS_OF_TASKS))
    return [
        *(f"Task {task_id}{_in(name)} is not found by {term}, as it should be." for term, task_id, name in missing),
        *(f"Task {task_id}{_in(name)} is found by {term}, which it doesn't have." for term, task_id, name in wrong),
    ]


async def _rows_of_nobody(connection: aiosqlite.Connection) -> list[str]:
    """Returns the tables with rows of workspaces that neither are there nor were erased, a sentence each."""
    found = await connection.execute_fetchall(_ROWS_OF_NOBODY)
    return [f"The table {table} has rows of a workspace that isn't there (its key is {key})." for table, key in found]


async def _links(connection: aiosqlite.Connection) -> list[str]:
    """Returns the changes and tasks that don't know the change before them, a sentence each."""
    return [
        f"Change {seq}{_in(name)} doesn't know the change of task {task_id} before it."
        for seq, task_id, name in await connection.execute_fetchall(f"{UNLINKED} LIMIT {_SHOWN}")
    ] + [
        f"Task {task_id}{_in(name)} doesn't know its last change."
        for task_id, name in await connection.execute_fetchall(f"{UNLINKED_TASKS} LIMIT {_SHOWN}")
    ]


_CHECKS: Final = (_damage, _schema, _terms, _links, _rows_of_nobody)


def _difference(these: str, those: str) -> str:
    return f"SELECT * FROM ({these}) EXCEPT SELECT * FROM ({those}) LIMIT {_SHOWN}"


def _in(workspace: str) -> str:
    return "" if workspace == DEFAULT_WORKSPACE else f" of the workspace {workspace}"


def _terms_of_row(*row: Any) -> str | None:
    """Returns the terms of the task in a row of TASK_COLUMNS as a JSON array; None if it is damaged."""
    try:
        return json.dumps(terms_of_row(row))
    except CorruptData:
        return None
