"""What the entries of commits leave in the tables of a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, assert_never

from tasksvc.domain.change import Change, ChangeKind
from tasksvc.domain.query import terms_of
from tasksvc.domain.reading import RecordName
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task
from tasksvc.domain.writes import Entry, IdempotencyRecord, StoreHeader, WorkspaceHeader

TermRow = tuple[str, int]
"""A term, and the id of a task that is found by it."""


class Settled(NamedTuple):
    """The rows that entries write and delete, table by table.

    `changes` are appended to the log.  `tasks` are created or replaced, each as the last of its changes left it, and
    `deleted_tasks` are the ids of those that existed before and don't any more.  `new_terms` and `deleted_terms` are
    rows of the index of terms.  `records` are created or replaced; `deleted_records` are namespaces and keys.
    """

    changes: list[Change]
    tasks: list[Task]
    deleted_tasks: list[int]
    new_terms: list[TermRow]
    deleted_terms: list[TermRow]
    records: list[Record]
    deleted_records: list[RecordName]
    idempotency_records: list[IdempotencyRecord]
    header: WorkspaceHeader | None = None
    """The header of the workspace, if the commits make it."""


def settle(entries: Iterable[Entry], before: Mapping[int, Task]) -> Settled:
    """Returns what the entries of some commits in one workspace write and delete.

    `before` has the tasks that the commits name, as the store holds them.
    """
    entries = tuple(entries)
    if len(entries) == 1 and type(only := entries[0]) is Change and only.kind is ChangeKind.CREATED and only.task:
        task = only.task  # most of all, so without the rest
        return Settled([only], [task], [], [(term, task.id) for term in dict.fromkeys(terms_of(task))], [], [], [], [])
    changes: list[Change] = []
    tasks: dict[int, Task | None] = {}
    records: dict[RecordName, Record] = {}
    idempotency_records: list[IdempotencyRecord] = []
    header: WorkspaceHeader | None = None
    for entry in entries:
        match entry:
            case Change():
                changes.append(entry)
                tasks[entry.task_id] = entry.task
            case Record(namespace, key):
                records[namespace, key] = entry
            case IdempotencyRecord():
                idempotency_records.append(entry)
            case WorkspaceHeader():
                header = entry
            case Task() | StoreHeader():
                raise RuntimeError(f"A commit changes tasks by changes, and was to store a {type(entry).__name__}.")
            case _:
                assert_never(entry)
    left = [task for task in tasks.values() if task is not None]
    terms = dict.fromkeys((term, task.id) for task in left for term in terms_of(task))
    old_terms = dict.fromkeys(
        (term, task_id) for task_id in tasks if task_id in before for term in terms_of(before[task_id])
    )
    return Settled(
        changes,
        left,
        [task_id for task_id, task in tasks.items() if task is None and task_id in before],
        [row for row in terms if row not in old_terms],
        [row for row in old_terms if row not in terms],
        [record for record in records.values() if record.version],
        [name for name, record in records.items() if not record.version],
        idempotency_records,
        header,
    )
