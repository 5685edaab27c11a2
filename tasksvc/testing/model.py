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
    RestoreTask,
    SkipOccurrence,
    Task,
    TaskDraft,
    UpdateMatching,
    UpdateResult,
    UpdateTask,
    Write,
)

DEFAULTS: dict[str, Any] = TaskDraft._field_defaults
LEVELS = 8
"""The most levels of tasks below one another."""


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
        self._tasks_max: int | None = None
        self._by: str | None = None

    @property
    def is_made(self) -> bool:
        """Whether a commit has left something in the workspace, which makes it."""
        return bool(self.log) or self.has_used_keys

    def commit(
        self,
        writes: Sequence[Write],
        at: datetime,
        idempotency_key: IdempotencyKey | None,
        tasks_max: int | None,
        by: str | None,
    ) -> tuple[list[Any], bool]:
        """Returns the results, and whether they are replayed. Raises Refusal without any effect."""
        self._tasks_max, self._by = tasks_max, by
        if idempotency_key is not None and (used := self.keys.get((idempotency_key.scope, idempotency_key.value))):
            fingerprint, _, results = used
            if fingerprint != idempotency_key.fingerprint:
                raise Refusal("IdempotencyKeyReused", None)
            return results, True
        before = (dict(self.tasks), dict(self.records), list(self.log), self.last_id)
        results = []
        for index, write in enumerate(writes):
            try:
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
            return self._created(write.draft, at)
        if isinstance(write, UpdateTask):
            return self._patched(self._expected(write.task_id, write.expected), write.fields, at)
        if isinstance(write, SkipOccurrence):
            return self._skipped(self._expected(write.task_id, write.expected), at)
        if isinstance(write, RestoreTask):
            return self._restored(write, at)
        if isinstance(write, DeleteTask):
            task = self._expected(write.task_id, write.expected)
            self._drop_all([task, *(self._below(task.id) if write.children else [])], at)
            return None
        if isinstance(write, UpdateMatching):
            before = len(self.log)
            changed = 0
            for task_id in write.task_ids:
                if task_id in self.tasks and write.query.matches(self.tasks[task_id]):
                    self._patched(self.tasks[task_id], write.fields, at)
                    changed += len(self.log) > before
                    before = len(self.log)
            return UpdateResult(changed, write.more)
        if isinstance(write, DeleteMatching):
            named = [self.tasks[task_id] for task_id in dict.fromkeys(write.task_ids) if task_id in self.tasks]
            matching = [task for task in named if write.query.matches(task)]
            self._drop_all(matching, at)
            return DeleteResult(len(matching), write.more)
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

    def _created(self, draft: TaskDraft, at: datetime) -> Task:
        self._check_room()
        values = draft._asdict()
        _check_due(values)
        given = [draft.created_at, draft.completed_at]
        if any(time is not None and time > at for time in given) or (draft.completed_at and not draft.done):
            raise KeyError("InvalidTask")
        values["created_at"] = draft.created_at or at
        values["completed_at"] = (draft.completed_at or at) if draft.done else None
        if values["repeat"] is not None:
            values["repeat"] = _begun(values)
        new = Task(**values, id=self.last_id + 1, series_id=None, next_id=None, updated_at=at, version=1)
        self._check_uid(new)
        self._check_parent(new)
        self.last_id += 1
        return self._keep(new)

    def _check_room(self) -> None:
        if self._tasks_max is not None and len(self.tasks) >= self._tasks_max:
            raise KeyError("WorkspaceFull")

    def _check_uid(self, new: Task) -> None:
        if new.uid is not None and new.uid in [task.uid for task in self.tasks.values()]:
            raise KeyError("UidTaken")

    def _check_parent(self, new: Task) -> None:
        """Raises KeyError if a task can't have its parent."""
        above: list[int] = []
        parent_id = new.parent_id
        while parent_id is not None:
            if parent_id == new.id or parent_id not in self.tasks:
                raise KeyError("InvalidTask")
            above.append(parent_id)
            parent_id = self.tasks[parent_id].parent_id
        if above and len(above) + self._height(new.id) > LEVELS:
            raise KeyError("InvalidTask")

    def _children(self, task_id: int) -> list[Task]:
        return [self.tasks[child] for child in sorted(self.tasks) if self.tasks[child].parent_id == task_id]

    def _height(self, task_id: int) -> int:
        """Returns the levels of a task and of what is below it."""
        return 1 + max((self._height(child.id) for child in self._children(task_id)), default=0)

    def _below(self, task_id: int) -> list[Task]:
        """Returns what is below a task, level by level."""
        below: list[Task] = []
        level = self._children(task_id)
        while level:
            below += level
            level = [child for task in level for child in self._children(task.id)]
        return below

    def _patched(self, old: Task, fields: Mapping[str, Any], at: datetime) -> Task:
        at = max(at, old.updated_at)
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
        if new.parent_id != old.parent_id:
            self._check_parent(new)
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
        new.uid, new.completed_at, new.created_at = None, None, task.updated_at
        self._keep(task)
        self._keep(_at_occurrence(new, occurrence))
        return task

    def _reopened(self, task: Task, repeat: Mapping[str, Any] | None) -> Task:
        if task.next_id is None:
            return self._keep(task)
        new = self.tasks.get(task.next_id)
        if new is None or new.version > 1 or self._children(new.id):
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

    def _restored(self, write: RestoreTask, at: datetime) -> Task:
        present = self.tasks.get(write.task_id)
        if present is not None:
            self._expected(write.task_id, write.expected)
        elif not 1 <= write.task_id <= self.last_id or write.expected.any_of is not None:
            raise KeyError("TaskNotFound")
        log = [change for change in self.log[self.pruned_seq :] if change.task_id == write.task_id]
        versions = {change.task.version: change.task for change in log if change.task is not None}
        if present is not None:
            versions[present.version] = present
        newest = max(versions, default=0)
        if write.version not in versions:
            raise KeyError("VersionNotFound" if versions and write.version > newest else "VersionGone")
        last = versions[newest]
        at = max(at, last.updated_at, log[-1].at if present is None else at)
        new = dataclasses.replace(versions[write.version], version=newest + 1, updated_at=at)
        if present is None:
            self._check_room()
            self._check_uid(new)
        if present is None or new.parent_id != present.parent_id:
            try:
                self._check_parent(new)
            except KeyError:
                new.parent_id = None
        if present is not None and _given(new) == _given(present):
            return present
        return self._restored_in_series(new, last)

    def _restored_in_series(self, new: Task, last: Task) -> Task:
        """Keeps a task that was restored, after its version `last`, and what follows from that for its series."""
        if not new.done:
            new.next_id = last.next_id if last.next_id in self.tasks else None
            return self._reopened(new, None)
        following = [task_id for task_id in (new.next_id, last.next_id) if task_id in self.tasks]
        if following or last.done:
            new.next_id = following[0] if following else last.next_id
            return self._keep(new)
        new.next_id = None
        return self._completed(new)

    def _drop_all(self, doomed: Sequence[Task], at: datetime) -> None:
        """Deletes tasks, the deepest of them first, and takes the others from below them."""
        ids = [task.id for task in doomed]

        def depth(task: Task) -> int:
            return 0 if task.parent_id not in ids else 1 + depth(self.tasks[task.parent_id])

        for task in sorted(doomed, key=depth, reverse=True):
            for child in self._children(task.id):
                self._patched(child, {"parent_id": None}, at)
            self._drop(task, at)

    def _drop(self, task: Task, at: datetime) -> None:
        del self.tasks[task.id]
        self._note(ChangeKind.DELETED, max(at, task.updated_at), task.id, None)

    def _keep(self, task: Task) -> Task:
        kind = ChangeKind.UPDATED if task.id in self.tasks else ChangeKind.CREATED
        self.tasks[task.id] = task
        self._note(kind, task.updated_at, task.id, task)
        return task

    def _note(self, kind: ChangeKind, at: datetime, task_id: int, task: Task | None) -> None:
        self.log.append(Change(len(self.log) + 1, kind, at, task_id, task, self._by))

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


def _given(task: Task) -> tuple[object, ...]:
    """Returns what callers gave a task, in such a form."""
    return _canonical(dataclasses.replace(task, series_id=None, next_id=None, updated_at=datetime.min, version=0))


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
