"""One task: creating, getting and deleting it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.api_client import JSON, Api, case_id
from tasksvc.domain.rules import parse_timestamp

DEFAULTS: dict[str, Any] = {
    "notes": "",
    "done": False,
    "completed_at": None,
    "due_at": None,
    "due_on": None,
    "priority": 0,
    "labels": [],
    "list": "inbox",
    "parent_id": None,
    "position": None,
    "repeat": None,
    "series_id": None,
    "next_id": None,
    "uid": None,
    "metadata": {},
    "version": 1,
}


async def test_a_new_task_is_shown_with_its_place_and_its_entity_tag(api: Api) -> None:
    answer = await api.post("/tasks/", {"description": "buy milk"})

    assert answer.status == 201
    task = answer.json
    assert task == {"id": 1, "description": "buy milk", **DEFAULTS} | {
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
    }
    assert task["created_at"].endswith("Z")
    assert answer.headers["Location"] == "1"
    shown = await api.get(answer.location or "")
    assert (shown.status, shown.json, shown.headers["ETag"]) == (200, task, answer.headers["ETag"])


async def test_the_fields_of_a_task_come_in_their_order(api: Api) -> None:
    task = await api.new()

    assert list(task) == [
        "id",
        "description",
        "notes",
        "done",
        "completed_at",
        "due_at",
        "due_on",
        "priority",
        "labels",
        "list",
        "parent_id",
        "position",
        "metadata",
        "repeat",
        "series_id",
        "next_id",
        "uid",
        "created_at",
        "updated_at",
        "version",
    ]


async def test_ids_count_up_and_are_never_used_again(api: Api) -> None:
    first, second = await api.new(), await api.new()
    await api.delete(f"/tasks/{second['id']}")

    third = await api.new()

    assert [first["id"], second["id"], third["id"]] == [1, 2, 3]


@pytest.mark.parametrize(
    "description",
    [
        "x",
        "Zażółć gęślą jaźń",
        "задача №1",
        "明日の会議",
        "مهمة اليوم",
        "👩‍👩‍👧‍👦 family \U0001f1e9\U0001f1ea",
        "e\u0301 is not \u00e9",
        "\"quotes\", \\backslashes\\ and 'apostrophes'",
        "two\nlines\r\n\tand a tab",
        " spaces around ",
        "\ufeffmark first",
        "\ufffd a replacement, \u2028 a separator, \x7f and \x01 controls",
        "</script><!-- & %s {0} $(id)",
        "-",
        "語" * 10_000,
    ],
    ids=case_id,
)
async def test_a_description_comes_back_exactly_as_it_was_sent(api: Api, description: str) -> None:
    made = await api.new(description)

    shown = await api.get(f"/tasks/{made['id']}")
    listed = await api.get("/tasks/")

    assert made["description"] == shown.json["description"] == listed.json[0]["description"] == description


async def test_all_fields_that_a_caller_may_set_come_back(api: Api) -> None:
    task = await api.new(
        "all", done=True, due_at="2026-11-24T18:00:00.5+01:00", priority=9, labels=["b", "a", "b"], metadata={"x": [1]}
    )

    assert task["done"] is True
    assert task["completed_at"] == task["created_at"]
    assert task["due_at"] == "2026-11-24T17:00:00.500000Z"
    assert task["priority"] == 9
    assert task["labels"] == ["a", "b"]
    assert task["metadata"] == {"x": [1]}


async def test_metadata_come_back_as_they_came(api: Api) -> None:
    text = (
        '{"z":1,"a":1.0,"exponent":1e-7,"big":9007199254740991,"small":-9007199254740991,"null":null,'
        '"deep":[[[{"":""}]]],"text":"\\u00e9\\n","true":true}'
    )

    answer = await api("POST", "/tasks/", JSON, f'{{"description": "x", "metadata": {text}}}'.encode())

    assert answer.status == 201
    came, went = json.loads(text), answer.json["metadata"]
    assert [(name, repr(value)) for name, value in went.items()] == [
        (name, repr(value)) for name, value in came.items()
    ]
    assert (await api.get("/tasks/1")).json["metadata"] == came


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-24T15:00:00Z", "2026-11-24T15:00:00Z"),
        ("2026-11-24t15:00:00z", "2026-11-24T15:00:00Z"),
        ("2026-11-24T15:00:00.123456789+05:30", "2026-11-24T09:30:00.123456Z"),
        ("2024-02-29T23:59:59-23:59", "2024-03-01T23:58:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        (None, None),
    ],
)
async def test_times_are_kept_in_utc(api: Api, given: str | None, kept: str | None) -> None:
    task = await api.new(due_at=given)

    assert task["due_at"] == kept if kept is None else parse_timestamp(task["due_at"]) == parse_timestamp(kept)


async def test_a_deleted_task_is_gone(api: Api) -> None:
    task = await api.new()
    path = f"/tasks/{task['id']}"

    answer = await api.delete(path)

    assert (answer.status, answer.body) == (204, b"")
    assert "Content-Type" not in answer.headers
    for again in (await api.get(path), await api.delete(path), await api.patch(path, {"done": True})):
        assert (again.status, again.problem) == (404, "task-not-found")
    assert (await api.get("/tasks/")).json == []


async def test_the_list_has_two_names(api: Api) -> None:
    made = await api.post("/tasks", {"description": "x"})

    assert (made.status, made.location) == (201, "/tasks/1")
    assert (await api.get("/tasks")).json == (await api.get("/tasks/")).json == [made.json]
    assert (await api.delete("/tasks?done=false")).json == {"deleted": 1, "more": False}


@pytest.mark.parametrize("path", ["/tasks/", "/tasks/1", "/tasks/99", "/changes", "/health/live", "/docs", "/nowhere"])
async def test_head_answers_as_get_does_without_the_body(api: Api, path: str) -> None:
    await api.new()

    got, head = await api.get(path), await api("HEAD", path)

    assert head.status == got.status
    assert head.body == b""
    changing = {"Date", "Content-Security-Policy", "X-Request-ID"}
    assert {n: v for n, v in head.headers.items() if n not in changing} == {
        n: v for n, v in got.headers.items() if n not in changing
    }


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/tasks/", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/tasks", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/tasks/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/tasks/batch", "OPTIONS, POST"),
        ("/changes", "GET, HEAD, OPTIONS"),
        ("/changes/stream", "GET, HEAD, OPTIONS"),
        ("/health/live", "GET, HEAD, OPTIONS"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_and_wrong_methods_list_the_allowed_ones(api: Api, path: str, allowed: str) -> None:
    options, wrong = await api("OPTIONS", path), await api("PUT", path)

    assert (options.status, options.body, options.headers["Allow"]) == (204, b"", allowed)
    assert (wrong.status, wrong.problem, wrong.headers["Allow"]) == (405, "method-not-allowed", allowed)


async def test_options_list_the_accepted_patch_formats(api: Api) -> None:
    answer = await api("OPTIONS", "/tasks/1")

    assert answer.headers["Accept-Patch"] == "application/json, application/merge-patch+json"


@pytest.mark.parametrize("path", ["/nowhere", "/tasks/1/2", "/tasks//", "/TASKS/", "/docs/assets/no.js"])
async def test_an_unknown_path_is_a_problem_too(api: Api, path: str) -> None:
    answer = await api.get(path)

    assert (answer.status, answer.problem) == (404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tasks/"),
        ("POST", "/tasks/"),
        ("DELETE", "/tasks/"),
        ("GET", "/tasks/1"),
        ("PATCH", "/tasks/1"),
        ("DELETE", "/tasks/1"),
        ("POST", "/tasks/batch"),
        ("GET", "/changes"),
        ("GET", "/changes/stream"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
    ],
)
async def test_an_unknown_parameter_is_named(api: Api, method: str, path: str) -> None:
    await api.new()

    answer = await api(method, path + "?colour=red", JSON, b"{}")

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert list(answer.fields) == ["colour"]
    assert answer.fields["colour"].startswith("Unknown parameter 'colour'. ")
    assert len((await api.get("/tasks/")).json) == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"description"}),
        ({"description": ""}, {"description"}),
        ({"description": " \t\n\u2003"}, {"description"}),
        ({"description": "x" * 10_001}, {"description"}),
        ({"description": None}, {"description"}),
        ({"description": 1, "done": 1, "priority": "1"}, {"description", "done", "priority"}),
        ({"description": "x", "priority": 10}, {"priority"}),
        ({"description": "x", "priority": 1.5}, {"priority"}),
        ({"description": "x", "priority": True}, {"priority"}),
        ({"description": "x", "due_at": "2026-11-24T15:00:00"}, {"due_at"}),
        ({"description": "x", "due_at": "2026-02-30T15:00:00Z"}, {"due_at"}),
        ({"description": "x", "due_at": "0001-01-01T00:00:00+01:00"}, {"due_at"}),
        ({"description": "x", "labels": "home"}, {"labels"}),
        ({"description": "x", "labels": [1]}, {"labels"}),
        ({"description": "x", "labels": [""]}, {"labels"}),
        ({"description": "x", "labels": ["x" * 101]}, {"labels"}),
        ({"description": "x", "labels": [str(n) for n in range(51)]}, {"labels"}),
        ({"description": "x", "metadata": []}, {"metadata"}),
        ({"description": "x", "metadata": {"n": 2**53}}, {"metadata"}),
        ({"description": "x", "metadata": {"text": "x" * 16_384}}, {"metadata"}),
        ({"description": "x", "title": "x", "owner": "me"}, {"title", "owner"}),
        (
            {"description": "x", "id": 7, "version": 2, "updated_at": None, "series_id": None, "next_id": None},
            {"id", "version", "updated_at", "series_id", "next_id"},
        ),
    ],
    ids=case_id,
)
async def test_each_field_that_is_wrong_is_named(api: Api, fields: dict[str, Any], wrong: set[str]) -> None:
    answer = await api.post("/tasks/", fields)

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert set(answer.fields) == wrong
    assert all(error["in"] == "body" and error["message"].endswith(".") for error in answer.json["errors"])
    assert (await api.get("/tasks/")).json == []


async def test_only_the_first_hundred_wrong_fields_are_named(api: Api) -> None:
    answer = await api.post("/tasks/", {str(number): 0 for number in range(10_000)})

    assert answer.status == 422
    assert len(answer.json["errors"]) == 100
