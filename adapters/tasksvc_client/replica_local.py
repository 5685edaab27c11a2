"""What a replica does without the service: it answers from the file, and queues writes in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import uuid4

from tasksvc_client.errors import TYPE_PREFIX, TaskNotFound
from tasksvc_client.models import Task, TaskList
from tasksvc_client.replica_fields import changes_nothing, new_task, plain_fields
from tasksvc_client.replica_file import ReplicaFile
from tasksvc_client.replica_filters import add_functions, condition, order
from tasksvc_client.replica_log import LogCopy
from tasksvc_client.replica_queue import CREATE, DELETE, UPDATE, Queue, RefusedWrite, Write
from tasksvc_client.replica_shown import BODY, GONE, PATCH, Shown

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from tasksvc_client.operations.fields import ChangedFields, Filters, NewTaskFields


class LocalTasks:
    """The tasks of a workspace in a file, with the writes that wait on top.

    It belongs to the thread that made it. Other processes may use the file at the same time.
    """

    def __init__(self, path: str | os.PathLike[str], url: str, workspace: str | None) -> None:
        self._file = ReplicaFile(path, url, workspace)
        add_functions(self._file)
        self._shown = Shown(self._file)
        self._queue = Queue(self._file, self._shown)
        self._log = LogCopy(self._file, self._queue, self._shown)

    # ---------------------------------------------------------------- reading

    @property
    def position(self) -> str | None:
        """The position in the change log that the copy shows; None before the list was read for the first time."""
        return self._log.position

    def get(self, id: int) -> Task:  # noqa: A002
        """Returns a task. Its id may be the one that it had before the service gave it another. Raises TaskNotFound."""
        return Task.from_json(self._task(self._queue.real_id(id)))

    def find(self, *, sort: str | None = None, limit: int | None = None, **filters: Unpack[Filters]) -> list[Task]:
        """Returns the tasks that match, or the first `limit` of them, with the filters and orders of Client.find().

        Tasks that the service doesn't have yet have negative ids, and come as the last ones that were created.
        """
        where, arguments = self._condition(filters)
        statement = f"SELECT body FROM shown WHERE {where} ORDER BY {order(sort)} LIMIT ?"
        rows = self._file.rows(statement, *arguments, -1 if limit is None else max(0, limit))
        return [Task.from_json(json.loads(body)) for (body,) in rows]

    def count(self, **filters: Unpack[Filters]) -> int:
        """Returns how many tasks match."""
        where, arguments = self._condition(filters)
        return int(self._file.rows(f"SELECT count(*) FROM shown WHERE {where}", *arguments)[0][0])

    def lists(self) -> list[TaskList]:
        """Returns the lists by name, with the numbers of their tasks."""
        rows = self._file.rows(
            "SELECT json_extract(body, '$.list') AS name, sum(NOT json_extract(body, '$.done')), count(*)"
            " FROM shown GROUP BY name ORDER BY name"
        )
        return [TaskList(*row) for row in rows]

    def waiting(self) -> list[Write]:
        """Returns the writes that the service hasn't answered yet, in the order in which they are sent."""
        return self._queue.waiting()

    def refused(self) -> list[RefusedWrite]:
        """Returns the writes that were given up, with the reason of each, until forget_refused() is called."""
        return self._queue.refused()

    def forget_refused(self) -> None:
        """Forgets the writes that were given up."""
        with self._file.transaction():
            self._file.execute("DELETE FROM refused")

    def _condition(self, filters: Mapping[str, Any]) -> tuple[str, list[Any]]:
        parent = filters.get("parent_id")
        if isinstance(parent, int):
            filters = {**filters, "parent_id": self._queue.real_id(parent)}
        return condition(filters)

    def _task(self, task_id: int) -> dict[str, Any]:
        task = self._shown.task(task_id)
        if task is None:
            detail = f"There is no task {task_id}."
            problem = {"type": f"{TYPE_PREFIX}task-not-found", "title": "Not Found", "status": 404, "detail": detail}
            raise TaskNotFound(404, problem, {})
        return task

    # ---------------------------------------------------------------- writing

    def create(self, description: str, **fields: Unpack[NewTaskFields]) -> Task:
        """Queues a new task and returns it, with a negative id. It gets a uid, unless it is given one."""
        given = plain_fields({"description": description, **fields}, new=True)
        given = {name: value for name, value in given.items() if value is not None}
        with self._file.transaction(durable=True):
            self._follow_parent(given)
            uid = None if "uid" in given else str(uuid4())
            given.setdefault("uid", uid)
            number = self._queue.add(CREATE, 0, given, None, uid)
            task_id = self._queue.make_create(number)
            queued_at = self._queue.queued_at(number)
            self._shown.add(number, task_id, BODY, new_task(task_id, given, queued_at))
            task = self._task(task_id)
        return self._done(task)

    def update(self, id: int, **fields: Unpack[ChangedFields]) -> Task:  # noqa: A002
        """Queues a change of a task and returns the task with it. Nothing is queued if nothing changes.

        Raises TaskNotFound.
        """
        return self.edit(id, lambda task: fields)

    def edit(self, id: int, change: Callable[[Task], Mapping[str, Any]]) -> Task:  # noqa: A002
        """Queues the change of a task to the fields that `change` returns for it, and returns the task with it."""
        with self._file.transaction(durable=True):
            task_id = self._queue.real_id(id)
            task = self._task(task_id)
            patch = plain_fields(change(Task.from_json(task)), new=False)
            self._follow_parent(patch)
            if changes_nothing(task, patch):
                return Task.from_json(task)
            number = self._queue.add(UPDATE, task_id, patch, self._base(task_id))
            self._shown.add(number, task_id, PATCH, patch)
            task = self._task(task_id)
        return self._done(task)

    def delete(self, id: int, *, children: Literal["delete"] | None = None) -> None:  # noqa: A002
        """Queues the deletion of a task. Its children stay, without a parent, unless `children` is "delete".

        Raises TaskNotFound.
        """
        with self._file.transaction(durable=True):
            task_id = self._queue.real_id(id)
            self._task(task_id)
            below = self._shown.children(task_id) if children is None else self._shown.below(task_id)
            fields = {} if children is None else {"children": children}
            number = self._queue.add(DELETE, task_id, fields, self._base(task_id))
            self._shown.add(number, task_id, GONE)
            for child in below:
                if children is None:
                    self._shown.add(number, child, PATCH, {"parent_id": None})
                else:
                    self._shown.add(number, child, GONE)
        self._has_queued()

    def _has_queued(self) -> None:
        """Is called after a write was queued."""

    def _base(self, task_id: int) -> Mapping[str, Any] | None:
        """Returns the task that a new write is based on, or None if it's what an earlier one leaves."""
        return self._shown.known(task_id) if self._queue.is_first_of_task(task_id) else None

    def _follow_parent(self, fields: dict[str, Any]) -> None:
        if fields.get("parent_id") is not None:
            fields["parent_id"] = self._queue.real_id(fields["parent_id"])

    def _done(self, task: dict[str, Any]) -> Task:
        self._has_queued()
        return Task.from_json(task)

    # ---------------------------------------------------------------- closing

    def close(self) -> None:
        """Closes the file, not the client."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
