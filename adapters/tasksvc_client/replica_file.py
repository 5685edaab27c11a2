"""The SQLite file of a replica: how it is opened, what is in it, and its transactions."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tasksvc_client.errors import TasksvcError

SCHEMA_VERSION = 1
"""Grows with every change of the schema. It's the file's PRAGMA user_version."""
APPLICATION_ID = 0x7461736B
"""The file's PRAGMA application_id, which only replicas have."""
BUSY_SECONDS = 30.0
"""Seconds to wait for a transaction of another process, of which each takes milliseconds, and after a walk a second."""

_SCHEMA = """
CREATE TABLE about (url TEXT NOT NULL, workspace TEXT);
CREATE TABLE place (position TEXT NOT NULL);
CREATE TABLE tasks (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE writes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    task_id INTEGER NOT NULL,
    fields TEXT NOT NULL,
    base TEXT,
    uid TEXT,
    key TEXT NOT NULL,
    if_match TEXT,
    queued_at TEXT NOT NULL,
    tried_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX writes_of_task ON writes (task_id);
CREATE INDEX writes_by_uid ON writes (uid) WHERE uid IS NOT NULL;
CREATE TABLE effects (
    write INTEGER NOT NULL REFERENCES writes ON DELETE CASCADE,
    task_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    value TEXT,
    PRIMARY KEY (task_id, write)
);
CREATE INDEX effects_of_write ON effects (write);
CREATE TABLE overlay (id INTEGER PRIMARY KEY, body TEXT);
CREATE VIEW shown AS
    SELECT id, body FROM tasks WHERE id NOT IN (SELECT id FROM overlay)
    UNION ALL SELECT id, body FROM overlay WHERE body IS NOT NULL;
CREATE TABLE ids (local INTEGER PRIMARY KEY, real INTEGER NOT NULL);
CREATE TABLE refused (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    task_id INTEGER NOT NULL,
    fields TEXT NOT NULL,
    base TEXT,
    reason TEXT NOT NULL,
    at TEXT NOT NULL
);
"""
"""The tables are these:

place: the position in the change log that `tasks` shows; no row until the list was read.
writes: the queue, in the order of `number`. One that is answered stays until the log shows it.
effects: what each write changes, in which task. `kind` is body, patch, gone or answer.
overlay: the tasks that differ from `tasks` by the effects of writes; NULL for a task that is deleted by one.
ids: the ids that the service gave to tasks that were created here.
refused: the writes that were given up.
"""


class UnusableReplica(TasksvcError):
    """The file can't be used as a replica; the message says why, and what to do."""


class ReplicaFile:
    """The open file. One thread uses it; several processes may have it open, and each transaction is of one of them."""

    def __init__(self, path: str | os.PathLike[str], url: str, workspace: str | None) -> None:
        """Opens or creates the file of a workspace (None: the caller's home) of the service at `url`.

        A new file may only be read by its owner. `:memory:` is a replica without a file. Raises UnusableReplica.
        """
        self.path = os.fspath(path)
        if self.path != ":memory:":
            with suppress(OSError):  # which SQLite reports below
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        try:
            self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise UnusableReplica(f"{self.path}: {error}.") from error
        try:
            self._prepare(url, workspace)
        except sqlite3.Error as error:
            self.close()
            raise UnusableReplica(f"{self.path}: {error}.") from error
        except UnusableReplica:
            self.close()
            raise

    def _prepare(self, url: str, workspace: str | None) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction(durable=True):
            application, version = self._pragma("application_id"), self._pragma("user_version")
            if application == 0 and not self.rows("SELECT name FROM sqlite_schema"):
                for statement in _SCHEMA.strip().split(";")[:-1]:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif application != APPLICATION_ID:
                raise UnusableReplica(f"{self.path} is another database. Name another file for the replica.")
            elif version != SCHEMA_VERSION:
                raise UnusableReplica(
                    f"{self.path} has schema {version}, and this version of tasksvc_client reads {SCHEMA_VERSION}."
                    " Send its writes with the version that made it, then delete the file: it's read from the service."
                )
            self._take_for(url, workspace)

    def _take_for(self, url: str, workspace: str | None) -> None:
        """Notes whose copy it is. Raises UnusableReplica if it's one of another workspace, or has writes for a URL."""
        about = self.rows("SELECT url, workspace FROM about")
        if about == [(url, workspace)]:
            return
        if about and about[0][1] != workspace:
            whose = "the home of a caller" if about[0][1] is None else f"workspace {about[0][1]}"
            raise UnusableReplica(f"{self.path} is a copy of {whose}. Name another file for this workspace.")
        if about and (waiting := self.rows("SELECT count(*) FROM writes WHERE NOT answered")[0][0]):
            raise UnusableReplica(f"{self.path} has writes for {about[0][0]} that weren't sent: {waiting}.")
        self.execute("DELETE FROM about")
        self.execute("INSERT INTO about VALUES (?, ?)", url, workspace)

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def function(self, name: str, arguments: int, function: Any) -> None:
        """Makes `function` known to statements."""
        self._connection.create_function(name, arguments, function, deterministic=True)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """Makes the statements of the block one transaction, which alone writes.

        It survives the death of the process, and with `durable` also that of the machine. Otherwise that may take back
        the last transactions, in order: the service has what is in them. An inner block is a part of the outer one.
        """
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Returns all rows of a statement."""
        return self._connection.execute(statement, arguments).fetchall()

    def execute(self, statement: str, *arguments: Any) -> int:
        """Executes a statement that writes, and returns how many rows it changed."""
        return self._connection.execute(statement, arguments).rowcount

    def execute_many(self, statement: str, arguments: Iterator[tuple[Any, ...]]) -> None:
        """Executes a statement for each of `arguments`."""
        self._connection.executemany(statement, arguments)

    def close(self) -> None:
        """Closes the connection to the file."""
        self._connection.close()


def dump(value: Any) -> str:
    """Returns JSON, the same for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
