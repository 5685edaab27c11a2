"""A store in plain dicts, independent of `tasksvc.domain.ledger`, so that a fault in one shows in the other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tasksvc import (
    Change,
    ChangeKind,
    CreateTask,
    DeleteMatching,
    DeleteResult,
    DeleteTask,
    IdempotencyKey,
    Precondition,
    PutRecord,
    Record,
    Task,
    TaskDraft,
    UpdateTask,
    Write,
)

DEFAULTS: dict[str, Any] = TaskDraft._field_defaults


class Refusal(Exception):
    """The model refuses a write: with which error, and which write."""

    def __init__(self, error: str, index: int | None) -> None:
        super().__init__(error, index)
        self.error, self.index = error, index


class Model:
    """What a workspace must hold after the commits that it received."""

    def __init__(self, records: dict[tuple[str, str], Record]) -> None:
        """Takes the records of the store, which models of its workspaces share."""
        self.generation = ""
        """The generation that the workspace has in the store; "" until it is made."""
        self.tasks: dict[int, Task] = {}
        self.records = records
        self.log: list[Change] = []
        self.keys: dict[tuple[str, str], tuple[str, datetime, list[Any]]] = {}
        self.last_id = 0
        self.pruned_seq = 0
        """Changes up to this number have been pruned."""
        self.has_used_keys = False
        """Whether an idempotency key was ever used, though it may be pruned now."""

    @property
    def is_made(self) -> bool:
        """Whether a commit has left something in the workspace, which makes it."""
        return bool(self.log) or self.has_used_keys

    def commit(
        self, writes: Sequence[Write], at: datetime, idempotency_key: IdempotencyKey | None, tasks_max: int | None
    ) -> tuple[list[Any], bool]:
        """Returns the results, and whether they are replayed. Raises Refusal without any effect."""
        if idempotency_key is not None and (used := self.keys.get((idempotency_key.scope, idempotency_key.value))):
            fingerprint, _, results = used
            if fingerprint != idempotency_key.fingerprint:
                raise Refusal("IdempotencyKeyReused", None)
            return results, True
        before = (dict(self.tasks), dict(self.records), list(self.log), self.last_id)
        results = []
        for index, write in enumerate(writes):
            try:
                if isinstance(write, CreateTask) and tasks_max is not None and len(self.tasks) >= tasks_max:
                    raise KeyError("WorkspaceFull")
                results.append(self._write(write, at))
            except KeyError as error:
                self.tasks, records, self.log, self.last_id = before
                self.records.clear()
                self.records.update(records)
                raise Refusal(error.args[0], index) from error
        if idempotency_key is not None:
            self.has_used_keys = True
            self.keys[idempotency_key.scope, idempotency_key.value] = (idempotency_key.fingerprint, at, results)
        return results, False

    def _write(self, write: Write, at: datetime) -> Any:
        if isinstance(write, CreateTask):
            values = write.draft._asdict()
            _check_due(values)
            self.last_id += 1
            completed = at if write.draft.done else None
            return self._keep(
                Task(**values, id=self.last_id, completed_at=completed, created_at=at, updated_at=at, version=1)
            )
        if isinstance(write, UpdateTask):
            old = self._expected(write.task_id, write.expected)
            return self._patched(old, write.fields, max(at, old.updated_at))
        if isinstance(write, DeleteTask):
            self._drop(self._expected(write.task_id, write.expected), at)
            return None
        if isinstance(write, DeleteMatching):
            before = len(self.tasks)
            for task_id in write.task_ids:
                if task_id in self.tasks and write.query.matches(self.tasks[task_id]):
                    self._drop(self.tasks[task_id], at)
            return DeleteResult(before - len(self.tasks), write.more)
        name = write.namespace, write.key
        version = self.records[name].version if name in self.records else 0
        if write.expected not in (None, version):
            raise KeyError("RecordConflict")
        if isinstance(write, PutRecord):
            self.records[name] = Record(*name, write.value, version + 1)
            return self.records[name]
        self.records.pop(name, None)
        return None

    def _expected(self, task_id: int, expected: Precondition) -> Task:
        if task_id not in self.tasks:
            raise KeyError("TaskNotFound")
        task = self.tasks[task_id]
        version = (self.generation, task.version)
        if (expected.any_of is not None and version not in expected.any_of) or version in expected.none_of:
            raise KeyError("VersionConflict")
        return task

    def _patched(self, old: Task, fields: Mapping[str, Any], at: datetime) -> Task:
        values = {name: DEFAULTS[name] if value is None else value for name, value in fields.items()}
        _check_due(values)
        for given, cleared in (("due_at", "due_on"), ("due_on", "due_at")):
            if values.get(given) is not None:
                values[cleared] = None
        if fields.get("metadata") is not None:
            values["metadata"] = _merged(old.metadata, fields["metadata"])
        new = dataclasses.replace(old, **values)
        if _canonical(new) == _canonical(old):
            return old
        if new.done != old.done:
            new.completed_at = at if new.done else None
        new.updated_at, new.version = at, old.version + 1
        return self._keep(new)

    def _drop(self, task: Task, at: datetime) -> None:
        del self.tasks[task.id]
        self.log.append(Change(len(self.log) + 1, ChangeKind.DELETED, max(at, task.updated_at), task.id, None))

    def _keep(self, task: Task) -> Task:
        self.tasks[task.id] = task
        kind = ChangeKind.CREATED if task.version == 1 else ChangeKind.UPDATED
        self.log.append(Change(len(self.log) + 1, kind, task.updated_at, task.id, task))
        return task

    def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime) -> None:
        """Prunes all that is due, in one step."""
        while self.pruned_seq < len(self.log) and (
            self.log[self.pruned_seq].at < log_before or len(self.log) - self.pruned_seq > max_changes
        ):
            self.pruned_seq += 1
        self.keys = {name: used for name, used in self.keys.items() if used[1] >= keys_before}


def _canonical(task: Task) -> tuple[object, ...]:
    """Returns `task` in a form whose parts are equal where JSON values are: 1, 1.0 and true aren't."""
    values = vars(task)
    return (
        json.dumps(dict(values["metadata"]), sort_keys=True),
        *(values[name] for name in values if name != "metadata"),
    )


def _check_due(values: Mapping[str, Any]) -> None:
    if values.get("due_at") is not None and values.get("due_on") is not None:
        raise KeyError("InvalidTask")


def _merged(target: Any, patch: Any) -> Any:
    """Applies a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        result[name] = _merged(result.get(name), value)
        if value is None:
            del result[name]
    return result
