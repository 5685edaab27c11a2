"""What programs do with single tasks, through both clients."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from http_client import ask
from tasksvc_client import (
    Client,
    IdempotencyKeyReused,
    InvalidRequest,
    Task,
    TaskNotFound,
    UidTaken,
    VersionConflict,
    VersionNotFound,
)

from client.conftest import Service


async def test_a_created_task_has_the_defaults_and_an_entity_tag(tasks: Client) -> None:
    task = await tasks.create("Water the plants")

    assert (task.id, task.description, task.done, task.list, task.version) == (1, "Water the plants", False, "inbox", 1)
    assert (task.labels, task.due_at, task.due_on, task.metadata, task.repeat) == ((), None, None, {}, None)
    assert task.etag is not None
    assert task.created_at.utcoffset() == timedelta(0)


async def test_a_task_keeps_every_field_that_it_is_created_with(tasks: Client) -> None:
    due = datetime(2026, 12, 1, 18, tzinfo=timezone(timedelta(hours=1)))
    parent = await tasks.create("parent")
    task = await tasks.create(
        "Größe 🌱",
        notes="two\nlines",
        due_at=due,
        priority=7,
        labels={"b", "a"},
        list="garden/front",
        parent_id=parent.id,
        position="a0",
        metadata={"room": 4, "deep": {"er": [1, None, "x"]}},
        repeat={"rule": "FREQ=WEEKLY;BYDAY=TU", "zone": "Europe/Berlin"},
        uid="mail-7",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )

    assert (task.description, task.notes, task.due_at, task.priority) == ("Größe 🌱", "two\nlines", due, 7)
    assert (task.labels, task.list, task.parent_id, task.position) == (("a", "b"), "garden/front", parent.id, "a0")
    assert task.metadata == {"room": 4, "deep": {"er": [1, None, "x"]}}
    assert task.repeat is not None
    assert (task.repeat["zone"], task.uid) == ("Europe/Berlin", "mail-7")
    assert task.created_at == datetime(2026, 1, 2, tzinfo=UTC)


async def test_a_day_without_a_time_stays_a_day(tasks: Client) -> None:
    task = await tasks.create("Pay the rent", due_on=date(2026, 12, 1))

    assert (task.due_on, task.due_at) == (date(2026, 12, 1), None)


async def test_a_done_task_is_imported_with_its_times(tasks: Client) -> None:
    at = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    task = await tasks.create("old", done=True, created_at=at, completed_at=at)

    assert (task.done, task.completed_at, task.created_at) == (True, at, at)


async def test_what_is_read_equals_what_was_created(tasks: Client) -> None:
    made = await tasks.create("x", labels=["a"])

    read = await tasks.get(made.id)

    assert (read, read.etag, read.json) == (made, made.etag, made.json)


async def test_the_json_is_what_the_service_sent(tasks: Client) -> None:
    task = await tasks.create("x", due_on=date(2026, 12, 1))

    assert (task.json["due_on"], task.json["id"], task.json["series_id"]) == ("2026-12-01", 1, None)
    json.dumps(task.json)


async def test_tasks_are_members_of_sets(tasks: Client) -> None:
    made = await tasks.create("x", metadata={"a": 1})

    assert {made, await tasks.get(1), await tasks.update(1, done=True)} == {made, await tasks.get(1)}


async def test_a_missing_task_is_not_found(tasks: Client) -> None:
    with pytest.raises(TaskNotFound, match="There is no task 99") as refusal:
        await tasks.get(99)

    assert (refusal.value.status, refusal.value.type) == (404, "urn:tasksvc:problem:task-not-found")
    assert refusal.value.request_id


async def test_an_invalid_task_is_refused_with_each_field(tasks: Client) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await tasks.create("", priority=10)

    assert {error["field"] for error in refusal.value.errors} == {"description", "priority"}


async def test_an_unknown_field_is_refused_by_the_service(tasks: Client) -> None:
    with pytest.raises(InvalidRequest, match="colour"):
        await tasks.create("x", colour="red")  # type: ignore[call-arg]


async def test_an_update_changes_only_what_it_names(tasks: Client) -> None:
    await tasks.create("x", notes="n", priority=3)

    task = await tasks.update(1, done=True, description="y")

    assert (task.description, task.notes, task.priority, task.done, task.version) == ("y", "n", 3, True, 2)
    assert task.completed_at is not None


async def test_none_resets_a_field(tasks: Client) -> None:
    await tasks.create("x", due_on=date(2026, 12, 1), labels=["a"], metadata={"a": 1, "b": 2})

    task = await tasks.update(1, due_on=None, labels=None, metadata={"a": None})

    assert (task.due_on, task.labels, task.metadata) == (None, (), {"b": 2})


async def test_an_update_of_another_version_is_a_conflict_with_the_current_task(tasks: Client) -> None:
    old = await tasks.create("x")
    new = await tasks.update(1, priority=1)

    with pytest.raises(VersionConflict) as refusal:
        await tasks.update(1, if_version=old, priority=2)

    assert refusal.value.current == new
    assert (await tasks.update(1, if_version=new.etag, priority=3)).priority == 3


async def test_a_task_of_a_list_cannot_be_a_version(tasks: Client) -> None:
    await tasks.create("x")
    [listed] = [task async for task in tasks.find()]

    with pytest.raises(ValueError, match="without an entity tag"):
        await tasks.update(1, if_version=listed, priority=2)


async def test_an_edit_begins_again_until_nobody_is_faster(tasks: Client, service: Service) -> None:
    await tasks.create("x")
    seen: list[int] = []

    def change(task: Task) -> dict[str, Any]:
        seen.append(task.priority)
        if len(seen) < 3:  # somebody else is faster, twice
            path, headers = f"/workspaces/{tasks.workspace}/tasks/1", {"Authorization": f"Bearer {service.token}"}
            ask(service.url, "PATCH", path, {"priority": len(seen) + 4}, headers)
        return {"priority": task.priority + 1}

    edited = await tasks.edit(1, change)

    assert (seen, edited.priority) == ([0, 5, 6], 7)


async def test_an_edit_that_changes_nothing_writes_nothing(tasks: Client) -> None:
    made = await tasks.create("x")

    edited = await tasks.edit(1, lambda task: {})

    assert (edited, edited.version) == (made, 1)


async def test_an_edit_with_its_key_is_done_once(tasks: Client) -> None:
    await tasks.create("x")

    for _ in range(2):
        edited = await tasks.edit(1, lambda task: {"priority": task.priority + 1}, key="raise it")

    assert edited.priority == 1


async def test_edits_at_the_same_time_are_all_done(tasks: Client) -> None:
    await tasks.create("x")

    await asyncio.gather(*(tasks.edit(1, lambda task: {"priority": task.priority + 1}) for _ in range(8)))

    assert (await tasks.get(1)).priority == 8


async def test_a_deleted_task_is_gone_and_its_children_stay(tasks: Client) -> None:
    parent = await tasks.create("parent")
    child = await tasks.create("child", parent_id=parent.id)

    await tasks.delete(parent.id)

    assert (await tasks.get(child.id)).parent_id is None
    with pytest.raises(TaskNotFound):
        await tasks.delete(parent.id)


async def test_children_are_deleted_if_that_is_asked_for(tasks: Client) -> None:
    parent = await tasks.create("parent")
    await tasks.create("child", parent_id=parent.id)

    await tasks.delete(parent.id, children="delete")

    assert await tasks.count() == 0


async def test_a_deletion_of_another_version_is_a_conflict(tasks: Client) -> None:
    old = await tasks.create("x")
    await tasks.update(1, priority=1)

    with pytest.raises(VersionConflict):
        await tasks.delete(1, if_version=old)


async def test_a_deleted_task_is_restored_under_its_id(tasks: Client) -> None:
    await tasks.create("x", priority=5)
    await tasks.delete(1)

    task = await tasks.restore(1, 1)

    assert (task.id, task.priority, task.version) == (1, 5, 2)


async def test_an_earlier_version_is_restored_only_if_the_task_is_as_deleted_says(tasks: Client) -> None:
    await tasks.create("x", priority=5)
    await tasks.update(1, priority=6)

    with pytest.raises(VersionConflict):
        await tasks.restore(1, 1, deleted=True)
    assert (await tasks.restore(1, 1, deleted=False)).priority == 5
    with pytest.raises(VersionNotFound):
        await tasks.restore(1, 9)


async def test_completing_a_task_that_repeats_creates_the_next_one(tasks: Client) -> None:
    rule = {"rule": "FREQ=DAILY", "zone": "UTC", "from": "each"}
    await tasks.create("x", due_on=date(2026, 12, 1), repeat=rule)

    done = await tasks.update(1, done=True)
    assert done.next_id is not None
    following = await tasks.get(done.next_id)

    assert (following.due_on, following.series_id) == (date(2026, 12, 2), 1)
    assert (await tasks.skip(following.id)).due_on == date(2026, 12, 3)


async def test_a_uid_is_taken_once(tasks: Client) -> None:
    first = await tasks.create("x", uid="mail-7")

    with pytest.raises(UidTaken) as refusal:
        await tasks.create("y", uid="mail-7")

    assert refusal.value.current == first


async def test_a_key_makes_a_repeated_creation_one(tasks: Client) -> None:
    first = await tasks.create("x", key="k")
    second = await tasks.create("x", key="k")

    assert (first, await tasks.count()) == (second, 1)
    with pytest.raises(IdempotencyKeyReused):
        await tasks.create("y", key="k")


async def test_a_deletion_that_is_repeated_with_its_key_is_no_error(tasks: Client) -> None:
    await tasks.create("x")

    for _ in range(2):
        await tasks.delete(1, key="k")


@pytest.mark.parametrize("key", ["", "two\nlines", "é", "k" * 256])
async def test_a_key_that_cannot_be_a_header_is_refused_before_anything_is_sent(tasks: Client, key: str) -> None:
    with pytest.raises(ValueError, match="Idempotency-Key"):
        await tasks.create("x", key=key)

    assert await tasks.count() == 0


async def test_labels_that_are_one_text_are_a_mistake(tasks: Client) -> None:
    with pytest.raises(TypeError, match="several"):
        await tasks.create("x", labels="home")


async def test_any_mapping_and_set_can_be_sent(tasks: Client) -> None:
    metadata = MappingProxyType({"day": date(2026, 12, 1), "names": {"b", "a"}, "more": MappingProxyType({"x": 1})})

    task = await tasks.create("x", labels=frozenset("ab"), metadata=metadata)

    assert task.metadata == {"day": "2026-12-01", "names": ["a", "b"], "more": {"x": 1}}
    with pytest.raises(TypeError, match="can't be sent"):
        await tasks.update(1, metadata={"x": object()})


async def test_an_order_by_hand_is_that_of_the_positions(tasks: Client) -> None:
    last = await tasks.create("last", position="n")
    await tasks.create("first", position="a")
    await tasks.create("none")

    in_order = [task.description async for task in tasks.find(sort="position")]

    assert (in_order, last.position) == (["first", "last", "none"], "n")
