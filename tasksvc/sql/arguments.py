"""The arguments of reads, as one value that a queue or a statement takes."""

from __future__ import annotations

from typing import NamedTuple

from tasksvc import Cursor, Position, TaskQuery


class FindArgs(NamedTuple):
    """The arguments of TaskRepository.find()."""

    query: TaskQuery
    after: Cursor | None
    limit: int
    max_bytes: int | None


class ReadArgs(NamedTuple):
    """The arguments of TaskRepository.read_changes()."""

    since: Position
    limit: int
    max_bytes: int | None
