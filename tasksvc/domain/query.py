"""Which tasks, in which order: the filter, the sort and the cursor, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

from tasksvc.domain.task import Task, json_size


def fold_text(text: str) -> str:
    """Returns `text` in the form in which a search compares: casefolded, in Unicode's normal form C.

    Canonically equivalent texts have the same form, whatever their case (Unicode standard, section
    3.13).  It is normalized before too, since a combining iota that casefolding makes a letter of
    would come to stand elsewhere; and afterwards, since what casefolding gives need not be normal.
    """
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


_folded_q = lru_cache(64)(fold_text)
"""Returns fold_text() of what is searched for, which is compared with many descriptions."""


class SortField(StrEnum):
    """What a list may be ordered by."""

    ID = "id"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    DUE_AT = "due_at"
    PRIORITY = "priority"


SortValue = int | datetime | None


class Cursor(NamedTuple):
    """A place in an ordered list: after the task with this sort value and id, which need not exist any more."""

    value: SortValue
    id: int


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """A filter, all of whose conditions must hold, and an order.

    `labels` must all be there.  `q` is a part of the description; fold_text() is applied to both before they are
    compared.  `before` and `after` are strict, `min` and `max` are not.  Nulls come last in both directions;
    ties are broken by id, in the direction of the sort.
    """

    done: bool | None = None
    labels: tuple[str, ...] = ()
    priority: int | None = None
    priority_min: int | None = None
    priority_max: int | None = None
    due_before: datetime | None = None
    due_after: datetime | None = None
    created_after: datetime | None = None
    updated_after: datetime | None = None
    q: str | None = None
    """A substring of the description, both as fold_text() gives them."""
    sort: SortField = SortField.ID
    descending: bool = False

    def matches(self, task: Task) -> bool:
        """Returns whether `task` passes the filter."""
        due = task.due_at
        return (
            (self.done is None or task.done is self.done)
            and all(label in task.labels for label in self.labels)
            and (self.priority is None or task.priority == self.priority)
            and (self.priority_min is None or task.priority >= self.priority_min)
            and (self.priority_max is None or task.priority <= self.priority_max)
            and (self.due_before is None or (due is not None and due < self.due_before))
            and (self.due_after is None or (due is not None and due > self.due_after))
            and (self.created_after is None or task.created_at > self.created_after)
            and (self.updated_after is None or task.updated_at > self.updated_after)
            and (self.q is None or _folded_q(self.q) in fold_text(task.description))
        )

    def value_of(self, task: Task) -> SortValue:
        """Returns what `task` is sorted by."""
        value: SortValue = getattr(task, self.sort)
        return value

    def cursor(self, task: Task) -> Cursor:
        """Returns the place just after `task`."""
        return Cursor(self.value_of(task), task.id)

    def follows(self, task: Task, after: Cursor) -> bool:
        """Returns whether `task` comes after the place `after`, in this order."""
        value = self.value_of(task)
        if (value is None) != (after.value is None):
            return value is None
        here, there = (value, task.id), (after.value, after.id)
        if value is None or value == after.value:
            return task.id < after.id if self.descending else task.id > after.id
        return here < there if self.descending else here > there


def select(
    tasks: Iterable[Task], query: TaskQuery, after: Cursor | None, limit: int, max_bytes: int | None = None
) -> tuple[list[Task], Cursor | None]:
    """Returns the first `limit` tasks of `query` after the place `after`, and the next place, if there is more.

    With `max_bytes` only as many of them as fitting() says.

    This is what the find() of every store must equal; a store that holds its tasks in memory may
    call it.
    """
    found = [task for task in tasks if query.matches(task) and (after is None or query.follows(task, after))]
    known = [task for task in found if query.value_of(task) is not None]
    known.sort(key=lambda task: (query.value_of(task), task.id), reverse=query.descending)
    nulls = [task for task in found if query.value_of(task) is None]
    nulls.sort(key=lambda task: task.id, reverse=query.descending)
    ordered = known + nulls
    page = ordered[:limit]
    if max_bytes is not None:
        page = page[: fitting(map(json_size, page), max_bytes)]
    return page, query.cursor(page[-1]) if len(ordered) > len(page) else None


def fitting(sizes: Iterable[int], max_bytes: int) -> int:
    """Returns how many of the first `sizes` come to at most `max_bytes` together, but at least 1 if there is any."""
    total = count = 0
    for size in sizes:
        total += size
        if count and total > max_bytes:
            break
        count += 1
    return count
