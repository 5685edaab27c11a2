"""Writes that are made without the service: what they show at once, and what the service has of them in the end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from tasksvc_client import SyncClient, SyncReplica, TaskNotFound, Unreachable

from client_replica.conftest import Replicas, contents

GIVEN_BY_THE_SERVICE = {"id", "parent_id", "created_at", "updated_at", "completed_at", "version"}


def shown(replica: SyncReplica) -> list[dict[str, Any]]:
    """Returns what a replica shows, without what only the service can know."""
    names = {task.id: task.description for task in replica.find()}
    return [
        {name: value for name, value in task.json.items() if name not in GIVEN_BY_THE_SERVICE}
        | {"parent": names.get(task.parent_id or 0), "completed": task.completed_at is not None}
        for task in replica.find()
    ]


def test_what_is_written_offline_is_shown_as_the_service_will_have_it(replica: SyncReplica, others: SyncClient) -> None:
    fields: list[Any] = [
        {},
        {"notes": "in the shed", "labels": ["b", "a", "a"], "priority": 5, "list": "garden"},
        {"due_at": datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=1)))},
        {"due_on": date(2026, 12, 1), "done": True},
        {"due_at": "2026-12-01T09:00:00.25-05:00", "position": "V", "metadata": {"a": {"b": [1, 2.5, None, "ü"]}}},
        {"notes": None, "labels": None, "parent_id": None},
    ]
    tasks = [replica.create(f"Task {number}", **each) for number, each in enumerate(fields)]
    replica.update(tasks[1].id, parent_id=tasks[0].id, labels=["z"], notes=None)
    replica.update(tasks[2].id, due_on="2026-12-24")
    replica.update(tasks[3].id, done=False, description="Open again")
    replica.update(tasks[4].id, metadata={"a": {"b": None, "c": 1}, "d": 2}, due_at=None)
    replica.update(tasks[5].id, done=True)
    replica.delete(replica.create("Gone").id)
    before = shown(replica)

    replica.sync()

    assert shown(replica) == before
    assert contents(replica) == contents(others)
    assert (replica.waiting(), replica.refused()) == ([], [])


def test_a_new_task_has_a_negative_id_until_the_service_gives_it_one(replica: SyncReplica, others: SyncClient) -> None:
    others.create("there before")
    local = replica.create("made offline")
    later = replica.create("made later")
    assert 0 > local.id > later.id
    assert [task.description for task in replica.find()] == ["made offline", "made later"]
    assert [task.description for task in replica.find(sort="-id")] == ["made later", "made offline"]

    replica.sync()

    assert replica.get(local.id).id > 0
    assert replica.get(local.id) == replica.get(replica.get(local.id).id)
    replica.update(local.id, priority=3)
    replica.sync()
    assert others.get(replica.get(local.id).id).priority == 3


def test_later_writes_to_a_new_task_follow_its_real_id(replica: SyncReplica, others: SyncClient) -> None:
    garden = replica.create("Garden")
    shed = replica.create("Shed", parent_id=garden.id)
    replica.create("Paint", parent_id=shed.id)
    replica.update(shed.id, priority=5)
    moved = replica.create("Hose")
    replica.update(moved.id, parent_id=garden.id)
    assert {task.description for task in replica.find(parent_id=garden.id)} == {"Shed", "Hose"}

    replica.sync()

    parents = {task.description: task.parent_id for task in others.find()}
    ids = {task.description: task.id for task in others.find()}
    assert parents == {"Garden": None, "Shed": ids["Garden"], "Paint": ids["Shed"], "Hose": ids["Garden"]}
    assert {task.description for task in replica.find(parent_id=garden.id)} == {"Shed", "Hose"}


@pytest.mark.parametrize("children", [None, "delete"])
def test_a_deletion_shows_what_becomes_of_the_children(replica: SyncReplica, others: SyncClient, children: Any) -> None:
    top = others.create("top")
    middle = others.create("middle", parent_id=top.id)
    others.create("below", parent_id=middle.id)
    replica.sync()

    replica.delete(top.id, children=children)

    before = contents(replica)
    assert [(task.description, task.parent_id) for task in replica.find()] == (
        [] if children else [("middle", None), ("below", middle.id)]
    )
    replica.sync()
    assert contents(replica) == contents(others)
    assert [task["id"] for task in before] == [task["id"] for task in contents(others)]  # type: ignore[index]


def test_what_was_sent_is_shown_before_the_log_shows_it(replica: SyncReplica, others: SyncClient) -> None:
    others.create("there before")
    replica.sync()
    before = replica.position
    replica.delete(replica.create("gone").id)
    kept = replica.create("kept")
    replica.update(kept.id, priority=4)
    replica.update(1, priority=5)
    replica.delete(1)

    replica.sync(to=before)

    assert (replica.position, replica.waiting()) == (before, [])
    assert [(task.description, task.priority) for task in replica.find()] == [("kept", 4)]
    assert contents(replica) == contents(others)
    replica.sync()
    assert contents(replica) == contents(others)


def test_a_change_that_changes_nothing_is_not_queued(replica: SyncReplica, others: SyncClient) -> None:
    others.create("as it is", labels=["a", "b"], metadata={"n": 1})
    replica.sync()

    replica.update(1, description="as it is", labels=["b", "a"])
    assert replica.waiting() == []

    replica.update(1, metadata={"n": True})
    assert [write.fields for write in replica.waiting()] == [{"metadata": {"n": True}}]


def test_edit_gives_the_task_that_is_shown(replica: SyncReplica, others: SyncClient) -> None:
    others.create("Water the plants", priority=1)
    replica.sync()
    replica.update(1, priority=2)

    edited = replica.edit(1, lambda task: {"priority": task.priority + 1})

    assert edited.priority == 3
    replica.sync()
    assert others.get(1).priority == 3
    assert others.get(1).version == 3


def test_a_task_that_is_not_shown_cannot_be_written(replica: SyncReplica) -> None:
    gone = replica.create("gone")
    replica.delete(gone.id)

    for task_id in (gone.id, 7):
        with pytest.raises(TaskNotFound):
            replica.update(task_id, priority=1)
        with pytest.raises(TaskNotFound):
            replica.delete(task_id)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"colour": "red"}, TypeError),
        ({"labels": "home"}, TypeError),
        ({"due_at": "2026-12-01T09:00:00"}, ValueError),
        ({"due_on": "soon"}, ValueError),
    ],
)
def test_what_no_task_can_have_is_refused_at_once(replica: SyncReplica, fields: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        replica.create("Water the plants", **fields)

    assert replica.waiting() == []
    assert replica.find() == []


def test_writes_stay_in_the_queue_while_the_service_cannot_be_reached(replicas: Replicas, others: SyncClient) -> None:
    unreachable = SyncClient("http://127.0.0.1:1", workspace=others.workspace, deadline=0.2)
    replica = replicas(client=unreachable)
    replica.create("made offline")

    with pytest.raises(Unreachable):
        replica.sync()

    assert [task.description for task in replica.find()] == ["made offline"]
    assert [write.tried_at for write in replica.waiting()] == [None]


def test_what_the_service_refuses_is_kept_with_the_reason_and_holds_up_nothing(
    replica: SyncReplica, others: SyncClient
) -> None:
    wrong = replica.create("wrong", priority=99)
    replica.update(wrong.id, notes="too")
    child = replica.create("its child", parent_id=wrong.id)
    replica.create("right")

    replica.sync()

    assert [task.description for task in others.find()] == ["its child", "right"]
    assert others.get(replica.get(child.id).id).parent_id is None
    assert [(write.kind, write.fields.get("description")) for write in replica.refused()] == [
        ("create", "wrong"),
        ("update", None),
    ]
    assert "priority" in replica.refused()[0].reason
    assert contents(replica) == contents(others)
    replica.forget_refused()
    assert replica.refused() == []


def test_a_task_that_repeats_is_completed_offline(replica: SyncReplica, others: SyncClient) -> None:
    others.create("Water", due_on="2026-12-07", repeat={"rule": "FREQ=WEEKLY;BYDAY=MO", "zone": "Europe/Berlin"})
    replica.sync()

    replica.update(1, done=True)
    replica.sync()

    assert [(task.id, task.done, task.due_on) for task in replica.find()] == [
        (1, True, date(2026, 12, 7)),
        (2, False, date(2026, 12, 14)),
    ]
    assert contents(replica) == contents(others)


def test_times_are_shown_in_utc(replica: SyncReplica) -> None:
    task = replica.create("call", due_at="2026-12-01T09:00:00+01:00")

    assert task.due_at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert task.json["due_at"] == "2026-12-01T08:00:00Z"
