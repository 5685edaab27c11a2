"""Makes an SQLite file a tasksvc store, and refuses a file that is something else."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from typing import Final

import aiosqlite

from tasksvc import (
    Migrations,
    SchemaTooOld,
    StoreIsKept,
    StoreRefused,
    effective_generation,
    new_generation,
    read_migrations,
)
from tasksvc_sqlite.connection import connect
from tasksvc_sqlite.errors import unwritable
from tasksvc_sqlite.filling import FILLED_BY, fill
from tasksvc_sqlite.rows import Statement

APPLICATION_ID: Final = int.from_bytes(b"task")
MIGRATIONS: Final = read_migrations("tasksvc_sqlite")
"""The first one is number 2, since version 1 of the schema is of before the first release, and isn't read."""

_logger = logging.getLogger(__name__)

_SMALLEST: Final = 512
"""The bytes of the smallest SQLite database that isn't empty."""

_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID_AT: Final = 68
"""The offset of the application id in the file, in bytes."""

STATE: Final = """
SELECT epoch, life, generation,
  max(last_id, ifnull((SELECT max(id) FROM tasks), 0)),
  max(pruned_seq, ifnull((SELECT max(seq) FROM changes), 0)),
  max(
    last_position, ifnull((SELECT max(number) FROM versions), 0),
    ifnull((SELECT max(pruned_position) FROM workspaces), 0)
  ),
  max(last_key, ifnull((SELECT max(key) FROM workspaces), 0)),
  EXISTS (SELECT 1 FROM task_terms WHERE term >= 'parent_id=' AND term < 'parent_id>')
FROM store"""
"""The statement for a StoreState, in one row."""

HOLDS_SOMETHING: Final = """
SELECT last_id OR pruned_seq OR EXISTS (SELECT 1 FROM changes) OR EXISTS (SELECT 1 FROM tasks)
  OR EXISTS (SELECT 1 FROM records) OR EXISTS (SELECT 1 FROM idempotency_keys) OR EXISTS (SELECT 1 FROM workspaces)
FROM store"""
"""The statement for whether anything was ever written."""

DEFAULT_GENERATION: Final = "SELECT default_generation, default_epoch FROM store"
"""The statement for what renewal() takes."""


def is_store(head: bytes) -> bool:
    """Returns whether a file that begins with `head` is a tasksvc store (SQLite's file format, section 1.3)."""
    return head.startswith(_MAGIC) and head[_APPLICATION_ID_AT:][:4] == APPLICATION_ID.to_bytes(4)


