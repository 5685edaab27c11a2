"""What a store reads before the ledger of a workspace can decide some commits, round by round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, assert_never

from tasksvc.domain.change import Change
from tasksvc.domain.relations import RELATED_MAX, Relations, children_term, uid_term
from tasksvc.domain.task import Task
from tasksvc.domain.writes import (
    Commit,
    CreateTask,
    DeleteMatching,
    DeleteRecord,
    DeleteTask,
    PutRecord,
    RestoreTask,
    SkipOccurrence,
    UpdateMatching,
    UpdateTask,
    Write,
)

KeyName = tuple[str, str]
"""The scope and the value of an idempotency key."""
RecordName = tuple[str, str]
"""The namespace and the key of a record."""


class ReadSet(NamedTuple):
    """The names of what a ledger must know to decide some commits."""

    task_ids: set[int]
    idempotency_keys: set[KeyName]
    records: set[RecordName]
    terms: set[str]
    """Terms of tasks: those that are found by each of them, but at most Reading.term_limit."""
    versions: dict[int, set[int]]
    """For some tasks, deleted ones too, the numbers of versions.

    Of each task these changes are needed, as far as the log has them: those that left these versions, the last one, and
    the last one that isn't a deletion.  More of them do no harm.
    """


def _no_names() -> ReadSet:
    """Returns a set to which names are added."""
    return ReadSet(set(), set(), set(), set(), {})


def read_set(commits: Iterable[Commit]) -> ReadSet:
    """Returns the names that are needed first, which are all that `commits` have by themselves."""
    names = _no_names()
    for commit in commits:
        if commit.idempotency_key is not None:
            names.idempotency_keys.add((commit.idempotency_key.scope, commit.idempotency_key.value))
        for write in commit.writes:
            _add(write, names)
    return names


def _add(write: Write, names: ReadSet) -> None:
    match write:
        case CreateTask(draft):
            if draft.parent_id is not None:
                names.task_ids.add(draft.parent_id)
            if draft.uid is not None:
                names.terms.add(uid_term(draft.uid))
        case UpdateTask(task_id, fields):
            names.task_ids.add(task_id)
            _add_parent(fields, names)
        case SkipOccurrence(task_id):
            names.task_ids.add(task_id)
        case RestoreTask(task_id, version):
            names.task_ids.add(task_id)
            names.versions.setdefault(task_id, set()).add(version)
        case DeleteTask(task_id):
            names.task_ids.add(task_id)
            names.terms.add(children_term(task_id))
        case UpdateMatching(task_ids, _, fields):
            names.task_ids.update(task_ids)
            _add_parent(fields, names)
        case DeleteMatching(task_ids):
            names.task_ids.update(task_ids)
            names.terms.update(map(children_term, task_ids))
        case PutRecord(namespace, key) | DeleteRecord(namespace, key):
            names.records.add((namespace, key))
        case _:
            if TYPE_CHECKING:
                assert_never(write)  # the ledger refuses it, and so fails no other commit


def _removed_at_most(commit: Commit) -> int:
    """Returns how many tasks a commit may delete or move, so that they aren't found by a term any more."""
    return sum(map(_removed_by, commit.writes))


def _removed_by(write: Write) -> int:
    match write:
        case DeleteTask(_, _, True):
            return 1 + RELATED_MAX
        case DeleteTask():
            return 1
        case DeleteMatching(task_ids):
            return len(task_ids)
        case UpdateTask() | RestoreTask():
            return 2  # the task, and the next one of its series
        case UpdateMatching(task_ids):
            return 2 * len(task_ids)
        case _:
            return 0


def _add_parent(fields: Mapping[str, object], names: ReadSet) -> None:
    if isinstance(parent_id := fields.get("parent_id"), int):
        names.task_ids.add(parent_id)


