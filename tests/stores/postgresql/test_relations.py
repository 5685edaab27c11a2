"""Several processes write tasks that depend on each other, and no rule is broken by what they do at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from tasksvc_postgresql.commit import WorkspaceCommit, write
from tasksvc_postgresql.repository import PostgreSQLRepository
from tasksvc_postgresql.session import Session

from stores.postgresql.repositories import Open
from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    ChangeKind,
    Commit,
    CommitResult,
    CreateTask,
    DeleteTask,
    InvalidTask,
    RestoreTask,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UidTaken,
    UpdateTask,
    Write,
)
from tasksvc.application.clock import now
from tasksvc.application.consistency import inconsistencies

ROUNDS = 20
"""How often a race is run, since each may be won by either side."""


async def commit(repository: TaskRepository, *writes: Write) -> CommitResult:
    return await repository.commit(writes, at=now())


async def create(repository: TaskRepository, description: str = "x", **fields: Any) -> int:
    """Creates a task, and returns its id."""
    (task,) = (await commit(repository, CreateTask(TaskDraft(description, **fields)))).results
    assert isinstance(task, Task)
    return task.id


async def outcomes(*commits: Coroutine[Any, Any, CommitResult]) -> Sequence[CommitResult | BaseException]:
    done: Sequence[CommitResult | BaseException] = await asyncio.gather(*commits, return_exceptions=True)
    return done


def refusals(done: Sequence[CommitResult | BaseException]) -> list[type]:
    return [type(outcome) for outcome in done if isinstance(outcome, BaseException)]


async def problems(repository: TaskRepository) -> list[str]:
    return [*await repository.check(), *[problem async for problem in inconsistencies(repository.dump())]]


async def test_of_processes_that_give_the_same_uid_one_creates_the_task(open_store: Open, store_url: str) -> None:
    processes = [await open_store(store_url) for _ in range(4)]

    refused = []
    for number in range(ROUNDS):
        draft = TaskDraft("x", uid=f"{number}")
        refused.append(refusals(await outcomes(*(commit(process, CreateTask(draft)) for process in processes))))

    assert refused == [[UidTaken] * 3] * ROUNDS
    assert await processes[0].count(TaskQuery()) == ROUNDS
    assert await problems(processes[0]) == []


async def test_processes_that_put_two_tasks_below_each_other_make_no_cycle(open_store: Open, store_url: str) -> None:
    one, other = await open_store(store_url), await open_store(store_url)

    refused = []
    for _ in range(ROUNDS):
        first, second = await create(one), await create(one)
        done = await outcomes(
            commit(one, UpdateTask(first, {"parent_id": second})),
            commit(other, UpdateTask(second, {"parent_id": first})),
        )
        refused.append(refusals(done))

    assert refused == [[InvalidTask]] * ROUNDS
    assert await problems(one) == []


async def test_a_task_that_is_deleted_while_it_gets_a_child_leaves_no_child_without_it(
    open_store: Open, store_url: str
) -> None:
    one, other = await open_store(store_url), await open_store(store_url)

    refused = []
    for _ in range(ROUNDS):
        parent = await create(one)
        done = await outcomes(
            commit(one, DeleteTask(parent)), commit(other, CreateTask(TaskDraft("x", parent_id=parent)))
        )
        refused.append(refusals(done))

    assert all(each in ([], [InvalidTask]) for each in refused), "the child comes first and stays, or it's refused"
    assert await one.count(TaskQuery(without_parent=True)) == refused.count([])
    assert await one.count(TaskQuery()) == refused.count([])
    assert await problems(one) == []


async def test_a_task_that_several_processes_restore_comes_back_once(open_store: Open, store_url: str) -> None:
    processes = [await open_store(store_url) for _ in range(4)]

    histories = []
    for _ in range(ROUNDS):
        task_id = await create(processes[0], uid="x")
        await commit(processes[0], DeleteTask(task_id))
        done = await outcomes(*(commit(process, RestoreTask(task_id, 1)) for process in processes))
        assert refusals(done) == []
        page = await processes[0].task_changes(task_id, LOG_START, limit=10)
        histories.append([change.kind for change in page.changes])
        await commit(processes[0], DeleteTask(task_id))

    assert histories == [[ChangeKind.CREATED, ChangeKind.DELETED, ChangeKind.CREATED]] * ROUNDS
    assert await problems(processes[0]) == []


async def test_a_uid_is_taken_by_a_new_task_or_by_one_that_comes_back(open_store: Open, store_url: str) -> None:
    one, other = await open_store(store_url), await open_store(store_url)

    refused = []
    for number in range(ROUNDS):
        task_id = await create(one, uid=f"{number}")
        await commit(one, DeleteTask(task_id))
        done = await outcomes(
            commit(one, RestoreTask(task_id, 1)), commit(other, CreateTask(TaskDraft("x", uid=f"{number}")))
        )
        refused.append(refusals(done))

    assert refused == [[UidTaken]] * ROUNDS
    assert await problems(one) == []


class CountingSession(Session):
    """A session that counts the statements on their way, each of which is a round trip."""

    trips = 0

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        self.trips += 1
        return await super().fetch(statement, *values)

    async def execute(self, statements: str) -> str:
        self.trips += 1
        return await super().execute(statements)

    async def write_alone(self, statement: str, *values: Any) -> list[Any]:
        self.trips += 1
        return await super().write_alone(statement, *values)


@pytest.mark.parametrize(
    ("trips", "written"),
    [
        (1, CreateTask(TaskDraft("x", metadata={"room": 4}))),
        (4, CreateTask(TaskDraft("x", uid="new"))),
        (4, UpdateTask(1, {"description": "y"})),
        (4, DeleteTask(1)),
        (4, DeleteTask(4)),
        (4, CreateTask(TaskDraft("x", parent_id=4))),
        (6, CreateTask(TaskDraft("x", parent_id=2))),
        (6, RestoreTask(3, 1)),
    ],
    ids=["create", "create with a uid", "update", "delete", "delete a parent", "child", "third level below", "restore"],
)
async def test_a_write_takes_few_round_trips(open_store: Open, store_url: str, trips: int, written: Write) -> None:
    """All but the creation of a plain task begin, read, write and commit in one round trip each, and some read more."""
    repository = await open_store(store_url)
    assert isinstance(repository, PostgreSQLRepository)
    ids = [await create(repository, parent_id=parent_id) for parent_id in (None, 1, None, None, 4)]
    await commit(repository, UpdateTask(2, {"parent_id": 5}), UpdateTask(3, {"done": True}))
    used: list[CountingSession] = []

    async def work(session: Session) -> None:
        used.append(CountingSession(session.connection))
        done = await write(used[0], [WorkspaceCommit(DEFAULT_WORKSPACE, Commit([written], now(), None))])
        assert isinstance(done.outcomes[0], CommitResult)

    await repository._store.executor.run(work)

    assert ids == [1, 2, 3, 4, 5]
    assert used[0].trips == trips
