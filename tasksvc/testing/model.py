"""A store in plain dicts, independent of `tasksvc.domain.ledger`, so that a fault in one shows in the other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
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
    SkipOccurrence,
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
            if values["repeat"] is not None:
                values["repeat"] = _begun(values)
            self.last_id += 1
            completed = at if write.draft.done else None
            values |= {"completed_at": completed, "series_id": None, "next_id": None}
            return self._keep(Task(**values, id=self.last_id, created_at=at, updated_at=at, version=1))
        if isinstance(write, UpdateTask):
            old = self._expected(write.task_id, write.expected)
            return self._patched(old, write.fields, max(at, old.updated_at))
        if isinstance(write, SkipOccurrence):
            return self._skipped(self._expected(write.task_id, write.expected), at)
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
        new.repeat = _repeat_after_patch(old, new, fields.get("repeat"))
        if _canonical(new) == _canonical(old):
            return old
        new.updated_at, new.version = at, old.version + 1
        if new.done == old.done:
            return self._keep(new)
        new.completed_at = at if new.done else None
        return self._completed(new) if new.done else self._reopened(new, fields.get("repeat"))

    def _completed(self, task: Task) -> Task:
        occurrence = None if task.repeat is None else _following(task.repeat)
        if occurrence is None:
            return self._keep(task)
        self.last_id += 1
        task.next_id = self.last_id
        first = task.id if task.series_id is None else task.series_id
        new = dataclasses.replace(task, id=task.next_id, done=False, series_id=first, next_id=None, version=1)
        new.completed_at, new.created_at = None, task.updated_at
        self._keep(task)
        self._keep(_at_occurrence(new, occurrence))
        return task

    def _reopened(self, task: Task, repeat: Mapping[str, Any] | None) -> Task:
        if task.next_id is None:
            return self._keep(task)
        new = self.tasks.get(task.next_id)
        if new is None or new.version > 1:
            if repeat is None:
                task.repeat = None
            return self._keep(task)
        task.next_id = None
        self._keep(task)
        self._drop(new, task.updated_at)
        return task

    def _skipped(self, task: Task, at: datetime) -> Task:
        occurrence = None if task.repeat is None or task.done else _following(task.repeat)
        if occurrence is None:
            raise KeyError("InvalidTask")
        at = max(at, task.updated_at)
        return self._keep(
            _at_occurrence(dataclasses.replace(task, updated_at=at, version=task.version + 1), occurrence)
        )

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


# ---------------------------------------------------------------- repetition: REPEATS of the samples


def _begun(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `repeat` of a task with the fields `values` becomes.  Raises KeyError as _write() does."""
    due = values["due_at"] or values["due_on"]
    if due is None or values["done"]:
        raise KeyError("InvalidTask")
    start = _local(due)
    count = _parts(values["repeat"]).get("COUNT")
    remaining = None if count is None else int(count) - 1
    repeat = {**values["repeat"], "start": start, "occurrence": start, "remaining": remaining}
    if _following(repeat) is None:
        raise KeyError("InvalidTask")
    return repeat


def _repeat_after_patch(old: Task, new: Task, wanted: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Returns the `repeat` of a task that a patch changes from `old` to `new`; `wanted` is what it says of that."""
    due = new.due_at or new.due_on
    if wanted is not None:
        asked = (wanted["rule"], wanted["zone"], wanted["from"])
        same_due = (new.due_at, new.due_on) == (old.due_at, old.due_on)
        if old.repeat is not None and same_due and asked == tuple(old.repeat.values())[:3]:
            return old.repeat
        return _begun({**vars(new), "repeat": wanted})
    if new.repeat is None or due is None:
        return None
    if ("T" in new.repeat["start"]) != (new.due_at is not None):
        return {**new.repeat, "start": _local(due), "occurrence": _local(due)}
    return new.repeat


def _following(repeat: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns `repeat` at the next occurrence, or None."""
    text = repeat["occurrence"]
    remaining = repeat["remaining"]
    if remaining == 0:
        return None
    days = timedelta(days=int(_parts(repeat).get("INTERVAL", "1")))
    try:
        occurrence = datetime.fromisoformat(text) + days if "T" in text else date.fromisoformat(text) + days
    except OverflowError:
        return None
    left = None if remaining is None else remaining - 1
    return {**repeat, "occurrence": occurrence.isoformat(), "remaining": left}


def _at_occurrence(task: Task, repeat: dict[str, Any]) -> Task:
    text = repeat["occurrence"]
    if "T" in text:
        return dataclasses.replace(task, repeat=repeat, due_at=datetime.fromisoformat(text + "+00:00"), due_on=None)
    return dataclasses.replace(task, repeat=repeat, due_at=None, due_on=date.fromisoformat(text))


def _parts(repeat: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in repeat["rule"].split(";"))}


def _local(due: date) -> str:
    return due.isoformat().removesuffix("+00:00")


# ---------------------------------------------------------------- values


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
