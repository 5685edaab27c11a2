"""What a store reads for some commits: a ledger that knows only that decides as one that knows everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasksvc import (
    ANY_VERSION,
    Change,
    Commit,
    CreateTask,
    DeleteMatching,
    DeleteTask,
    InMemoryRepository,
    Ledger,
    Reading,
    RestoreTask,
    Task,
    TaskDraft,
    TaskQuery,
    UpdateMatching,
    UpdateTask,
    Write,
    WriteRefused,
    terms_of,
)
from tasksvc.domain.json_object import JSONObject
from tasksvc.testing.samples import NOW

WEEKLY = {"rule": "FREQ=WEEKLY", "zone": "UTC", "from": "schedule"}
IDS = st.integers(1, 9)
PARENTS = st.none() | IDS


def draft(parent_id: int | None, uid: str | None, repeat: JSONObject | None) -> TaskDraft:
    return TaskDraft("task", parent_id=parent_id, uid=uid, due_at=NOW, repeat=repeat)


DRAFTS = st.builds(draft, PARENTS, st.sampled_from([None, None, "a", "b"]), st.sampled_from([None, WEEKLY]))
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "parent_id": PARENTS,
        "done": st.booleans(),
        "priority": st.integers(0, 2),
        "repeat": st.sampled_from([None, WEEKLY]),
    },
)
QUERIES = st.sampled_from([TaskQuery(), TaskQuery(done=True), TaskQuery(priority_min=1)])
SEVERAL = st.lists(IDS, max_size=4)
WRITES: st.SearchStrategy[Write] = st.one_of(
    st.builds(CreateTask, DRAFTS),
    st.builds(UpdateTask, IDS, PATCHES, st.just(ANY_VERSION)),
    st.builds(RestoreTask, IDS, st.integers(1, 4), st.just(ANY_VERSION)),
    st.builds(DeleteTask, IDS, st.just(ANY_VERSION), st.booleans()),
    st.builds(UpdateMatching, SEVERAL, QUERIES, PATCHES, st.just(False)),
    st.builds(DeleteMatching, SEVERAL, QUERIES, st.just(False)),
)
COMMITS = st.lists(WRITES, min_size=1, max_size=3)
GROUPS = st.lists(COMMITS, min_size=1, max_size=4)


class Kept:
    """All tasks of a workspace and all changes, as a store has them."""

    def __init__(self) -> None:
        self.ledger = Ledger("g")
        self.log: list[Change] = []

    @property
    def tasks(self) -> dict[int, Task]:
        tasks = self.ledger.tasks
        assert isinstance(tasks, dict)
        return tasks

    def read(self, commits: Iterable[Commit]) -> Reading:
        """Reads what commits need, and nothing else."""
        reading = Reading(commits)
        while names := reading.next():
            found = [self.tasks[task_id] for task_id in names.task_ids if task_id in self.tasks]
            for term in names.terms:
                having = [task for task in self.tasks.values() if term in terms_of(task)]
                found += having[: reading.term_limit]
            for task_id, versions in names.versions.items():
                changes = self.history(task_id)
                last = [change for change in changes if change.task is not None][-1:]
                wanted = [change for change in changes if change.task is not None and change.task.version in versions]
                numbers = {change.seq for change in (*wanted, *last, *changes[-1:])}
                reading.add(changes=[change for change in changes if change.seq in numbers])
            reading.add(tasks=found)
        return reading

    def history(self, task_id: int) -> list[Change]:
        """Returns the changes of a task."""
        return [change for change in self.log if change.task_id == task_id]

    def commit(self, group: Iterable[Commit]) -> None:
        """Decides some commits together with what was read for them, and notes what they change."""
        group = list(group)
        whole, part = self.ledger.fork(), Ledger("g", last_id=self.ledger.last_id, last_seq=self.ledger.last_seq)
        part.task_count = whole.task_count = len(self.tasks)
        part.know(self.read(group))
        for writes, *_ in group:
            for write in writes:
                if isinstance(write, RestoreTask):
                    whole.changes[write.task_id] = self.history(write.task_id)
        for commit in group:
            outcomes = [decided(ledger, commit) for ledger in (whole, part)]
            assert outcomes[0] == outcomes[1], commit
            if isinstance(outcomes[0], tuple):
                self.log += outcomes[0][1]
        self.ledger.apply(self.log[self.ledger.last_seq :])


def decided(ledger: Ledger, commit: Commit) -> Any:
    """Decides a commit, and returns its results and changes, or how it was refused."""
    try:
        decision = ledger.decide(commit.writes, at=commit.at, tasks_max=commit.tasks_max)
    except WriteRefused as error:
        return f"{error.index}: {error!r}"
    ledger.apply(decision.entries())
    return decision.committed.results, decision.changes


def commits_of(groups: list[list[list[Write]]]) -> list[list[Commit]]:
    """Returns groups of commits, each at a time of its own."""
    return [
        [Commit(writes, NOW + timedelta(minutes=number), tasks_max=12) for writes in group]
        for number, group in enumerate(groups)
    ]


NEW = CreateTask(TaskDraft("task"))


@settings(deadline=None)
@given(st.lists(GROUPS, min_size=1, max_size=8))
@example([[[NEW, NEW, UpdateTask(1, {"parent_id": 2})]], [[NEW, UpdateTask(3, {"parent_id": 1})]]])
@example([[[NEW, NEW, CreateTask(TaskDraft("task", parent_id=2))]], [[DeleteMatching([1, 3], TaskQuery())]]])
def test_a_ledger_that_knows_what_was_read_decides_as_one_that_knows_everything(
    groups: list[list[list[Write]]],
) -> None:
    kept = Kept()

    for group in commits_of(groups):
        kept.commit(group)

    check_relations(kept.tasks)


def check_relations(tasks: dict[int, Task]) -> None:
    """Asserts that parents exist, without a cycle and not too deep, and that each uid is there once."""
    for task in tasks.values():
        above: list[int] = []
        while (parent_id := (tasks[above[-1]] if above else task).parent_id) is not None:
            above.append(parent_id)
            assert parent_id in tasks
            assert len(above) <= 7
    uids = [task.uid for task in tasks.values() if task.uid is not None]
    assert len(uids) == len(set(uids))


@settings(deadline=None)
@given(st.lists(GROUPS, min_size=1, max_size=8))
async def test_a_store_in_memory_decides_as_the_ledger_does(groups: list[list[list[Write]]]) -> None:
    kept, store = Kept(), InMemoryRepository()

    for group in commits_of(groups):
        for commit in group:
            kept.commit([commit])
            with contextlib.suppress(WriteRefused):
                await store.commit(commit.writes, at=commit.at, tasks_max=commit.tasks_max)

    page = await store.find(TaskQuery(), limit=1_000)
    assert list(page.tasks) == [kept.tasks[task_id] for task_id in sorted(kept.tasks)]
    check_relations(kept.tasks)
    await store.close()
