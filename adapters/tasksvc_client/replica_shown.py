"""What a replica shows: the tasks of the service, and on top of them the effects of the writes in the queue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tasksvc_client.replica_fields import patched
from tasksvc_client.replica_file import ReplicaFile, dump

BODY, PATCH, GONE, ANSWER = "body", "patch", "gone", "answer"
"""The kinds of effects: a task where there is none, a merge patch, a deletion, and the task as the service answered."""


class Shown:
    """Effects of writes, and the overlay that they make."""

    def __init__(self, file: ReplicaFile) -> None:
        self._file = file

    def task(self, task_id: int) -> dict[str, Any] | None:
        """Returns a task as it is shown, or None."""
        rows = self._file.rows("SELECT body FROM shown WHERE id = ?", task_id)
        return json.loads(rows[0][0]) if rows else None

    def known(self, task_id: int) -> dict[str, Any] | None:
        """Returns a task as the service has it as far as its answers tell, without the effects of writes that wait."""
        return self._folded(task_id, "AND answered")

    def children(self, task_id: int) -> list[int]:
        """Returns the ids of the tasks that are shown as parts of one."""
        rows = self._file.rows("SELECT id FROM shown WHERE json_extract(body, '$.parent_id') = ?", task_id)
        return [row[0] for row in rows]

    def below(self, task_id: int) -> list[int]:
        """Returns the ids of all tasks that are shown below one."""
        found, level = list[int](), [task_id]
        while level := [child for parent in level for child in self.children(parent) if child not in found]:
            found += level
        return found

    def add(self, write: int, task_id: int, kind: str, value: Mapping[str, Any] | None = None) -> None:
        """Adds an effect of a write to a task, in place of the one that it had, and shows it."""
        text = None if value is None else dump(value)
        self._file.execute("INSERT OR REPLACE INTO effects VALUES (?, ?, ?, ?)", write, task_id, kind, text)
        self.refresh([task_id])

    def of_write(self, write: int) -> list[int]:
        """Returns the tasks that a write has effects in."""
        return [row[0] for row in self._file.rows("SELECT task_id FROM effects WHERE write = ?", write)]

    def refresh_all(self) -> None:
        """Shows again every task that a write has effects in."""
        self.refresh(row[0] for row in self._file.rows("SELECT task_id FROM effects UNION SELECT id FROM overlay"))

    def refresh(self, task_ids: Iterable[int]) -> None:
        """Shows tasks as the service has them, with the effects on top that there are now."""
        for task_id in task_ids:
            if self._file.rows("SELECT 1 FROM effects WHERE task_id = ? LIMIT 1", task_id):
                task = self._folded(task_id)
                text = None if task is None else dump(task)
                self._file.execute("INSERT OR REPLACE INTO overlay VALUES (?, ?)", task_id, text)
            else:
                self._file.execute("DELETE FROM overlay WHERE id = ?", task_id)

    def _folded(self, task_id: int, condition: str = "") -> dict[str, Any] | None:
        """Returns a task of the copy with the effects of those writes for which `condition` holds."""
        rows = self._file.rows("SELECT body FROM tasks WHERE id = ?", task_id)
        task: dict[str, Any] | None = json.loads(rows[0][0]) if rows else None
        for kind, value, at in self._file.rows(
            "SELECT effects.kind, value, queued_at FROM effects JOIN writes ON number = write"
            f" WHERE effects.task_id = ? {condition} ORDER BY number",
            task_id,
        ):
            task = _after(task, kind, None if value is None else json.loads(value), at)
        return task


def _after(task: dict[str, Any] | None, kind: str, value: Any, at: str) -> dict[str, Any] | None:
    """Returns a task after one effect."""
    if kind == GONE:
        return None
    if kind == PATCH:
        return None if task is None else patched(task, value, at)
    if kind == ANSWER:
        return task if task is not None and task["version"] >= value["version"] else value
    return value if task is None else task
