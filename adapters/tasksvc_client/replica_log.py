"""The service's tasks in a replica: exactly those at one position of its change log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tasksvc_client.models import Change, Task
from tasksvc_client.replica_file import ReplicaFile, dump
from tasksvc_client.replica_queue import Queue
from tasksvc_client.replica_shown import Shown

_PUT = (
    "INSERT INTO {} (id, version, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET version = excluded.version, body = excluded.body"
)


class LogCopy:
    """The tasks and their position. Both change in one transaction, and only if nobody else has moved the position."""

    def __init__(self, file: ReplicaFile, queue: Queue, shown: Shown) -> None:
        self._file, self._queue, self._shown = file, queue, shown

    @property
    def position(self) -> str | None:
        """Returns the position, or None if the list wasn't read yet."""
        rows = self._file.rows("SELECT position FROM place")
        return rows[0][0] if rows else None

    def apply(self, changes: Sequence[Change], since: str) -> bool:
        """Applies changes that come after the position `since`. Returns False if the copy isn't at `since` any more."""
        with self._file.transaction():
            if self.position != since:
                return False
            for change in changes:
                self._apply(change)
            if changes:
                self._file.execute("UPDATE place SET position = ?", changes[-1].position)
            return True

    def _apply(self, change: Change) -> None:
        if change.task is None:
            self._file.execute("DELETE FROM tasks WHERE id = ?", change.task_id)
        else:
            self._file.execute(_PUT.format("tasks"), *_row(change.task))
        self._queue.see(change.type, change.task_id, None if change.task is None else change.task.json)

    def drop_answered(self, last: int) -> None:
        """Drops the answered writes up to the number `last`, all of which the copy shows by now."""
        if last:
            with self._file.transaction():
                self._queue.drop_answered(last)

    # ------------------------------------------------------------ walking the list

    def begin_walk(self) -> None:
        """Prepares an empty list next to the copy, which stays as it is until finish_walk()."""
        self._file.execute("CREATE TEMP TABLE IF NOT EXISTS walked (id INTEGER PRIMARY KEY, version INT, body TEXT)")
        self._file.execute("DELETE FROM temp.walked")

    def add_walked(self, tasks: Iterable[Task]) -> None:
        """Adds a page of the list."""
        self._file.execute_many(_PUT.format("temp.walked"), map(_row, tasks))

    def apply_walked(self, changes: Iterable[Change]) -> None:
        """Applies changes to the list; it may be ahead of them, since its later pages were read later."""
        for change in changes:
            if change.task is None:
                self._file.execute("DELETE FROM temp.walked WHERE id = ?", change.task_id)
            else:
                newer = _PUT.format("temp.walked") + " WHERE excluded.version > version"
                self._file.execute(newer, *_row(change.task))

    def finish_walk(self, position: str, instead_of: str | None, seen: int) -> None:
        """Puts the list, which is at `position`, in place of the copy, if that is still at `instead_of`.

        `seen` is the number of the last write that had been answered before the list was read.
        """
        with self._file.transaction():
            if self.position != instead_of:
                return
            self._file.execute("DELETE FROM tasks")
            self._file.execute("INSERT INTO tasks SELECT id, version, body FROM temp.walked")
            self._file.execute("DELETE FROM place")
            self._file.execute("INSERT INTO place VALUES (?)", position)
            for body in self._queue.created_unnoticed():
                self._queue.see("created", body["id"], body)
            self._queue.drop_answered(seen)
            self._shown.refresh_all()
        self._file.execute("DELETE FROM temp.walked")


def _row(task: Task) -> tuple[Any, ...]:
    return task.id, task.version, dump(task.json)
