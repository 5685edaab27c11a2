"""Tasks that repeat, as clients see them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.api_client import Api

DAILY = {"rule": "FREQ=DAILY", "zone": "Europe/Berlin", "from": "each"}
ON_A_DAY: dict[str, Any] = {"due_on": "2026-12-01", "repeat": DAILY}


async def errors(api: Api, method: str, path: str, body: Any) -> list[tuple[str, str]]:
    """Returns the fields and the messages of the errors that a request is refused with."""
    answer = await (api.post if method == "POST" else api.patch)(path, body)
    assert answer.status == 422
    assert answer.json["type"] == "urn:tasksvc:problem:invalid-request"
    return [(error["field"], error["message"]) for error in answer.json["errors"]]


async def test_a_task_that_repeats_shows_how(api: Api) -> None:
    task = await api.new(due_at="2026-01-31T08:30:00Z", repeat={"rule": "freq=monthly", "zone": "Europe/Berlin"})

    assert task["repeat"] == {
        "rule": "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
        "zone": "Europe/Berlin",
        "from": "schedule",
        "start": "2026-01-31T09:30:00",
        "occurrence": "2026-01-31T09:30:00",
        "remaining": None,
    }
    assert (task["series_id"], task["next_id"]) == (None, None)


async def test_a_completed_task_names_the_next(api: Api) -> None:
    await api.new(**ON_A_DAY, labels=["home"])

    done = (await api.patch("/tasks/1", {"done": True})).json

    following = (await api.get("/tasks/2")).json
    assert (done["done"], done["next_id"], done["due_on"]) == (True, 2, "2026-12-01")
    assert (following["done"], following["series_id"], following["due_on"]) == (False, 1, "2026-12-02")
    assert following["labels"] == ["home"]
    changes = (await api.get("/changes")).json["changes"]
    assert [(change["type"], change["task_id"]) for change in changes] == [
        ("created", 1),
        ("updated", 1),
        ("created", 2),
    ]


async def test_clients_that_complete_at_once_create_one_task(api: Api) -> None:
    await api.new(**ON_A_DAY)

    answers = await asyncio.gather(*(api.patch("/tasks/1", {"done": True}) for _ in range(10)))

    assert {answer.json["next_id"] for answer in answers} == {2}
    assert len((await api.get("/tasks/")).json) == 2


async def test_a_batch_completes_and_answers_the_completed_task(api: Api) -> None:
    await api.new(**ON_A_DAY)
    operations = [{"op": "update", "id": 1, "patch": {"done": True}}, {"op": "delete", "id": 2}]

    answer = await api.post("/tasks/batch", operations)

    assert [result["id"] for result in answer.json["results"]] == [1, 2]
    assert answer.json["results"][0]["task"]["next_id"] == 2
    assert [task["id"] for task in (await api.get("/tasks/")).json] == [1]


async def test_reopening_deletes_the_next_task(api: Api) -> None:
    await api.new(**ON_A_DAY)
    await api.patch("/tasks/1", {"done": True})

    task = (await api.patch("/tasks/1", {"done": False})).json

    assert (task["done"], task["next_id"], task["repeat"]["occurrence"]) == (False, None, "2026-12-01")
    assert (await api.get("/tasks/2")).status == 404


# ---------------------------------------------------------------- skipping


async def test_a_skipped_occurrence_completes_nothing(api: Api) -> None:
    await api.new(**ON_A_DAY)

    answer = await api("POST", "/tasks/1/skip")

    assert answer.status == 200
    assert (answer.json["due_on"], answer.json["done"], answer.json["version"]) == ("2026-12-02", False, 2)
    assert answer.headers["ETag"] == (await api.get("/tasks/1")).headers["ETag"]
    assert (await api.get("/tasks/1")).json == answer.json


async def test_a_skip_is_done_once_under_its_key_and_at_its_version(api: Api) -> None:
    await api.new(**ON_A_DAY)
    tag = (await api.get("/tasks/1")).headers["ETag"]
    headers = {"Idempotency-Key": "a", "If-Match": tag}

    first, again = [await api("POST", "/tasks/1/skip", headers) for _ in range(2)]
    other = await api("POST", "/tasks/1/skip", {"If-Match": tag})

    assert (again.status, again.json, again.headers["Idempotency-Replayed"]) == (200, first.json, "true")
    assert (other.status, other.json["current"]["due_on"]) == (412, "2026-12-02")


async def test_what_cannot_be_skipped_is_refused(api: Api) -> None:
    await api.new()

    refused = await api("POST", "/tasks/1/skip")

    assert (refused.status, [error["field"] for error in refused.json["errors"]]) == (422, ["repeat"])
    assert (await api("POST", "/tasks/9/skip")).status == 404
    assert (await api("POST", "/tasks/x/skip")).status == 404


# ---------------------------------------------------------------- what may be sent


@pytest.mark.parametrize(
    ("repeat", "field", "message"),
    [
        ({"rule": "FREQ=DAILY;BYHOUR=9", "zone": "UTC"}, "repeat.rule", "BYHOUR"),
        ({"rule": "FREQ=HOURLY", "zone": "UTC"}, "repeat.rule", "FREQ"),
        ({"rule": 7, "zone": "UTC"}, "repeat.rule", "string"),
        ({"rule": "FREQ=DAILY", "zone": "Mars/Base"}, "repeat.zone", "Mars/Base"),
        ({"rule": "FREQ=DAILY", "zone": "UTC", "from": "whenever"}, "repeat.from", "schedule"),
        ({"rule": "FREQ=DAILY", "zone": "UTC", "start": "2026-01-01"}, "repeat.start", "The service sets"),
        ({"rule": "FREQ=DAILY", "zone": "UTC", "zones": 1}, "repeat.zones", "zone"),
        ("FREQ=DAILY", "repeat", "object"),
        ({"rule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "zone": "UTC"}, "repeat", "60 years"),
    ],
)
async def test_a_part_that_is_wrong_is_named(api: Api, repeat: Any, field: str, message: str) -> None:
    await api.new()

    for method, path, more in (("POST", "/tasks/", {"description": "x"}), ("PATCH", "/tasks/1", {})):
        found = await errors(api, method, path, {**more, "due_on": "2026-12-01", "repeat": repeat})
        assert [name for name, _ in found] == [field]
        assert message in found[0][1]


@pytest.mark.parametrize("fields", [{}, {"due_on": "2026-12-01", "done": True}])
async def test_a_task_without_a_due_or_done_does_not_repeat(api: Api, fields: dict[str, Any]) -> None:
    found = await errors(api, "POST", "/tasks/", {"description": "x", **fields, "repeat": DAILY})

    assert [name for name, _ in found] == ["repeat"]


async def test_a_rule_and_a_zone_are_required_unless_the_task_has_them(api: Api) -> None:
    await api.new(due_on="2026-12-01")

    of_new = await errors(api, "POST", "/tasks/", {"description": "x", "repeat": {}})
    of_patch = await errors(api, "PATCH", "/tasks/1", {"repeat": {"zone": "UTC"}})

    assert [name for name, _ in of_new] == ["repeat.rule", "repeat.zone"]
    assert [name for name, _ in of_patch] == ["repeat"]


async def test_a_patch_is_merged_into_the_repetition(api: Api) -> None:
    await api.new(**ON_A_DAY)

    task = (await api.patch("/tasks/1", {"repeat": {"rule": "FREQ=WEEKLY", "from": None}})).json

    written = {name: task["repeat"][name] for name in ("rule", "zone", "from")}
    assert written == {"rule": "FREQ=WEEKLY;BYDAY=TU", "zone": "Europe/Berlin", "from": "schedule"}


@pytest.mark.parametrize("patch", [{}, {"due_on": "2026-12-01"}])
async def test_the_same_repetition_again_changes_nothing(api: Api, patch: dict[str, Any]) -> None:
    repeat = {"rule": "FREQ=WEEKLY;COUNT=9", "zone": "UTC", "from": "each"}
    await api.new(due_on="2026-11-24", repeat=repeat)
    skipped = (await api("POST", "/tasks/1/skip")).json

    task = (await api.patch("/tasks/1", {**patch, "repeat": repeat})).json

    assert skipped["due_on"] == "2026-12-01"
    assert task == skipped


async def test_a_rule_that_is_set_again_with_another_due_begins_there(api: Api) -> None:
    await api.new(**ON_A_DAY)

    task = (await api.patch("/tasks/1", {"due_on": "2026-12-05", "repeat": DAILY})).json

    assert task["repeat"]["start"] == "2026-12-05"


async def test_null_ends_the_series_and_so_does_a_task_without_a_due(api: Api) -> None:
    for patch in ({"repeat": None}, {"due_on": None}):
        task = await api.new(**ON_A_DAY)

        ended = (await api.patch(f"/tasks/{task['id']}", patch)).json
        done = (await api.patch(f"/tasks/{task['id']}", {"done": True})).json

        assert (ended["repeat"], done["next_id"]) == (None, None)
