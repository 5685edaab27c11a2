"""Whether what a store holds agrees with itself."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import assert_never

from tasksvc.domain.change import Change, ChangeKind
from tasksvc.domain.json_text import dumps
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task
from tasksvc.domain.writes import Entry, IdempotencyRecord, StoreHeader

_ORDER = (StoreHeader, Task, Record, IdempotencyRecord, Change)
_UNKNOWN, _DELETED = 0, 1
"""States of a task that the log doesn't hold."""


async def inconsistencies(dump: AsyncIterable[Entry]) -> AsyncIterator[str]:
    """Yields what is wrong in a dump, a sentence each: order, numbers, versions, tasks against the log.

    Keeps 32 bytes of memory for each task.
    """
    books: _Books | None = None
    kind = 0
    async for entry in dump:
        if books is None:
            if not isinstance(entry, StoreHeader):
                yield "The header is missing."
                return
            books = _Books(entry)
        elif _ORDER.index(type(entry)) < max(kind, 1):
            yield f"A {type(entry).__name__} comes after a {_ORDER[kind].__name__}."
        else:
            kind = _ORDER.index(type(entry))
            for problem in books.enter(entry):
                yield problem
    if books is None:
        yield "There is nothing, not even a header."
    else:
        for problem in books.close():
            yield problem


class _Books:
    """What was seen so far, in little memory: tasks are distinguished by 63 bits of a hash."""

    def __init__(self, header: StoreHeader) -> None:
        self._header = header
        self._ids, self._states = array("q"), array("q")
        self._logged, self._versions = array("q"), array("q")  # by the log, for each of the tasks
        self._missing: set[int] = set()
        self._seq = header.pruned_seq
        self._last: Record | IdempotencyRecord | None = None

    def enter(self, entry: Entry) -> Iterator[str]:
        match entry:
            case Task():
                yield from self._task(entry)
            case Record(namespace, key, _, version):
                if isinstance(self._last, Record) and (namespace, key) <= self._last[:2]:
                    yield f"The record {key!r} of {namespace!r} is there twice, or out of order."
                if version < 1:
                    yield f"The record {key!r} of {namespace!r} is at version {version}."
                self._last = entry
            case IdempotencyRecord():
                if isinstance(self._last, IdempotencyRecord) and entry.key[:2] <= self._last.key[:2]:
                    yield f"The idempotency key used at {entry.at} is there twice, or out of order."
                self._last = entry
            case Change():
                yield from self._change(entry)
            case StoreHeader():
                pass  # which is out of order, so inconsistencies() has reported it
            case _:
                assert_never(entry)

    def _task(self, task: Task) -> Iterator[str]:
        if self._ids and task.id <= self._ids[-1]:
            yield f"Task {task.id} is there twice, or out of order."
        yield from _contradictions(task)
        if not 1 <= task.id <= self._header.last_id:
            yield f"Task {task.id} has an id that was never given: the highest is {self._header.last_id}."
        self._ids.append(task.id)
        self._states.append(_state(task))
        self._logged.append(_UNKNOWN)
        self._versions.append(0)

    def _change(self, change: Change) -> Iterator[str]:
        seq, kind, _, task_id, task = change
        if seq != self._seq + 1:
            yield f"The log has {seq} after {self._seq}."
        self._seq = seq
        if (kind is ChangeKind.DELETED) != (task is None) or (task is not None and task.id != task_id):
            yield f"Change {seq} does not fit its task: it is {kind.value}, of task {task_id}."
            return
        if not 1 <= task_id <= self._header.last_id:
            yield f"Change {seq} is of task {task_id}, which was never there: the highest id is {self._header.last_id}."
        index = bisect_left(self._ids, task_id)
        if index == len(self._ids) or self._ids[index] != task_id:
            if task is None:
                self._missing.discard(task_id)
            else:
                self._missing.add(task_id)
            return
        self._logged[index] = _DELETED if task is None else _state(task)
        if task is not None:
            before = 0 if kind is ChangeKind.CREATED else self._versions[index] or task.version - 1
            if task.version != before + 1:
                yield f"Change {seq} brings task {task_id} from version {before} to {task.version}."
            self._versions[index] = task.version

    def close(self) -> Iterator[str]:
        if self._seq != self._header.last_seq:
            yield f"The log ends with {self._seq}, and its header says {self._header.last_seq}."
        whole = self._header.pruned_seq == 0
        for task_id, state, logged in zip(self._ids, self._states, self._logged, strict=True):
            if logged == _DELETED:
                yield f"Task {task_id} is there, and the log says that it was deleted."
            elif logged not in (_UNKNOWN, state):
                yield f"Task {task_id} is not what its newest change in the log made of it."
            elif logged == _UNKNOWN and whole:
                yield f"Task {task_id} is there, and the log, which is whole, has no change of it."
        for task_id in sorted(self._missing):
            yield f"Task {task_id} is not there, and the log does not say that it was deleted."


def _state(task: Task) -> int:
    """Differs where tasks differ, and is neither _UNKNOWN nor _DELETED."""
    return hash(dumps(task)) | 2


def _contradictions(task: Task) -> Iterator[str]:
    """Yields what no task can be."""
    if task.version < 1:
        yield f"Task {task.id} is at version {task.version}."
    if task.done != (task.completed_at is not None):
        yield f"Task {task.id} is {'done' if task.done else 'not done'}, and its time of completion says otherwise."
    if task.updated_at < task.created_at:
        yield f"Task {task.id} was updated before it was created."
