"""How heavy a commit is, so that a few heavy ones don't share a transaction that takes too long."""

from __future__ import annotations

from tasksvc.domain.json_object import JSONObject
from tasksvc.domain.json_text import dumps
from tasksvc.domain.writes import (
    Commit,
    CreateTask,
    DeleteMatching,
    DeleteTask,
    PutRecord,
    UpdateMatching,
    UpdateTask,
    Write,
)

WRITE_BYTES = 1_024
"""The bytes that count for every task or record that is written, for its row, its change and their indexes."""
WITH_CHILDREN = 256 * WRITE_BYTES
"""The bytes that count for a task that is deleted with all tasks below it, whose number isn't known yet."""


def commit_weight(commit: Commit) -> int:
    """Returns about how many bytes a store writes for `commit`, from what the commit itself says.

    It's meant as the `weight` of a Batcher of commits, and takes about a third of a microsecond for a new task.
    """
    weight = 0
    for write in commit.writes:
        # The most frequent one first, and without a call.
        if type(write) is CreateTask:
            draft = write.draft
            weight += WRITE_BYTES + len(draft.description) + len(draft.notes)
            if draft.metadata:
                weight += _size(draft.metadata)
        else:
            weight += _weight_of_other(write)
    return weight


def _weight_of_other(write: Write) -> int:
    match write:
        case UpdateTask():
            return WRITE_BYTES + _size(write.fields)
        case DeleteTask(_, _, True):
            return WITH_CHILDREN
        case UpdateMatching(task_ids) | DeleteMatching(task_ids):
            return WRITE_BYTES * len(task_ids)
        case PutRecord():
            return WRITE_BYTES + _size(write.value)
        case _:
            return WRITE_BYTES


def _size(value: JSONObject) -> int:
    try:
        return len(dumps(value))
    except (TypeError, ValueError, RecursionError):  # of what the ledger refuses
        return 0
