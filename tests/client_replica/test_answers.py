"""The answers of a replica are those of the service."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tasksvc_client import Create, SyncClient, SyncReplica, TaskNotFound

from client_replica.conftest import Replicas

FILTERS: list[dict[str, Any]] = [
    {},
    {"done": True},
    {"done": False, "priority_min": 3, "priority_max": 7},
    {"priority": 0},
    {"labels": ["home"]},
    {"labels": ["home", "größe"]},
    {"list": "inbox"},
    {"list": "garden/front"},
    {"uid": "mail-3"},
    {"parent_id": "none"},
    {"parent_id": 1},
    {"q": "STRASSE"},
    {"q": "café"},
    {"q": "100%_"},
    {"metadata": {"room": 4}},
    {"metadata": {"room": 4.0}},
    {"metadata": {"room": "4"}},
    {"metadata": {"room": True}},
    {"metadata": {"room": None}},
    {"metadata": {"guest.vip": True, "room": 4}},
    {"due_before": "2026-12-01"},
    {"due_after": "2026-12-01"},
    {"due_before": "2026-12-01T12:00:00+01:00"},
    {"due_after": "2026-12-01T23:30:00-08:00"},
    {"created_after": "2026-11-20T00:00:00Z"},
    {"updated_after": "2026-11-20T00:00:00Z"},
]
SORTS = [None, *(sign + name for name in ("id", "created_at", "due_at", "priority", "position") for sign in ("", "-"))]

DUES: list[dict[str, Any]] = [
    {},
    {"due_on": "2026-11-30"},
    {"due_on": "2026-12-01"},
    {"due_on": "2026-12-02"},
    {"due_at": "2026-12-01T00:00:00Z"},
    {"due_at": "2026-12-01T11:00:00.5Z"},
    {"due_at": "2026-12-01T11:00:00Z"},
    {"due_at": "2026-12-01T23:59:59.999999Z"},
    {"due_at": "2026-12-02T12:00:00+02:00"},
]
ROOMS: list[dict[str, Any]] = [{}, *({"room": room} for room in (4, 4.0, "4", True, None))]
GUESTS: list[dict[str, Any]] = [{}, {"guest": {"vip": True}}]


def various(random_: random.Random, number: int) -> dict[str, Any]:
    """Returns the fields of a task that differs from others in everything that is filtered and sorted by."""
    return {
        "notes": random_.choice(["", "in der Straße", "CAFE\u0301", "100%_"]),
        "done": random_.random() < 0.4,
        "priority": random_.choice([0, 0, 3, 5, 9]),
        "labels": random_.choice([[], ["home"], ["home", "größe"], ["Home"]]),
        "list": random_.choice(["inbox", "garden/front"]),
        "position": random_.choice([None, "V", "V0", "a", "Z", "1"]),
        "metadata": {**random_.choice(ROOMS), **random_.choice(GUESTS)},
        "parent_id": random_.choice([None, 1]) if number > 1 else None,
        "uid": f"mail-{number}" if number % 3 == 0 else None,
        "created_at": random_.choice(["2026-11-01T00:00:00Z", "2026-11-20T00:00:00.000001Z", None]),
        **random_.choice(DUES),
    }


@pytest.fixture(scope="module")
def filled(service: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns a client and a replica of a workspace with various tasks."""
    random_ = random.Random(7)
    with SyncClient(service.url, workspace="various") as client:
        client.batch([Create(f"Task {n}", **various(random_, n)) for n in range(1, 81)])
        with SyncReplica(tmp_path_factory.mktemp("various") / "copy.db", client) as replica:
            replica.sync()
            yield client, replica


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_filter_selects_what_the_service_selects(filled: tuple[SyncClient, SyncReplica], filters: Any) -> None:
    client, replica = filled

    assert [task.json for task in replica.find(**filters)] == [task.json for task in client.find(**filters)]
    assert replica.count(**filters) == client.count(**filters)


def test_every_filter_selects_something_and_leaves_something(filled: tuple[SyncClient, SyncReplica]) -> None:
    _, replica = filled
    for filters in FILTERS[1:]:
        assert 0 < replica.count(**filters) <= 80, filters


@pytest.mark.parametrize("sort", SORTS)
def test_an_order_is_that_of_the_service(filled: tuple[SyncClient, SyncReplica], sort: str | None) -> None:
    client, replica = filled

    assert [task.id for task in replica.find(sort=sort)] == [task.id for task in client.find(sort=sort)]
    assert [task.id for task in replica.find(sort=sort, limit=7, done=False)] == [
        task.id for task in client.find(sort=sort, limit=7, done=False)
    ]


def test_the_lists_are_those_of_the_service(filled: tuple[SyncClient, SyncReplica]) -> None:
    client, replica = filled

    assert tuple(replica.lists()) == tuple(client.lists())


def test_a_single_task_is_that_of_the_service(filled: tuple[SyncClient, SyncReplica]) -> None:
    client, replica = filled

    assert replica.get(5) == client.get(5)
    with pytest.raises(TaskNotFound, match="There is no task 99"):
        replica.get(99)


def test_it_answers_without_the_service(filled: tuple[SyncClient, SyncReplica], replicas: Replicas) -> None:
    nowhere = SyncClient("http://127.0.0.1:1")

    assert replicas("new.db", nowhere).find() == []


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"workspaces": ["a"]}, TypeError),
        ({"labels": "home"}, TypeError),
        ({"sort": "notes"}, ValueError),
        ({"due_before": "2026-12-01T00:00:00"}, ValueError),
    ],
)
def test_what_it_cannot_answer_is_refused(replica: SyncReplica, filters: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        replica.find(**filters)
