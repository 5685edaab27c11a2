"""The queue of writes that the service hasn't answered yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tasksvc_client.replica_fields import patched, time_text
from tasksvc_client.replica_file import ReplicaFile, dump
from tasksvc_client.replica_shown import ANSWER, BODY, GONE, PATCH, Shown
from tasksvc_client.scope import new_key

CREATE, UPDATE, DELETE, RESTORE = "create", "update", "delete", "restore"
"""The kinds of writes. A restoration brings a deleted task back, and becomes an update of it then."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write in the queue."""

    number: int
    """Writes are sent in this order."""
    kind: str
    """Is `create`, `update`, `delete` or `restore`."""
    task_id: int
    """Negative for a task that the service doesn't have yet."""
    fields: Mapping[str, Any]
    """The fields that are written; of a deletion what is to become of the children."""
    base: Mapping[str, Any] | None
    """The task that the write was based on, as the service had it; None for that which the write before leaves."""
    uid: str | None
    """The uid that a new task got here, by which the service shows whether it was created; None if it was given."""
    key: str
    if_match: str | None
    queued_at: datetime
    tried_at: datetime | None
    """When it was sent first, if its outcome is open; None if it was certainly not done."""
    attempts: int
    """How often it was sent since then."""


_COLUMNS = "number, kind, task_id, fields, base, uid, key, if_match, queued_at, tried_at, attempts"


@dataclass(frozen=True, slots=True)
class RefusedWrite:
    """A write that was given up: the service refused it, or others changed the task and it was decided against it."""

    number: int
    kind: str
    task_id: int
    fields: Mapping[str, Any]
    base: Mapping[str, Any] | None
    reason: str
    """Why, as a sentence."""
    at: datetime


