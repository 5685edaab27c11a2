"""Queued writes of tasks that others have changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tasksvc_client import DELETION, Conflict, Decision, SyncClient, SyncReplica, TaskNotFound

from client_replica.conftest import Replicas, contents


class Deciding:
    """Decides conflicts in one way, and keeps them."""

    def __init__(self, decide: Callable[[Conflict], Decision]) -> None:
        self._decide = decide
        self.conflicts: list[Conflict] = []

    def __call__(self, conflict: Conflict) -> Decision:
        self.conflicts.append(conflict)
        return self._decide(conflict)


NEVER = Deciding(lambda conflict: pytest.fail(f"This isn't a conflict: {conflict}"))


def opened(replicas: Replicas, others: SyncClient, on_conflict: Any = None, **fields: Any) -> SyncReplica:
    """Returns a replica that has task 1."""
    others.create("Paint", **fields)
    replica = replicas(on_conflict=on_conflict)
    replica.sync()
    return replica


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"priority": 5}, {"notes": "red"}),
        ({"priority": 5}, {"priority": 5, "notes": "red"}),
        ({"metadata": {"a": 1}}, {"metadata": {"b": 2}}),
        ({"metadata": {"o": {"a": 1}}}, {"metadata": {"o": {"b": 2}}}),
        ({"done": True}, {"labels": ["x"]}),
    ],
)
def test_changes_of_different_fields_are_both_done(
    replicas: Replicas, others: SyncClient, mine: Any, theirs: Any
) -> None:
    replica = opened(replicas, others, NEVER, metadata={"o": {"c": 0}})
    replica.update(1, **mine)
    shown = replica.get(1)
    others.update(1, **theirs)

    replica.sync()

    for field, value in mine.items():
        assert value == shown.json[field] or field == "metadata"
    there = others.get(1).json
    merged: dict[str, Any] = {"priority": 0, "notes": "", "done": False, "labels": []} | mine | theirs
    assert {name: there[name] for name in merged if name != "metadata"} == {
        name: value for name, value in merged.items() if name != "metadata"
    }
    if "metadata" in mine:
        assert there["metadata"] in ({"o": {"c": 0}, "a": 1, "b": 2}, {"o": {"a": 1, "b": 2, "c": 0}})
    assert contents(replica) == contents(others)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"priority": 5}, {"priority": 7}),
        ({"due_on": "2026-12-01"}, {"due_at": "2026-12-02T10:00:00Z"}),
        ({"metadata": {"a": 1}}, {"metadata": {"a": 2}}),
        ({"metadata": None}, {"metadata": {"a": 2}}),
        ({"metadata": {"a": 1}}, {"metadata": {"a": True}}),
    ],
)
def test_a_conflict_has_mine_theirs_and_base(replicas: Replicas, others: SyncClient, mine: Any, theirs: Any) -> None:
    decide = Deciding(lambda conflict: None)
    replica = opened(replicas, others, decide, metadata={"a": 0})
    base = replica.get(1)
    replica.update(1, **mine)
    now = others.update(1, **theirs)

    replica.sync()

    assert [(conflict.base, conflict.theirs, conflict.fields) for conflict in decide.conflicts] == [(base, now, mine)]
    assert decide.conflicts[0].mine is not None
    assert decide.conflicts[0].mine.version == base.version
    assert others.get(1) == now
    assert replica.get(1) == now
    assert [write.reason for write in replica.refused()] == ["Others have changed the task."]


def test_what_the_function_returns_is_written(replicas: Replicas, others: SyncClient) -> None:
    def longer(conflict: Conflict) -> Decision:
        assert conflict.mine is not None
        assert conflict.theirs is not None
        return {"notes": f"{conflict.theirs.notes}, {conflict.mine.notes}", "labels": ["merged"]}

    replica = opened(replicas, others, longer)
    replica.update(1, notes="mine")
    replica.update(1, priority=4)
    others.update(1, notes="theirs")

    replica.sync()

    there = others.get(1)
    assert (there.notes, there.labels, there.priority) == ("theirs, mine", ("merged",), 4)
    assert replica.get(1) == there
    assert replica.refused() == []


def test_without_a_function_the_later_write_of_a_field_wins(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others)
    replica.update(1, priority=5)
    others.update(1, priority=7, notes="theirs")

    replica.sync()

    assert (others.get(1).priority, others.get(1).notes) == (5, "theirs")


def test_without_a_function_a_deleted_task_stays_deleted(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others)
    replica.update(1, priority=5)
    replica.update(1, priority=6)
    others.delete(1)

    replica.sync()

    assert contents(others) == contents(replica) == []
    assert [write.fields for write in replica.refused()] == [{"priority": 5}, {"priority": 6}]


def test_without_a_function_a_task_that_others_changed_is_not_deleted(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others)
    others.create("child", parent_id=1)
    replica.sync()
    replica.delete(1)
    others.update(1, notes="still needed")

    replica.sync()

    assert [(task.id, task.parent_id) for task in replica.find()] == [(1, None), (2, 1)]
    assert contents(replica) == contents(others)
    assert [write.kind for write in replica.refused()] == ["delete"]


def test_a_deleted_task_is_brought_back_if_something_is_to_be_written(replicas: Replicas, others: SyncClient) -> None:
    decide = Deciding(lambda conflict: conflict.fields)
    replica = opened(replicas, others, decide, notes="red")
    replica.update(1, priority=5)
    replica.update(1, labels=["x"])
    others.delete(1)

    replica.sync()

    there = others.get(1)
    assert (there.description, there.notes, there.priority, there.labels) == ("Paint", "red", 5, ("x",))
    assert decide.conflicts[0].theirs is None
    assert len(decide.conflicts) == 1
    assert contents(replica) == contents(others)


@pytest.mark.parametrize("decision", [DELETION, {"priority": 3}])
def test_a_deletion_of_a_changed_task_is_decided(replicas: Replicas, others: SyncClient, decision: Any) -> None:
    decide = Deciding(lambda conflict: decision)
    replica = opened(replicas, others, decide)
    replica.delete(1)
    others.update(1, notes="still needed")

    replica.sync()

    assert decide.conflicts[0].mine is None
    if decision == DELETION:
        assert contents(others) == []
    else:
        assert (others.get(1).notes, others.get(1).priority) == ("still needed", 3)
    assert contents(replica) == contents(others)


def test_a_change_of_a_changed_task_may_be_decided_to_be_a_deletion(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others, lambda conflict: DELETION)
    replica.update(1, notes="mine")
    others.update(1, notes="theirs")

    replica.sync()

    assert contents(others) == contents(replica) == []
    assert replica.refused() == []


def test_a_task_whose_parent_others_deleted_is_written_without_a_parent(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others)
    others.create("moved")
    replica.sync()
    replica.create("child", parent_id=1)
    replica.update(2, parent_id=1, priority=3)
    others.delete(1)

    replica.sync()

    assert [(task.description, task.parent_id, task.priority) for task in others.find()] == [
        ("moved", None, 3),
        ("child", None, 0),
    ]
    assert contents(replica) == contents(others)
    assert replica.refused() == []


def test_a_task_that_both_delete_is_no_conflict(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others, NEVER)
    replica.delete(1)
    others.delete(1)

    replica.sync()

    assert contents(replica) == []
    assert replica.refused() == []


def test_own_writes_one_after_another_are_no_conflict(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others, NEVER)
    for priority in range(1, 6):
        replica.update(1, priority=priority, done=priority % 2 == 0)
    replica.delete(1)
    fresh = replica.create("new")
    replica.update(fresh.id, priority=3)
    replica.update(fresh.id, priority=4)

    replica.sync()

    assert [(task.description, task.priority) for task in others.find()] == [("new", 4)]
    with pytest.raises(TaskNotFound):
        replica.get(1)


def test_the_children_of_a_task_that_was_deleted_here_were_not_changed_by_others(
    replicas: Replicas, others: SyncClient
) -> None:
    replica = opened(replicas, others, NEVER)
    for name in ("deleted too", "changed too"):
        others.create(name, parent_id=1)
    replica.sync()
    replica.delete(1)
    replica.delete(2)
    replica.update(3, parent_id=replica.create("new parent").id)

    replica.sync()

    assert [(task.id, task.parent_id) for task in others.find()] == [(3, 4), (4, None)]
    assert contents(replica) == contents(others)


def test_that_goes_for_what_the_log_has_not_shown_yet_too(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others, NEVER)
    others.create("child", parent_id=1)
    replica.sync()
    replica.delete(1)
    replica.sync(to=replica.position)
    replica.delete(2)

    replica.sync(to=replica.position)

    assert contents(others) == contents(replica) == []


def test_a_change_that_was_taken_back_is_none(replicas: Replicas, others: SyncClient) -> None:
    replica = opened(replicas, others, NEVER)
    replica.delete(1)
    others.update(1, notes="for a moment")
    others.update(1, notes="")

    replica.sync()

    assert contents(others) == []


def test_a_task_with_the_uid_that_another_has_is_that_one(replicas: Replicas, others: SyncClient) -> None:
    others.create("Answer Ann", uid="mail-7", notes="theirs")
    decide = Deciding(lambda conflict: {"notes": "both"})
    replica = replicas(on_conflict=decide)
    mine = replica.create("Answer Ann", uid="mail-7", notes="mine")
    replica.update(mine.id, priority=2)

    replica.sync()

    assert [(task.id, task.notes, task.priority) for task in others.find()] == [(1, "both", 2)]
    assert replica.get(mine.id).id == 1
    assert decide.conflicts[0].base is None
    assert contents(replica) == contents(others)


def test_without_a_function_the_task_with_the_uid_stays(replicas: Replicas, others: SyncClient) -> None:
    others.create("Answer Ann", uid="mail-7", notes="theirs")
    replica = replicas()
    mine = replica.create("Answer Ann", uid="mail-7", notes="mine")
    replica.update(mine.id, priority=2)

    replica.sync()

    assert [(task.id, task.notes, task.priority) for task in others.find()] == [(1, "theirs", 2)]
    assert [write.kind for write in replica.refused()] == ["create"]
    assert contents(replica) == contents(others)


def test_the_queue_stays_as_it_is_if_the_function_fails(replicas: Replicas, others: SyncClient) -> None:
    def fails(conflict: Conflict) -> Decision:
        raise RuntimeError("The user has closed the window.")

    replica = opened(replicas, others, fails)
    replica.update(1, priority=5)
    others.update(1, priority=7)

    with pytest.raises(RuntimeError, match="closed the window"):
        replica.sync()

    assert [write.fields for write in replica.waiting()] == [{"priority": 5}]
    assert replica.get(1).priority == 5
