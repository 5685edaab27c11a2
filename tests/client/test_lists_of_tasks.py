"""What programs do with many tasks: lists, counts, batches and the named lists, through both clients."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from tasksvc_client import (
    Client,
    Create,
    Delete,
    InvalidRequest,
    ListNotFound,
    Restore,
    TaskList,
    TaskNotFound,
    Update,
    VersionConflict,
)

from client.conftest import Connect, new_workspace


async def ids(tasks: Client, **filters: Any) -> list[int]:
    """Returns the ids of the tasks that match, in the order of the list."""
    return [task.id async for task in tasks.find(**filters)]


@pytest.fixture
async def some(tasks: Client) -> Client:
    """A client in a workspace with five tasks."""
    await tasks.batch(
        [
            Create("Paint the fence", priority=5, labels=["home", "garden"], list="garden"),
            Create("Buy PAINT", done=True, due_on=date(2026, 12, 1)),
            Create("Feed the cat", priority=9, due_at=datetime(2026, 12, 2, tzinfo=UTC), labels=["home"]),
            Create("A part", parent_id=1, metadata={"room": 4, "guest": {"vip": True}}),
            Create("Answer & call", uid="mail 7&8", metadata={"room": "4"}),
        ]
    )
    return tasks


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"done": True}, [2]),
        ({"done": False, "priority_min": 1}, [1, 3]),
        ({"labels": ["home"]}, [1, 3]),
        ({"labels": ("home", "garden")}, [1]),
        ({"list": "garden"}, [1]),
        ({"q": "paint"}, [1, 2]),
        ({"priority": 0, "done": False}, [4, 5]),
        ({"priority_max": 5, "priority_min": 5}, [1]),
        ({"due_before": date(2026, 12, 2)}, [2]),
        ({"due_after": datetime(2026, 12, 1, 12, tzinfo=UTC)}, [3]),
        ({"created_after": datetime(2100, 1, 1, tzinfo=UTC)}, []),
        ({"updated_after": "2020-01-01T00:00:00Z"}, [1, 2, 3, 4, 5]),
        ({"parent_id": 1}, [4]),
        ({"parent_id": "none"}, [1, 2, 3, 5]),
        ({"uid": "mail 7&8"}, [5]),
        ({"metadata": {"room": 4}}, [4]),
        ({"metadata": {"room": "4"}}, [5]),
        ({"metadata": {"room": 4, "guest.vip": True}}, [4]),
        ({"sort": "-priority", "limit": 2}, [3, 1]),
        ({"sort": "-id", "page_size": 2}, [5, 4, 3, 2, 1]),
        ({"limit": 3, "page_size": 2}, [1, 2, 3]),
        ({"limit": 0}, []),
        ({"done": None, "list": None, "labels": None}, [1, 2, 3, 4, 5]),
    ],
)
async def test_a_list_has_what_its_filters_say(some: Client, filters: dict[str, Any], found: list[int]) -> None:
    assert await ids(some, **filters) == found


async def test_a_count_takes_the_filters_of_lists(some: Client) -> None:
    assert await some.count() == 5
    assert await some.count(done=False, labels=["home"], metadata=None) == 2


async def test_pages_have_the_position_that_they_show(some: Client) -> None:
    pages = [page async for page in some.pages(page_size=2)]
    await some.create("later")

    assert [len(page.tasks) for page in pages] == [2, 2, 1]
    assert [change.task_id async for change in some.changes(pages[0].position)] == [6]


async def test_an_empty_list_has_one_page_with_a_position(tasks: Client) -> None:
    [page] = [page async for page in tasks.pages()]

    assert (page.tasks, page.position) == ((), "0")


async def test_an_invalid_filter_is_refused(tasks: Client) -> None:
    with pytest.raises(InvalidRequest, match="sort"):
        await ids(tasks, sort="colour")


async def test_a_filter_by_labels_that_is_one_text_is_a_mistake(some: Client) -> None:
    with pytest.raises(TypeError, match="several names"):
        await ids(some, labels="home")


async def test_several_workspaces_are_one_list(connect: Connect) -> None:
    names = sorted([new_workspace(), new_workspace()])
    client = connect(workspace=None)
    for name in names:
        await client.in_workspace(name).create(name)

    found = [task async for task in client.find(workspaces=names, page_size=1)]

    assert sorted((task.workspace, task.description) for task in found) == [(name, name) for name in names]
    assert await client.count(workspaces=names) == 2


async def test_no_workspaces_are_not_the_one_of_the_client(some: Client) -> None:
    with pytest.raises(ValueError, match="one at least"):
        await ids(some, workspaces=[])


# ---------------------------------------------------------------- several writes


async def test_a_batch_returns_the_task_after_each_operation(some: Client) -> None:
    created, updated, deleted, restored = await some.batch(
        [Create("new", due_on=date(2026, 12, 1)), Update(1, done=True), Delete(1, children="delete"), Restore(4, 1)]
    )

    assert created is not None
    assert (created.id, created.due_on, deleted) == (6, date(2026, 12, 1), None)
    assert created == await some.update(6, if_version=created)
    assert updated is not None
    assert updated.done
    assert restored is not None
    assert restored.parent_id is None


async def test_a_batch_that_is_refused_names_the_operation_and_leaves_nothing(some: Client) -> None:
    with pytest.raises(TaskNotFound) as refusal:
        await some.batch([Delete(1), Update(99, done=True)])

    assert refusal.value.index == 1
    assert await some.count() == 5


async def test_an_operation_of_a_batch_takes_a_version(some: Client) -> None:
    old = await some.get(1)
    await some.update(1, priority=1)

    with pytest.raises(VersionConflict) as refusal:
        await some.batch([Create("x"), Delete(1, if_version=old)])

    assert (refusal.value.index, refusal.value.current) == (1, await some.get(1))


async def test_a_batch_with_its_key_is_done_once(tasks: Client) -> None:
    first = await tasks.batch([Create("x"), Create("y")], key="k")

    assert await tasks.batch([Create("x"), Create("y")], key="k") == first
    assert await tasks.count() == 2


async def test_all_matching_tasks_are_deleted_however_many(tasks: Client) -> None:
    for _ in range(3):
        await tasks.batch([Create("x", labels=["old"]) for _ in range(500)])
    await tasks.create("stays")

    deleted = await tasks.delete_matching(labels=["old"])

    assert (deleted, await tasks.count()) == (1_500, 1)


async def test_a_deletion_without_a_filter_is_refused_before_anything_is_sent(some: Client) -> None:
    with pytest.raises(ValueError, match="filter"):
        await some.delete_matching(done=None)

    assert await some.count() == 5


# ---------------------------------------------------------------- named lists


async def test_the_named_lists_have_the_numbers_of_their_tasks(some: Client) -> None:
    assert await some.lists() == (TaskList("garden", 1, 1), TaskList("inbox", 3, 4))


async def test_a_list_is_renamed_and_deleted(tasks: Client) -> None:
    await tasks.create("x", list="garden/front ü")

    assert await tasks.rename_list("garden/front ü", "a?b") == TaskList("a?b", 1, 1)
    await tasks.delete_list("a?b")
    await tasks.delete_list("a?b")

    assert await tasks.lists() == ()
    with pytest.raises(ListNotFound):
        await tasks.rename_list("a?b", "c")
