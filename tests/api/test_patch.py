"""Updating a task with a merge patch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.api_client import Api, case_id

EVERYTHING: dict[str, Any] = {
    "description": "paint the fence",
    "done": True,
    "due_at": "2026-11-24T15:00:00Z",
    "priority": 3,
    "labels": ["garden", "home"],
    "metadata": {"colour": {"name": "green", "rgb": [0, 128, 0]}, "coats": 2},
}
CHANGED = {
    "description": "paint the wall",
    "done": False,
    "due_at": "2026-12-24T15:00:00Z",
    "priority": 9,
    "labels": ["street"],
    "metadata": {"coats": 3},
}
RESET: dict[str, Any] = {"done": False, "due_at": None, "priority": 0, "labels": [], "metadata": {}}
DERIVED = {"completed_at", "updated_at", "version"}


@pytest.mark.parametrize("field", CHANGED)
async def test_what_is_not_sent_is_not_touched(api: Api, field: str) -> None:
    before = await api.new(**EVERYTHING)

    answer = await api.patch("/tasks/1", {field: CHANGED[field]})

    assert answer.status == 200
    after = answer.json
    if field == "metadata":
        assert after["metadata"] == before["metadata"] | {"coats": 3}
    else:
        assert after[field] == CHANGED[field]
    assert {name for name in after if after[name] != before[name]} - DERIVED == {field}
    assert after["version"] == 2
    assert after["updated_at"] > before["updated_at"]
    assert (await api.get("/tasks/1")).json == after


@pytest.mark.parametrize("field", RESET)
async def test_null_resets(api: Api, field: str) -> None:
    before = await api.new(**EVERYTHING)

    after = (await api.patch("/tasks/1", {field: None})).json

    assert after[field] == RESET[field]
    assert {name for name in after if after[name] != before[name]} - DERIVED == {field}


async def test_a_description_cannot_be_reset(api: Api) -> None:
    await api.new()

    answer = await api.patch("/tasks/1", {"description": None})

    assert (answer.status, answer.fields) == (422, {"description": "Must not be null."})


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/merge-patch+json", "application/json; charset=UTF-8"]
)
async def test_both_media_types_are_taken(api: Api, media_type: str) -> None:
    await api.new()

    answer = await api("PATCH", "/tasks/1", {"Content-Type": media_type}, b'{"done": true}')

    assert (answer.status, answer.json["done"]) == (200, True)


async def test_another_kind_of_patch_is_not_taken(api: Api) -> None:
    await api.new()

    answer = await api("PATCH", "/tasks/1", {"Content-Type": "application/json-patch+json"}, b"[]")

    assert (answer.status, answer.problem) == (415, "unsupported-media-type")


async def test_metadata_are_merged_on_every_level(api: Api) -> None:
    await api.new(**EVERYTHING)

    answer = await api.patch("/tasks/1", {"metadata": {"colour": {"name": None, "rgb": [1]}, "shop": {"open": True}}})

    assert answer.json["metadata"] == {"colour": {"rgb": [1]}, "coats": 2, "shop": {"open": True}}


async def test_metadata_that_grow_too_large_by_a_patch_are_refused(api: Api) -> None:
    await api.new(metadata={"first": "x" * 10_000})

    answer = await api.patch("/tasks/1", {"metadata": {"second": "x" * 10_000}})

    assert (answer.status, set(answer.fields)) == (422, {"metadata"})
    assert (await api.get("/tasks/1")).json["version"] == 1


@pytest.mark.parametrize(
    "patch", [{}, EVERYTHING, {"metadata": {"absent": None}}, {"labels": ["home", "garden", "home"]}]
)
async def test_a_patch_that_changes_nothing_creates_no_version(api: Api, patch: dict[str, Any]) -> None:
    made = await api.post("/tasks/", EVERYTHING)
    head = await api.position()

    answer = await api.patch("/tasks/1", patch)

    assert (answer.status, answer.json, answer.headers["ETag"]) == (200, made.json, made.headers["ETag"])
    assert await api.position() == head


async def test_a_number_of_another_kind_is_a_change(api: Api) -> None:
    await api.new(metadata={"n": 1})

    answer = await api.patch("/tasks/1", {"metadata": {"n": 1.0}})

    assert repr(answer.json["metadata"]["n"]) == "1.0"
    assert answer.json["version"] == 2


async def test_completed_at_follows_done(api: Api) -> None:
    await api.new()

    done = (await api.patch("/tasks/1", {"done": True})).json
    still = (await api.patch("/tasks/1", {"done": True, "priority": 1})).json
    undone = (await api.patch("/tasks/1", {"done": False})).json

    assert done["completed_at"] == done["updated_at"] == still["completed_at"] < still["updated_at"]
    assert undone["completed_at"] is None


@pytest.mark.parametrize(
    ("patch", "wrong"),
    [
        ({"id": 2}, {"id"}),
        (
            {"version": 5, "completed_at": None, "created_at": "2026-11-24T15:00:00Z"},
            {"version", "completed_at", "created_at"},
        ),
        ({"colour": "red"}, {"colour"}),
        ({"description": " "}, {"description"}),
        ({"priority": -1, "done": "yes"}, {"priority", "done"}),
        ({"metadata": {"n": 2**53}}, {"metadata"}),
        ([], {""}),
        (None, {""}),
        ("x", {""}),
    ],
    ids=case_id,
)
async def test_each_field_that_is_wrong_is_named_and_nothing_is_changed(api: Api, patch: Any, wrong: set[str]) -> None:
    await api.new()

    answer = await api.patch("/tasks/1", patch)

    assert (answer.status, set(answer.fields)) == (422, wrong)
    assert (await api.get("/tasks/1")).json["version"] == 1


async def test_fifty_patches_of_different_fields_at_once_are_all_kept(any_api: Api) -> None:
    await any_api.new()
    patches: list[dict[str, Any]] = [{"metadata": {f"field {n}": n}} for n in range(46)]
    patches += [{"done": True}, {"priority": 7}, {"labels": ["home"]}, {"description": "buy oat milk"}]

    answers = await asyncio.gather(*(any_api.patch("/tasks/1", patch) for patch in patches))

    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.json["version"] for answer in answers) == list(range(2, 52))
    task = (await any_api.get("/tasks/1")).json
    assert task["metadata"] == {f"field {n}": n for n in range(46)}
    assert (task["done"], task["priority"], task["labels"], task["description"]) == (True, 7, ["home"], "buy oat milk")