def check_path(path: str) -> None:
    """Raises StoreRefused if the file `path` can't exist."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise StoreRefused(f"{path} cannot be made: there is no folder {folder}. Create it, or name another file.")
    if not os.path.exists(path):
        return
    if not os.path.isfile(path):
        raise StoreRefused(f"{path} is no file. Name another one.")
    if not os.access(path, os.W_OK):  # SQLite would open it, and make a log beside it that cannot be written either
        raise StoreRefused(unwritable(path))


async def inspect_file(path: str) -> None:
    """Raises StoreRefused if the header of the file shows that it isn't a store to open, and sqlite3.Error.

    Touches nothing, not even beside the file.  It goes by the header alone: where a process died the
    rest may only make sense together with the write-ahead log.
    """
    size = _size(path)
    if size == 0:
        return
    if size < _SMALLEST:  # SQLite would take it for an empty database
        raise StoreRefused(f"{path} is no SQLite database. Name another file.")
    connection = await connect(path, options="mode=ro&immutable=1")
    try:
        await _recognize(connection, path, MIGRATIONS)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CORRUPT:
            raise
    finally:
        await connection.close()


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


async def _recognize(connection: aiosqlite.Connection, path: str, migrations: Migrations) -> None:
    ((application_id,),) = await connection.execute_fetchall("PRAGMA application_id")
    ((version,),) = await connection.execute_fetchall("PRAGMA user_version")
    ((changed,),) = await connection.execute_fetchall("PRAGMA schema_version")
    if application_id != APPLICATION_ID and (application_id or version or changed):
        raise StoreRefused(f"{path} is an SQLite database of another program. Name another file.")
    if 0 < version < migrations.first:
        raise SchemaTooOld(path)
    if version > migrations.version:
        raise too_new(path, version, migrations)


def too_new(path: str, version: int, migrations: Migrations) -> StoreRefused:
    """Returns the error for a store with a schema of a later version."""
    return StoreRefused(
        f"{path} was written by a newer tasksvc: its schema is version {version}, and this one knows"
        f" {migrations.version}. Upgrade tasksvc, or name another file."
    )


async def _check_scratch(writer: aiosqlite.Connection, path: str) -> None:
    """Raises StoreIsKept if the file is a kept store."""
    ((application_id,),) = await writer.execute_fetchall("PRAGMA application_id")
    if application_id != APPLICATION_ID:  # a new file
        return
    ((marked,),) = await writer.execute_fetchall("SELECT scratch FROM store")
    if not marked:
        raise StoreIsKept(f"{path} holds tasks that are kept, so it isn't opened as a scratch store, which is emptied.")


async def prepare(
    writer: aiosqlite.Connection, path: str, *, scratch: bool, migrations: Migrations = MIGRATIONS
) -> bool:
    """Makes of the file, which was inspected, a store of the present schema, and returns whether that is a new one.

    Raises StoreRefused, sqlite3.Error.
    """
    await _recognize(writer, path, migrations)  # again, since now its write-ahead log is read as well
    if scratch:
        await _check_scratch(writer, path)
    ((mode,),) = await writer.execute_fetchall("PRAGMA journal_mode = WAL")
    if mode != "wal":
        raise StoreRefused(
            f"{path} cannot have a write-ahead log (its journal mode stays {mode})."
            " Put it on a local disk, or name another file."
        )
    await writer.execute_fetchall(f"PRAGMA synchronous = {'OFF' if scratch else 'FULL'}")
    is_new, was_scratch = await _migrate(writer, path, migrations, scratch=scratch)
    if scratch:
        # Some builds overwrite with zeros what is deleted, and a scratch store need not pay for that.
        await writer.execute_fetchall("PRAGMA secure_delete = OFF")
        ((something,),) = await writer.execute_fetchall(HOLDS_SOMETHING)
        if something:
            await empty(writer)
            is_new = True
    elif was_scratch:
        # What a scratch store wrote may not be on disk yet: a checkpoint sees to it.
        await writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    return is_new


async def _migrate(
    writer: aiosqlite.Connection, path: str, migrations: Migrations, *, scratch: bool
) -> tuple[bool, bool]:
    """Migrates, sets the scratch mark, and returns whether the store is new and whether the mark had been set."""
    await writer.execute_fetchall("BEGIN IMMEDIATE")  # which also shows whether the file can be written at all
    ((version,),) = await writer.execute_fetchall("PRAGMA user_version")
    due = migrations.since(version)
    for number, script in due.items():
        await _apply(writer, number, script)
    if version and FILLED_BY in due:
        await fill(writer)
    if version == 0:
        await _insert_store_row(writer, scratch=scratch)
    ((was_scratch,),) = await writer.execute_fetchall("SELECT scratch FROM store")
    await writer.execute_fetchall("UPDATE store SET scratch = ? WHERE scratch <> ?", (scratch, scratch))
    await writer.execute_fetchall("COMMIT")
    if due:
        _logger.info("%s: schema %d, %s.", path, migrations.version, f"before {version}" if version else "new")
    return version == 0, bool(was_scratch)


def renewal(generation: str, epoch: str) -> Statement:
    """Returns the statement that gives the store a new epoch.

    It takes the row of DEFAULT_GENERATION: the generation that the default workspace was given in an epoch.
    """
    new = new_generation()
    effective = effective_generation(generation, epoch, new)
    return Statement("UPDATE store SET epoch = ?, generation = ?, life = ?", (new, effective, effective))


async def empty(writer: aiosqlite.Connection) -> None:
    """Makes of a scratch store a new one, of another generation, in the same file.  Raises sqlite3.Error."""
    await writer.execute_fetchall("BEGIN IMMEDIATE")
    tables = await writer.execute_fetchall("SELECT name FROM sqlite_master WHERE type = 'table'")
    for (table,) in tables:
        await writer.execute_fetchall(f'DROP TABLE "{table}"')
    for number, script in MIGRATIONS.scripts.items():
        await _apply(writer, number, script)
    await _insert_store_row(writer, scratch=True)
    await writer.execute_fetchall("COMMIT")
    await writer.execute_fetchall("VACUUM")


async def _insert_store_row(writer: aiosqlite.Connection, *, scratch: bool) -> None:
    epoch, generation = new_generation(), new_generation()
    columns = "singleton, last_id, pruned_seq, scratch, epoch, life, generation, default_generation, default_epoch"
    await writer.execute_fetchall(
        f"INSERT INTO store ({columns}) VALUES (1, 0, 0, ?, ?, ?, ?, ?, ?)",
        (scratch, epoch, generation, generation, generation, epoch),
    )


async def _apply(writer: aiosqlite.Connection, number: int, script: str) -> None:
    for statement in _statements(script):
        await writer.execute_fetchall(statement)
    await writer.execute_fetchall(f"PRAGMA application_id = {APPLICATION_ID}")
    await writer.execute_fetchall(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """Yields the statements of a script, each of which ends with a line.  executescript() would commit first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
