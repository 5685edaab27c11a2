"""Which tasks are parts of which, and which uids are taken, as far as a ledger knows."""

from __future__ import annotations

from typing import Final

from tasksvc.domain.query import term
from tasksvc.domain.task import Task

PARENTS_MAX: Final = 7
"""The most tasks that lie above one another over a task, so that there are at most 8 levels."""
RELATED_MAX: Final = 1_000
"""The most tasks that a commit changes besides those that it names."""


def children_term(task_id: int) -> str:
    """Returns the term of the tasks whose parent is the task `task_id`."""
    return term("parent_id", task_id)


def uid_term(uid: str) -> str:
    """Returns the term of the task that has the uid."""
    return term("uid", uid)


class Relations:
    """The ids of tasks by the terms of their parents and their uids.

    With another one below, it keeps what it is given, and leaves that one as it is.
    """

    def __init__(self, below: Relations | None = None) -> None:
        self._below = below
        self._known: dict[str, dict[int, bool]] = {}
        """For each term, the tasks that have it, and those that don't have it any more."""

    def having(self, term: str) -> list[int]:
        """Returns the ids of the tasks that have a term, in ascending order."""
        found = set() if self._below is None else set(self._below.having(term))
        for task_id, has in self._known.get(term, {}).items():
            if has:
                found.add(task_id)
            else:
                found.discard(task_id)
        return sorted(found)

    def children(self, task_id: int) -> list[int]:
        """Returns the ids of the tasks whose parent is the task `task_id`, in ascending order."""
        return self.having(children_term(task_id))

    def replace(self, before: Task | None, after: Task | None) -> None:
        """Notes what a write leaves of a task; None if there was none, or is none any more."""
        old = set() if before is None else set(_terms(before))
        new = set() if after is None else set(_terms(after))
        if old == new:
            return
        for gone in old - new:
            assert before is not None
            self._forget(gone, before.id)
        for added in new - old:
            assert after is not None
            self._known.setdefault(added, {})[after.id] = True

    def _forget(self, term: str, task_id: int) -> None:
        if self._below is not None:
            self._known.setdefault(term, {})[task_id] = False
            return
        having = self._known.get(term, {})
        having.pop(task_id, None)
        if not having:
            self._known.pop(term, None)


def _terms(task: Task) -> list[str]:
    """Returns the terms of a task that a ledger looks up."""
    terms = []
    if task.parent_id is not None:
        terms.append(children_term(task.parent_id))
    if task.uid is not None:
        terms.append(uid_term(task.uid))
    return terms
