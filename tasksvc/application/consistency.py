"""Whether what a store holds agrees with itself."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import AsyncIterable, AsyncIterator, Iterator

from tasksvc.domain.change import Change, ChangeKind
from tasksvc.domain.json_text import dumps
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task
from tasksvc.domain.workspace import DEFAULT_WORKSPACE
from tasksvc.domain.writes import STORE, Entry, IdempotencyRecord, StoreEntry, StoreHeader, WorkspaceHeader

_ORDER = (WorkspaceHeader, Task, IdempotencyRecord, Change)
"""The kinds of what a workspace has, in their order in a dump."""
_UNKNOWN, _DELETED = 0, 1
"""States of a task that the log doesn't hold."""


async def inconsistencies(dump: AsyncIterable[StoreEntry]) -> AsyncIterator[str]:
    """Yields what is wrong in a dump, a sentence each: order, numbers, versions, tasks against the log.

    Keeps 32 bytes of memory for each task of one workspace, and as many more for one with a parent and a uid.
    """
    books: _Books | _StoreBooks | None = None
    async for name, entry in dump:
        if books is None:
            if not isinstance(entry, StoreHeader):
                yield "The header of the store is missing."
                return
            books = _StoreBooks()
            continue
        if name != books.name and isinstance(entry, WorkspaceHeader):
            for problem in books.close():
                yield books.located(problem)
            if name <= books.name:
                yield f"The workspace {name!r} is there twice, or out of order."
            books = _Books(name, entry)
            continue
        if name == books.name:
            for problem in books.enter(entry):
                yield books.located(problem)
        elif name == STORE:
            yield f"A {type(entry).__name__} comes after the header of a workspace."
        else:
            yield f"A {type(entry).__name__} of the workspace {name!r} comes before the header of the workspace."
    if books is None:
        yield "There is nothing, not even a header."
    else:
        for problem in books.close():
            yield books.located(problem)


class _StoreBooks:
    """What was seen of what belongs to the store."""

    name = STORE

    def __init__(self) -> None:
        self._last: Record | None = None

    def enter(self, entry: Entry) -> Iterator[str]:
        """Yields what is wrong with an entry."""
        if not isinstance(entry, Record):
            yield f"A {type(entry).__name__} comes after the header of the store."
            return
        namespace, key, _, version = entry
        if self._last is not None and (namespace, key) <= self._last[:2]:
            yield f"The record {key!r} of {namespace!r} is there twice, or out of order."
        if version < 1:
            yield f"The record {key!r} of {namespace!r} is at version {version}."
        self._last = entry

    def close(self) -> Iterator[str]:
        """Yields what is wrong with the whole."""
        return iter(())

    def located(self, problem: str) -> str:
        """Returns a sentence that says where the problem is."""
        return problem


class _Books:
    """What was seen of a workspace, in little memory: tasks are distinguished by 63 bits of a hash."""

    def __init__(self, name: str, header: WorkspaceHeader) -> None:
        self.name, self._header, self._kind = name, header, 0
        self._ids, self._states = array("q"), array("q")
        self._logged, self._versions = array("q"), array("q")  # by the log, for each of the tasks
        self._below, self._parents, self._uids = array("q"), array("q"), array("q")  # of the tasks that have them
        self._missing: set[int] = set()
        self._seq = header.pruned_seq
        self._last: IdempotencyRecord | None = None

    def enter(self, entry: Entry) -> Iterator[str]:
        """Yields what is wrong with an entry."""
        kind = _ORDER.index(type(entry)) if type(entry) in _ORDER else 0
        if kind < max(self._kind, 1):
            yield f"A {type(entry).__name__} comes after a {_ORDER[self._kind].__name__}."
            return
        self._kind = kind
        match entry:
            case Task():
                yield from self._task(entry)
            case IdempotencyRecord():
                if self._last is not None and entry.key[:2] <= self._last.key[:2]:
                    yield f"The idempotency key used at {entry.at} is there twice, or out of order."
                self._last = entry
            case Change():
                yield from self._change(entry)

    def _task(self, task: Task) -> Iterator[str]:
        if self._ids and task.id <= self._ids[-1]:
            yield f"Task {task.id} is there twice, or out of order."
        yield from _contradictions(task)
        if not 1 <= task.id <= self._header.last_id:
            yield f"Task {task.id} has an id that was never given: the highest is {self._header.last_id}."
        self._ids.append(task.id)
        if task.parent_id is not None:
            self._below.append(task.id)
            self._parents.append(task.parent_id)
        if task.uid is not None:
            self._uids.append(hash(task.uid))
        self._states.append(_state(task))
        self._logged.append(_UNKNOWN)
        self._versions.append(0)

    def _change(self, change: Change) -> Iterator[str]:
        seq, kind, _, task_id, task, _ = change
        if seq != self._seq + 1:
            yield f"The log has {seq} after {self._seq}."
        self._seq = seq
        if (kind is ChangeKind.DELETED) != (task is None) or (task is not None and task.id != task_id):
            yield f"Change {seq} does not fit its task: it is {kind.value}, of task {task_id}."
            return
        if not 1 <= task_id <= self._header.last_id:
            yield f"Change {seq} is of task {task_id}, which was never there: the highest id is {self._header.last_id}."
        if (index := self._index_of(task_id)) is None:
            if task is None:
                self._missing.discard(task_id)
            else:
                self._missing.add(task_id)
            return
        self._logged[index] = _DELETED if task is None else _state(task)
        if task is not None:
            before = self._versions[index]
            if not before and (kind is not ChangeKind.CREATED or self._header.pruned_seq):
                before = max(0, task.version - 1)  # an earlier change of it was pruned
            if task.version != before + 1:
                yield f"Change {seq} brings task {task_id} from version {before} to {task.version}."
            self._versions[index] = task.version

    def _index_of(self, task_id: int) -> int | None:
        """Returns the index of a task among those that were seen, or None if it isn't there."""
        index = bisect_left(self._ids, task_id)
        return index if index < len(self._ids) and self._ids[index] == task_id else None

    def close(self) -> Iterator[str]:
        """Yields what is wrong with the whole."""
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
        for task_id, parent_id in zip(self._below, self._parents, strict=True):
            if self._index_of(parent_id) is None:
                yield f"Task {task_id} has the parent {parent_id}, which is not there."
        if len(set(self._uids)) < len(self._uids):
            yield "Several tasks have the same uid."
        for task_id in sorted(self._missing):
            yield f"Task {task_id} is not there, and the log does not say that it was deleted."

    def located(self, problem: str) -> str:
        """Returns a sentence that says where the problem is."""
        return problem if self.name == DEFAULT_WORKSPACE else f"Workspace {self.name!r}: {problem}"


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
