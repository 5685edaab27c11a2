"""How the writes of a queue are sent: in order, each done once, and with the conflicts decided."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from tasksvc_client.errors import (
    ConditionFailed,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    Problem,
    StoreUnavailable,
    TaskNotFound,
    TooManyRequests,
    UidTaken,
    Unreachable,
    VersionConflict,
)
from tasksvc_client.models import Task
from tasksvc_client.replica_conflicts import DELETION, Conflict, Decision, OnConflict, by_default
from tasksvc_client.replica_fields import (
    GIVEN_ONCE,
    changes_nothing,
    meet,
    patched,
    plain_fields,
    same_content,
    same_task,
    time_text,
)
from tasksvc_client.replica_file import ReplicaFile
from tasksvc_client.replica_queue import CREATE, DELETE, RESTORE, UPDATE, Queue, Write
from tasksvc_client.replica_reading import Reading, Steps

KEY_VALID = timedelta(hours=23)
"""How long a write whose outcome is open is repeated under its key. The service keeps keys for 24 hours."""

_REFUSALS = {400, 404, 409, 410, 412, 413, 414, 415, 422}
"""Statuses of problems that the write itself has, so that it would be refused again."""
_OF_THE_SERVICE = {"not-found"}
"""Problems with such a status that the URL or the service has."""
_UNDONE = (Unreachable, TooManyRequests, StoreUnavailable)
"""Errors of a call in which nothing was written."""


class Sending:
    """Sends the writes of a queue."""

    def __init__(
        self, client: Any, file: ReplicaFile, queue: Queue, reading: Reading, on_conflict: OnConflict | None
    ) -> None:
        """Takes a Client or a SyncClient, in the workspace of the copy."""
        self._client, self._file, self._queue, self._reading = client, file, queue, reading
        self._decide: OnConflict = on_conflict or by_default

    def send_all(self) -> Steps[bool]:
        """Sends all writes that wait. Returns whether there were any.

        Raises what the client raises if the service can't be reached or doesn't let the caller in: they stay.
        """
        sent = False
        while (write := self._queue.first()) is not None:
            sent = True
            if write.tried_at is None:
                yield from self._send_new(write)
            elif timedelta() <= datetime.now(UTC) - write.tried_at < KEY_VALID:
                yield from self._send(write, write.if_match)
            else:
                yield from self._send_old(write)
        return sent

    def _send_new(self, write: Write) -> Steps[None]:
        """Sends a write that certainly wasn't done, if nobody has changed its task."""
        if write.kind in (CREATE, RESTORE):
            yield from self._send(write, None)
            return
        theirs = yield from self._theirs(write)
        if theirs is not None and (
            _is_as_before(write, theirs) or (write.kind == UPDATE and not _meets(write, theirs))
        ):
            yield from self._send(write, theirs.etag)
        else:
            yield from self._settle(write, theirs)

    def _send_old(self, write: Write) -> Steps[None]:
        """Sends a write that may have been done, and whose key the service may have forgotten, if it wasn't done."""
        yield from self._reading.catch_up()  # which finds a task that the write has created by its uid
        yield from self._settle_open(write)

    def _theirs(self, write: Write) -> Steps[Task | None]:
        """Returns the task of a write as the service has it, or None if it was deleted."""
        assert write.base is not None, "an earlier write of the task was sent before"
        try:
            theirs = yield self._client.get(write.task_id)
        except TaskNotFound:
            return None
        assert isinstance(theirs, Task)
        return theirs if same_task(write.base, theirs.json) else None

    def _send(self, write: Write, if_match: str | None) -> Steps[None]:
        """Sends a write under its key and notes the answer."""
        with self._file.transaction(durable=True):
            begun = self._queue.begin(write, if_match)
        if begun is None:
            return
        try:
            answer = yield self._call(begun)
        except _UNDONE:
            if begun.attempts == 1:
                self._note(self._queue.is_undone, begun)
            raise
        except IdempotencyKeyReused:  # another version of this library has sent it, in other words
            yield from self._settle_open(begun)
        except ConditionFailed:  # the task that was to be brought back is there
            yield from self._settle_restored(begun)
        except VersionConflict:
            self._note(self._queue.is_undone, begun)
        except UidTaken as problem:
            yield from self._settle_uid(begun, problem.current)
        except Problem as problem:
            if isinstance(problem, TaskNotFound) and begun.base is not None:
                yield from self._settle(begun, None)
            elif isinstance(problem, InvalidRequest) and (yield from self._lacks_parent(begun)):
                self._note(self._queue.without_parent, begun)
            elif _is_refusal(problem, begun):
                self._refuse(begun, str(problem))
            else:
                raise
        else:
            self._answered(begun, answer)

    def _lacks_parent(self, write: Write) -> Steps[bool]:
        """Returns whether the parent that a write names was deleted, which leaves children without one."""
        if write.kind == DELETE or write.fields.get("parent_id") is None:
            return False
        try:
            yield self._client.get(write.fields["parent_id"])
        except TaskNotFound:
            return True
        return False

    def _call(self, write: Write) -> Any:
        if write.kind == CREATE:
            return self._client.create(key=write.key, **write.fields)
        if write.kind == DELETE:
            return self._client.delete(write.task_id, if_version=write.if_match, key=write.key, **write.fields)
        if write.kind == RESTORE:
            assert write.base is not None
            return self._client.restore(write.task_id, write.base["version"], deleted=True, key=write.key)
        return self._client.update(write.task_id, if_version=write.if_match, key=write.key, **write.fields)

    def _answered(self, write: Write, answer: Task | None) -> None:
        with self._file.transaction():
            if write.kind == RESTORE:
                assert answer is not None
                self._queue.rewrite(write, UPDATE, write.fields, answer.json)
            else:
                self._queue.answer(write, None if answer is None else answer.json)

    # ------------------------------------------------------------ conflicts

    def _settle(self, write: Write, theirs: Task | None, *, open: bool = False) -> Steps[None]:  # noqa: A002
        """Decides what becomes of a write whose task was changed, or deleted (None), by others."""
        if write.kind == DELETE and theirs is None:
            self._note(self._queue.answer, write, None)  # it's gone, as it was to be
            return
        if write.kind == UPDATE and theirs is not None and changes_nothing(theirs.json, write.fields):
            self._note(self._queue.answer, write, theirs.json)  # it's as it was to be
            return
        if write.kind == RESTORE:  # its last version is gone too
            self._refuse(write, f"Task {write.task_id} was deleted by others, and can't be brought back.")
            return
        assert write.base is not None
        mine = (
            None
            if write.kind == DELETE
            else Task.from_json(patched(write.base, write.fields, time_text(datetime.now(UTC))))
        )
        fields = {} if write.kind == DELETE else write.fields
        conflict = Conflict(mine, theirs, Task.from_json(write.base), fields, open)
        decision = yield from self._decision(conflict)
        self._carry_out(write, conflict, decision)

    def _settle_open(self, write: Write) -> Steps[None]:
        """Decides about a write of which only the task can tell whether it was done."""
        if write.kind in (CREATE, RESTORE):  # the uid, and that the task is there again, prevent that it's done twice
            self._note(self._queue.is_undone, write)
            return
        theirs = yield from self._theirs(write)
        if theirs is not None and _is_as_before(write, theirs):
            self._note(self._queue.is_undone, write)
        else:
            yield from self._settle(write, theirs, open=True)

    def _settle_restored(self, write: Write) -> Steps[None]:
        """Decides about a write that was to bring a task back which is there."""
        theirs = yield from self._theirs(write)
        if theirs is None:
            self._refuse(write, f"Task {write.task_id} was deleted by others, and its id is another task's.")
        else:
            self._answered(write, theirs)

    def _settle_uid(self, write: Write, theirs: Task | None) -> Steps[None]:
        """Decides about a new task whose uid another one has: for the service they are one task."""
        if theirs is None:
            self._refuse(write, "Another task has its uid.")
            return
        fields = {name: value for name, value in write.fields.items() if name not in GIVEN_ONCE}
        if write.uid is not None or changes_nothing(theirs.json, fields):
            self._note(self._queue.answer, write, theirs.json)  # it was created by an attempt without an answer
            return
        mine = Task.from_json({**theirs.json, **fields})
        decision = yield from self._decision(Conflict(mine, theirs, None, fields))
        with self._file.transaction(durable=True):
            if not decision or decision == DELETION:
                self._queue.record(write.number, f"Task {theirs.id} has its uid.")
                self._queue.answer(write, theirs.json)
            else:
                self._queue.adopt(write, theirs.json, plain_fields(decision, new=False))

    def _decision(self, conflict: Conflict) -> Steps[Decision]:
        decision = self._decide(conflict)
        if inspect.isawaitable(decision):
            decision = yield decision
        return cast("Decision", decision)

    def _carry_out(self, write: Write, conflict: Conflict, decision: Decision) -> None:
        assert write.base is not None
        theirs = conflict.theirs
        with self._file.transaction(durable=True):
            if not decision:
                self._queue.refuse(write, _reason(conflict))
            elif theirs is None:
                if decision == DELETION:
                    self._queue.answer(write, None)
                else:
                    self._queue.rewrite(write, RESTORE, plain_fields(decision, new=False), write.base)
            elif decision == DELETION:
                self._queue.rewrite(write, DELETE, write.fields if write.kind == DELETE else {}, theirs.json)
            else:
                self._queue.rewrite(write, UPDATE, plain_fields(decision, new=False), theirs.json)

    def _refuse(self, write: Write, reason: str) -> None:
        self._note(self._queue.refuse, write, reason)

    def _note(self, method: Callable[..., None], *arguments: Any) -> None:
        """Calls a method of the queue in a transaction."""
        with self._file.transaction():
            method(*arguments)


def _reason(conflict: Conflict) -> str:
    """Returns why a write was given up after its conflict was decided."""
    if conflict.theirs is None:
        return "Others have deleted the task."
    if conflict.open:
        return "Others have changed the task, and the service didn't answer whether this was written before."
    return "Others have changed the task."


def _is_as_before(write: Write, theirs: Task) -> bool:
    """Returns whether a task is as it was when the write was queued."""
    assert write.base is not None
    return same_content(write.base, theirs.json)


def _meets(write: Write, theirs: Task) -> bool:
    """Returns whether an update changes fields that others have changed."""
    assert write.base is not None
    return meet(write.base, theirs.json, write.fields)


def _is_refusal(problem: Problem, write: Write) -> bool:
    """Returns whether the service will always refuse this write, so that the later ones needn't wait for it."""
    if isinstance(problem, Forbidden):  # only administrators give these
        return bool(write.fields.keys() & {"created_at", "completed_at"})
    return problem.status in _REFUSALS and problem.name not in _OF_THE_SERVICE
