"""Writes whose answers are lost: they are done once, also when the service has forgotten their keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from patience import wait_until
from service_process import RunningService
from tasksvc_client import OutcomeUnknown, SyncClient, SyncReplica, Unreachable

from client_replica.conftest import Replicas, contents
from client_replica.losing_proxy import LosingProxy

WRITES: dict[str, Callable[[SyncReplica], object]] = {
    "create": lambda replica: replica.create("new", priority=5),
    "create with a uid": lambda replica: replica.create("new", uid="mail-7"),
    "update": lambda replica: replica.update(1, priority=5),
    "delete": lambda replica: replica.delete(1),
    "delete with children": lambda replica: replica.delete(1, children="delete"),
}
Lose = Callable[[str], None]
LATER = "2026-11-01T00:00:00Z", "2999-01-01T00:00:00Z"
"""First attempts that are longer ago than keys are kept, the second one by a clock that was set back since."""


@pytest.fixture
def behind(others: SyncClient, replicas: Replicas) -> SyncReplica:
    """A replica of a workspace with task 1 and its child 2."""
    others.create("Paint", notes="red")
    others.create("Buy paint", parent_id=1)
    replica = replicas()
    replica.sync()
    return replica


def log_of(client: SyncClient) -> list[tuple[str, int]]:
    return [(change.type, change.task_id) for change in client.changes()][2:]


@pytest.fixture
def lose(service: RunningService, behind: SyncReplica, others: SyncClient, replicas: Replicas) -> Iterator[Lose]:
    """Sends the first write that waits, and loses the request or the answer, however often it is sent."""
    with (
        LosingProxy(service.port) as proxy,
        SyncClient(proxy.url, workspace=others.workspace, deadline=0.05) as hasty,
    ):
        replica = replicas(client=hasty)

        def once(what: str) -> None:
            proxy.loses = what
            tried = False
            while not tried:
                with pytest.raises((OutcomeUnknown, Unreachable)):
                    replica.sync()
                tried = behind.waiting()[0].attempts > 0
            assert behind.waiting()[0].tried_at is not None
            wait_until(lambda: proxy.lost)

        yield once


def let_a_day_pass(path: Path, tried_at: str) -> None:
    """Makes the first attempt older than keys are kept, and the key another one, as if it had been forgotten."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE writes SET tried_at = ?, key = ?", (tried_at, uuid4().hex))


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("what", ["request", "answer"])
def test_a_write_without_an_answer_is_repeated_and_done_once(
    lose: Lose, behind: SyncReplica, others: SyncClient, kind: str, what: str
) -> None:
    WRITES[kind](behind)
    shown = [(task.description, task.priority, task.parent_id) for task in behind.find()]
    lose(what)
    assert [(task.description, task.priority, task.parent_id) for task in behind.find()] == shown

    behind.sync()

    assert [(task.description, task.priority, task.parent_id) for task in others.find()] == shown
    assert contents(behind) == contents(others)
    assert len(log_of(others)) == (2 if kind.startswith("delete") else 1)
    assert (behind.waiting(), behind.refused()) == ([], [])


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("what", ["request", "answer"])
@pytest.mark.parametrize("tried_at", LATER, ids=["long ago", "clock set back"])
def test_it_is_done_once_when_the_key_was_forgotten(
    lose: Lose, behind: SyncReplica, others: SyncClient, tmp_path: Path, kind: str, what: str, tried_at: str
) -> None:
    WRITES[kind](behind)
    shown = [(task.description, task.priority, task.parent_id) for task in behind.find()]
    lose(what)
    let_a_day_pass(tmp_path / "copy.db", tried_at)

    behind.sync()

    assert [(task.description, task.priority, task.parent_id) for task in others.find()] == shown
    assert contents(behind) == contents(others)
    assert len(log_of(others)) == (2 if kind.startswith("delete") else 1)
    assert (behind.waiting(), behind.refused()) == ([], [])


def test_what_may_have_been_written_before_is_not_written_over_a_later_change(
    lose: Lose, behind: SyncReplica, others: SyncClient, tmp_path: Path
) -> None:
    behind.update(1, priority=5)
    lose("answer")
    others.update(1, priority=7)
    let_a_day_pass(tmp_path / "copy.db", LATER[0])

    behind.sync()

    assert others.get(1).priority == 7
    assert [write.fields for write in behind.refused()] == [{"priority": 5}]
    assert "didn't answer" in behind.refused()[0].reason
    assert contents(behind) == contents(others)


def test_a_later_change_is_kept_while_the_key_is_known(lose: Lose, behind: SyncReplica, others: SyncClient) -> None:
    behind.update(1, priority=5)
    lose("answer")
    others.update(1, priority=7)

    behind.sync()

    assert others.get(1).priority == 7, "the write was done before that"
    assert behind.refused() == []
    assert contents(behind) == contents(others)


def test_a_task_that_was_created_and_deleted_meanwhile_is_not_created_again(
    lose: Lose, behind: SyncReplica, others: SyncClient, tmp_path: Path
) -> None:
    behind.create("new")
    lose("answer")
    others.delete(3)
    let_a_day_pass(tmp_path / "copy.db", LATER[0])

    behind.sync()

    assert [task.id for task in others.find()] == [1, 2]
    assert contents(behind) == contents(others)
    assert behind.waiting() == []


def test_a_write_that_was_never_tried_may_wait_for_any_time(
    behind: SyncReplica, others: SyncClient, tmp_path: Path
) -> None:
    behind.create("new")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as file, file:
        file.execute("UPDATE writes SET queued_at = '2020-01-01T00:00:00Z'")

    behind.sync()

    assert [task.description for task in others.find()] == ["Paint", "Buy paint", "new"]


def test_a_new_task_that_the_log_shows_before_its_answer_is_shown_once(
    lose: Lose, behind: SyncReplica, others: SyncClient
) -> None:
    local = behind.create("new")
    behind.update(local.id, priority=3)
    lose("answer")
    while behind.waiting()[0].kind == "create":  # it reads the log before it sends the update
        lose("request")

    assert [(task.id, task.description, task.priority) for task in behind.find()][2:] == [(3, "new", 3)]
    assert behind.get(local.id).id == 3
    assert [write.kind for write in behind.waiting()] == ["update"]