class Queue:
    """The queue. Its methods belong into a transaction of the file, except those that read."""

    def __init__(self, file: ReplicaFile, shown: Shown) -> None:
        self._file, self._shown = file, shown

    # ------------------------------------------------------------ reading

    def waiting(self) -> list[Write]:
        """Returns the writes that the service hasn't answered, in order."""
        return list(map(_write, self._file.rows(f"SELECT {_COLUMNS} FROM writes WHERE NOT answered ORDER BY number")))

    def first(self) -> Write | None:
        """Returns the write that is to be sent next, or None."""
        rows = self._file.rows(f"SELECT {_COLUMNS} FROM writes WHERE NOT answered ORDER BY number LIMIT 1")
        return _write(rows[0]) if rows else None

    def last_answered(self) -> int:
        """Returns the number of the last write that was answered and that the log hasn't shown; 0 for none."""
        return int(self._file.rows("SELECT coalesce(max(number), 0) FROM writes WHERE answered")[0][0])

    def refused(self) -> list[RefusedWrite]:
        """Returns the writes that were given up, in order."""
        rows = self._file.rows("SELECT number, kind, task_id, fields, base, reason, at FROM refused ORDER BY number")
        return [
            RefusedWrite(number, kind, task_id, json.loads(fields), _json(base), reason, datetime.fromisoformat(at))
            for number, kind, task_id, fields, base, reason, at in rows
        ]

    def real_id(self, task_id: int) -> int:
        """Returns the id that the service gave to a task that was created here, or `task_id` itself."""
        rows = self._file.rows("SELECT real FROM ids WHERE local = ?", task_id)
        return int(rows[0][0]) if rows else task_id

    # ------------------------------------------------------------ queueing

    def add(
        self, kind: str, task_id: int, fields: Mapping[str, Any], base: Mapping[str, Any] | None, uid: str | None = None
    ) -> int:
        """Adds a write and returns its number."""
        self._file.execute(
            "INSERT INTO writes (kind, task_id, fields, base, uid, key, queued_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(kind, task_id, dump(fields), None if base is None else dump(base), uid, new_key(), _now()),
        )
        return int(self._file.rows("SELECT last_insert_rowid()")[0][0])

    def make_create(self, number: int) -> int:
        """Gives a write that creates a task the id that the task has until the service gives it one. Returns the id."""
        self._file.execute("UPDATE writes SET task_id = ? WHERE number = ?", -number, number)
        return -number

    def queued_at(self, number: int) -> str:
        """Returns when a write was queued."""
        return str(self._file.rows("SELECT queued_at FROM writes WHERE number = ?", number)[0][0])

    def is_first_of_task(self, task_id: int) -> bool:
        """Returns whether no write of a task waits, so that the next one is based on what the service has."""
        return not self._file.rows("SELECT 1 FROM writes WHERE task_id = ? AND NOT answered LIMIT 1", task_id)

    # ------------------------------------------------------------ sending

    def begin(self, write: Write, if_match: str | None) -> Write | None:
        """Notes that a write is about to be sent, before it is. Returns it as it is then, or None if it's not there."""
        self._file.execute(
            "UPDATE writes SET tried_at = coalesce(tried_at, ?), if_match = coalesce(if_match, ?),"
            " attempts = attempts + 1 WHERE number = ? AND key = ? AND NOT answered",
            *(_now(), if_match, write.number, write.key),
        )
        return self._same(write)

    def is_undone(self, write: Write) -> None:
        """Notes that a write that was sent wasn't done, unless it has been sent by another process too meanwhile."""
        self._file.execute(
            "UPDATE writes SET tried_at = NULL, if_match = NULL, attempts = 0, key = ?"
            " WHERE number = ? AND key = ? AND attempts = ?",
            *(new_key(), write.number, write.key, write.attempts),
        )

    def rewrite(self, write: Write, kind: str, fields: Mapping[str, Any], base: Mapping[str, Any]) -> None:
        """Lets a write be sent as another one that is based on `base`, with a new key.

        For a restoration `base` is the last version of the deleted task.
        """
        if not self._file.execute(
            "UPDATE writes SET kind = ?, fields = ?, base = ?, key = ?, if_match = NULL, tried_at = NULL, attempts = 0"
            " WHERE number = ? AND key = ? AND NOT answered",
            *(kind, dump(fields), dump(base), new_key(), write.number, write.key),
        ):
            return
        if write.kind == RESTORE:
            return  # it's shown as it will be, until the log shows that it's back
        if kind == DELETE:
            self._shown.add(write.number, write.task_id, GONE)
            return
        for task_id in self._shown.of_write(write.number):
            if task_id != write.task_id:  # what a deletion would have changed
                self._file.execute("DELETE FROM effects WHERE write = ? AND task_id = ?", write.number, task_id)
                self._shown.refresh([task_id])
        if kind == RESTORE:
            self._shown.add(write.number, write.task_id, BODY, patched(base, fields, _now()))
        else:
            self._shown.add(write.number, write.task_id, PATCH, fields)

    def without_parent(self, write: Write) -> None:
        """Lets a write whose parent doesn't exist any more be sent without it, with a new key."""
        if self._file.execute(
            "UPDATE writes SET fields = json_remove(fields, '$.parent_id')"
            " WHERE number = ? AND key = ? AND attempts = ?",
            *(write.number, write.key, write.attempts),
        ):
            self._file.execute(
                "UPDATE effects SET value = iif(kind = 'body', json_set(value, '$.parent_id', NULL),"
                " json_remove(value, '$.parent_id')) WHERE write = ? AND task_id = ?",
                *(write.number, write.task_id),
            )
            self.is_undone(write)
            self._shown.refresh([write.task_id])

    def answer(self, write: Write, task: Mapping[str, Any] | None) -> None:
        """Notes that the service has done a write; `task` is its answer. Does nothing if that is known already."""
        if self._same(write) is None:
            return
        task_id = write.task_id
        if write.kind == CREATE:
            assert task is not None
            task_id = self._move(write, task["id"])
        if task is None:
            self._file.execute(  # the children have no parent now, which isn't a change by others
                "UPDATE writes SET base = json_set(base, '$.parent_id', NULL)"
                " WHERE NOT answered AND json_extract(base, '$.parent_id') = ?",
                task_id,
            )
        else:
            self._hand_over(write.number, task_id, task)
        known = self._shown.known(task_id)
        self._file.execute("UPDATE writes SET answered = 1 WHERE number = ?", write.number)
        if known is None if task is None else known is not None and known["version"] >= task["version"]:
            self._remove(write.number)  # the log has shown it
        elif task is not None:
            self._shown.add(write.number, task_id, ANSWER, task)

    def adopt(self, write: Write, task: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        """Makes a write that was to create a task one that changes the task which has its uid already."""
        if self._same(write) is not None:
            self._move(write, task["id"])
            self._file.execute("DELETE FROM effects WHERE write = ?", write.number)
            moved = replace(write, task_id=task["id"])
            self.rewrite(moved, UPDATE, fields, task)

    def refuse(self, write: Write, reason: str) -> None:
        """Gives up a write, and the later ones to a task that is never created. Children of that have no parent."""
        if self._same(write) is None:
            return
        later = list[int]()
        if write.kind == CREATE:
            rows = "SELECT number FROM writes WHERE task_id = ? AND number > ? ORDER BY number"
            later = [row[0] for row in self._file.rows(rows, write.task_id, write.number)]
            self._replace_parent(write.task_id, None)
        elif write.base is not None:
            self._hand_over(write.number, write.task_id, write.base)
        for number in (write.number, *later):
            self.record(number, reason)
            self._remove(number)

    def record(self, number: int, reason: str) -> None:
        """Remembers a write that is given up."""
        self._file.execute(
            "INSERT OR REPLACE INTO refused SELECT number, kind, task_id, fields, base, ?, ? FROM writes"
            " WHERE number = ?",
            *(reason, _now(), number),
        )

    def _same(self, write: Write) -> Write | None:
        """Returns a write as it is now, or None if it was answered, rewritten or given up meanwhile."""
        rows = self._file.rows(
            f"SELECT {_COLUMNS} FROM writes WHERE number = ? AND key = ? AND NOT answered", write.number, write.key
        )
        return _write(rows[0]) if rows else None

    def _hand_over(self, number: int, task_id: int, base: Mapping[str, Any]) -> None:
        """Makes `base` that of the next write to the task, which was based on what this one leaves."""
        self._file.execute(
            "UPDATE writes SET base = ? WHERE base IS NULL AND kind != 'create' AND number ="
            " (SELECT min(number) FROM writes WHERE task_id = ? AND number > ? AND NOT answered)",
            *(dump(base), task_id, number),
        )

    def _move(self, write: Write, real: int) -> int:
        """Gives a task that was created here its real id, wherever the local one stands. Returns it."""
        local = write.task_id
        self._file.execute("INSERT OR REPLACE INTO ids VALUES (?, ?)", local, real)
        self._file.execute("UPDATE writes SET task_id = ? WHERE task_id = ?", real, local)
        self._file.execute("UPDATE effects SET task_id = ? WHERE task_id = ?", real, local)
        self._replace_parent(local, real)
        self._shown.refresh([local, real])
        return real

    def _replace_parent(self, old: int, new: int | None) -> None:
        """Replaces the parent that queued writes name."""
        self._file.execute(
            "UPDATE writes SET fields = json_set(fields, '$.parent_id', ?)"
            " WHERE kind != 'delete' AND json_extract(fields, '$.parent_id') = ?",
            *(new, old),
        )
        where = "kind IN ('body', 'patch') AND json_extract(value, '$.parent_id') = ?"
        concerned = self._file.rows(f"SELECT DISTINCT task_id FROM effects WHERE {where}", old)
        self._file.execute(f"UPDATE effects SET value = json_set(value, '$.parent_id', ?) WHERE {where}", new, old)
        self._shown.refresh(row[0] for row in concerned)

    def _remove(self, number: int) -> None:
        concerned = self._shown.of_write(number)
        self._file.execute("DELETE FROM writes WHERE number = ?", number)
        self._shown.refresh(concerned)

    # ------------------------------------------------------------ what the log shows

    def see(self, kind: str, task_id: int, task: Mapping[str, Any] | None) -> None:
        """Notes a change of the log, which is in the tasks already: answered writes that it shows are over.

        A new task may be one of the queue, whose answer was lost.
        """
        if kind == "created" and task is not None and task["uid"] is not None:
            found = f"SELECT {_COLUMNS} FROM writes WHERE uid = ? AND NOT answered AND tried_at IS NOT NULL"
            for row in self._file.rows(found, task["uid"]):
                self.answer(_write(row), task)
        answered = "SELECT number, kind FROM writes WHERE task_id = ? AND answered ORDER BY number"
        for number, written in self._file.rows(answered, task_id):
            if task is None or (written != DELETE and self._is_shown(number, task)):
                self._remove(number)
        self._shown.refresh([task_id])

    def _is_shown(self, number: int, task: Mapping[str, Any]) -> bool:
        rows = self._file.rows("SELECT value FROM effects WHERE write = ? AND kind = ?", number, ANSWER)
        return all(json.loads(value)["version"] <= task["version"] for (value,) in rows)

    def created_unnoticed(self) -> list[dict[str, Any]]:
        """Returns the tasks that the service has by writes of the queue whose answers were lost."""
        uids = self._file.rows("SELECT uid FROM writes WHERE uid NOTNULL AND NOT answered AND tried_at NOTNULL")
        if not uids:
            return []
        wanted = {row[0] for row in uids}
        rows = self._file.rows("SELECT json_extract(body, '$.uid') AS uid, body FROM tasks WHERE uid NOTNULL")
        return [json.loads(body) for uid, body in rows if uid in wanted]

    def drop_answered(self, last: int) -> None:
        """Drops the answered writes up to the number `last`: the tasks show all of them."""
        for (number,) in self._file.rows("SELECT number FROM writes WHERE answered AND number <= ?", last):
            self._remove(number)


def _write(row: tuple[Any, ...]) -> Write:
    number, kind, task_id, fields, base, uid, key, if_match, queued_at, tried_at, attempts = row
    return Write(
        number=number,
        kind=kind,
        task_id=task_id,
        fields=json.loads(fields),
        base=_json(base),
        uid=uid,
        key=key,
        if_match=if_match,
        queued_at=datetime.fromisoformat(queued_at),
        tried_at=None if tried_at is None else datetime.fromisoformat(tried_at),
        attempts=attempts,
    )


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _now() -> str:
    return time_text(datetime.now(UTC))
