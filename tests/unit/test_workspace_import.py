"""An import into a workspace: few commits, none of them too large, and an erasure where it fails."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasksvc import (
    CommitResult,
    CreateTask,
    InMemoryRepository,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Write,
)
from tasksvc.application import transfer
from tasksvc.application.clock import now
from tasksvc.application.transfer import CopyVerificationFailed
from tasksvc.application.workspace_import import BYTES_MAX, WRITES_MAX, import_workspace
from tasksvc.domain.relations import RELATED_MAX
from tasksvc.domain.sizes import json_size
from tasksvc.domain.task import Task
from tasksvc.ports.store import Page

LONG_AGO = datetime(2020, 2, 3, 4, 5, 6, 7, tzinfo=UTC)


class Counting(InMemoryRepository):
    """A store that notes the writes and the results of each commit."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[tuple[Sequence[Write], Sequence[Any]]] = []

    def workspace(self, name: str) -> TaskRepository:
        found = super().workspace(name)
        commit = found.commit

        async def noted(writes: Sequence[Write], **more: Any) -> CommitResult:
            committed = await commit(writes, **more)
            self.commits.append((writes, committed.results))
            return committed

        found.commit = noted  # type: ignore[method-assign]
        return found


async def exported(
    *drafts: TaskDraft, parents: Mapping[int, int] | None = None, later: Sequence[TaskDraft] = ()
) -> io.BytesIO:
    """Returns the export of a workspace with some tasks, which got these parents before the `later` tasks came."""
    store = InMemoryRepository()
    workspace = store.workspace("u_1")
    await workspace.commit([CreateTask(draft) for draft in drafts], at=now())
    for child, parent in (parents or {}).items():
        await workspace.commit([UpdateTask(child, {"parent_id": parent})], at=now())
    await workspace.commit([CreateTask(draft) for draft in later], at=now())
    return await export_of(store)


async def export_of(store: InMemoryRepository) -> io.BytesIO:
    file = io.BytesIO()
    await transfer.export_to(file, store, workspace="u_1")
    file.seek(0)
    return file


async def parents_in(workspace: TaskRepository) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    page = await workspace.find(TaskQuery(), limit=1_000)
    while True:
        found |= {task.id: task.parent_id for task in page.tasks}
        if page.next is None:
            return found
        page = await workspace.find(TaskQuery(), after=page.next, limit=1_000)


async def test_tasks_of_different_times_are_created_by_few_commits() -> None:
    at = now()
    file = await exported(*(TaskDraft("x", created_at=at - timedelta(days=day)) for day in range(2_500)))
    store = Counting()

    assert await import_workspace(file, store.workspace("u_2")) == 2_500

    assert [len(writes) for writes, _ in store.commits] == [WRITES_MAX, WRITES_MAX, 500]


async def test_a_commit_takes_no_more_tasks_than_have_a_mebibyte_together() -> None:
    file = await exported(*[TaskDraft("x", notes="y" * 20_000)] * 200)
    store = Counting()

    await import_workspace(file, store.workspace("u_2"))

    sizes = [sum(json_size(task) for task in results if isinstance(task, Task)) for _, results in store.commits]
    assert len(sizes) == 4
    assert all(size < BYTES_MAX + 30_000 for size in sizes)


async def test_a_task_below_one_with_a_higher_id_comes_there_with_all_that_is_below_it() -> None:
    below = [TaskDraft("below", parent_id=1)] * (RELATED_MAX + 1)
    file = await exported(TaskDraft("a"), TaskDraft("b"), TaskDraft("top"), parents={2: 1, 1: 3}, later=below)
    workspace = Counting().workspace("u_2")

    await import_workspace(file, workspace)

    found = await parents_in(workspace)
    assert list(found.values()) == [3, 1, None, *[1] * len(below)]


async def test_a_task_comes_below_another_one_before_its_children_with_lower_ids_come_below_it() -> None:
    children = range(1, RELATED_MAX + 2)
    parent, top = children[-1] + 1, children[-1] + 2
    parents = {parent: top} | dict.fromkeys(children, parent)
    file = await exported(*[TaskDraft("x")] * top, parents=parents)
    workspace = Counting().workspace("u_2")

    await import_workspace(file, workspace)

    assert await parents_in(workspace) == {**parents, top: None}


async def test_the_deepest_tasks_come_below_others_in_any_order_of_their_ids() -> None:
    parents = {number: number + 1 for number in range(1, 8)}
    file = await exported(*[TaskDraft("x")] * 9, parents={**dict(reversed(parents.items())), 9: 7})
    workspace = Counting().workspace("u_2")

    await import_workspace(file, workspace)

    assert await parents_in(workspace) == {**parents, 8: None, 9: 7}


@pytest.mark.parametrize("field", [name for name in TaskDraft._fields if name not in ("due_on", "repeat")])
async def test_a_field_that_the_store_changes_is_found_and_nothing_is_left(field: str) -> None:
    drafts = [TaskDraft("x", due_at=LONG_AGO, list="a", position="a0", notes="n", uid="u", done=True), TaskDraft("p")]
    file = await exported(*drafts, parents={1: 2})
    store = InMemoryRepository()
    workspace = store.workspace("u_2")
    find = workspace.find
    other: dict[str, Any] = {field: "other"}

    async def altered(query: TaskQuery, **more: Any) -> Page:
        page = await find(query, **more)
        return page._replace(tasks=[replace(task, **other) for task in page.tasks])

    workspace.find = altered  # type: ignore[method-assign]

    with pytest.raises(CopyVerificationFailed):
        await import_workspace(file, workspace)

    assert [each.name for each in await store.workspaces(limit=10)] == ["default"]


async def test_a_task_that_was_created_by_a_fast_clock_keeps_its_time() -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    store = InMemoryRepository()
    await store.workspace("u_1").commit([CreateTask(TaskDraft("x", done=True)), CreateTask(TaskDraft("y"))], at=later)
    file = await export_of(store)
    workspace = store.workspace("u_2")

    await import_workspace(file, workspace)

    tasks = (await workspace.find(TaskQuery(), limit=10)).tasks
    assert [(task.created_at, task.completed_at) for task in tasks] == [(later, later), (later, None)]