class Reading:
    """Finds out what must be read for commits in one workspace, where one thing leads to another.

    A store calls next() and add() in turn, until next() returns None.
    """

    def __init__(self, commits: Iterable[Commit]) -> None:
        self._commits = list(commits)
        self.term_limit = RELATED_MAX + 1 + sum(map(_removed_at_most, self._commits))
        """The most tasks to read for each term.

        Of more than these at least RELATED_MAX + 1 are left, whatever the commits take away, so the ledger refuses to
        change them all.
        """
        self.tasks: dict[int, Task] = {}
        """All tasks that were read."""
        self.changes: dict[int, list[Change]] = {}
        """For each task whose versions were asked for, its changes, in their order."""
        self._relations = Relations()
        self._task_ids: set[int] = set()
        self._terms: set[str] = set()
        self._versions: dict[int, int] = {}
        self._has_begun = False

    def next(self) -> ReadSet | None:
        """Returns the names of what must be read next, or None once everything has been read.

        Idempotency keys and records are in the first one alone.
        """
        if not self._has_begun:
            self._has_begun = True
            names = read_set(self._commits)
        else:
            names = _no_names()
            for commit in self._commits:
                for write in commit.writes:
                    self._follow(write, names)
            names = names._replace(task_ids=names.task_ids - self._task_ids, terms=names.terms - self._terms)
        if not any(names):
            return None
        self._task_ids |= names.task_ids
        self._terms |= names.terms
        self.changes |= {task_id: [] for task_id in names.versions}
        return names

    def add(self, *, tasks: Iterable[Task] = (), changes: Iterable[Change] = ()) -> None:
        """Notes what was found, the changes of each task in their order."""
        for task in tasks:
            if task.id not in self.tasks:
                self.tasks[task.id] = task
                self._relations.replace(None, task)
        for change in changes:
            self.changes[change.task_id].append(change)

    # ------------------------------------------------------------ what leads to what
    # Each adds what is needed besides, given what is known.

    def _follow(self, write: Write, names: ReadSet) -> None:
        match write:
            case CreateTask(draft):
                self._follow_parents(draft.parent_id, names)
            case UpdateTask(task_id, fields):
                self._follow_update(task_id, fields, names)
            case UpdateMatching(task_ids, _, fields):
                for task_id in task_ids:
                    self._follow_update(task_id, fields, names)
            case RestoreTask(task_id, number):
                self._follow_restored(task_id, number, names)
            case DeleteTask(task_id, _, True):
                self._follow_children(task_id, names)
            case _:
                pass

    def _follow_update(self, task_id: int, fields: Mapping[str, object], names: ReadSet) -> None:
        # A task that isn't known may be one that an earlier write creates, with a parent that is to be known.
        if (task := self.tasks.get(task_id)) is not None:
            self._follow_next(task.next_id, names)
        if isinstance(parent_id := fields.get("parent_id"), int):
            self._follow_parents(parent_id, names)
            self._follow_children(task_id, names)

    def _follow_restored(self, task_id: int, number: int, names: ReadSet) -> None:
        versions = [change.task for change in self.changes[task_id] if change.task is not None]
        wanted = [version for version in versions if version.version == number]
        for version in (*wanted, *versions[-1:], *filter(None, (self.tasks.get(task_id),))):
            self._follow_next(version.next_id, names)
            self._follow_parents(version.parent_id, names)
            if version.uid is not None:
                names.terms.add(uid_term(version.uid))
        self._follow_children(task_id, names)

    def _follow_next(self, next_id: int | None, names: ReadSet) -> None:
        """Adds the next task of a series, and its children, for which it counts as changed."""
        if next_id is not None:
            names.task_ids.add(next_id)
            names.terms.add(children_term(next_id))

    def _follow_parents(self, parent_id: int | None, names: ReadSet) -> None:
        """Adds a parent, and the tasks above it as far as they are known."""
        seen: set[int] = set()
        while parent_id is not None and parent_id not in seen:
            seen.add(parent_id)
            names.task_ids.add(parent_id)
            parent = self.tasks.get(parent_id)
            parent_id = None if parent is None else parent.parent_id

    def _follow_children(self, task_id: int, names: ReadSet) -> None:
        """Adds the tasks below a task, as far as they are known, unless these are too many already."""
        level, found = [task_id], 0
        while level and found < self.term_limit:
            names.terms.update(map(children_term, level))
            level = [child for parent in level for child in self._relations.children(parent)]
            found += len(level)
