"""The description of the API: valid, complete, and true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import openapi_spec_validator
import pytest

from api.calling import JSON, PROBLEM, Api, case_id, validator

EVERY_OPERATION = {"400", "414", "421", "422", "431"}
"""What each may answer: about its target and its headers."""
WITH_SCOPE = {"401", "403", "429"}
WITH_BODY = {"408", "413", "415", "501"}
WITH_STORE = {"503"}
CHANGING = {"507"}


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    """The description."""
    found: dict[str, Any] = (await api.get("/openapi.json")).json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of each."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


async def test_it_is_valid(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)

    assert document["openapi"].startswith("3.1")


async def test_it_has_every_operation(document: dict[str, Any]) -> None:
    assert {(method.upper(), path) for path, method, _ in operations(document)} == {
        ("GET", "/tasks/"),
        ("POST", "/tasks/"),
        ("DELETE", "/tasks/"),
        ("GET", "/tasks/{id}"),
        ("PATCH", "/tasks/{id}"),
        ("DELETE", "/tasks/{id}"),
        ("GET", "/tasks/count"),
        ("POST", "/tasks/batch"),
        ("GET", "/changes"),
        ("GET", "/changes/stream"),
        ("GET", "/admin/tokens"),
        ("POST", "/admin/tokens"),
        ("DELETE", "/admin/tokens/{name}"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    }


async def test_every_operation_is_described(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    tags = {tag["name"] for tag in document["tags"]}

    assert len(names) == len(set(names))
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert set(operation["tags"]) <= tags, where
        for parameter in operation["parameters"]:
            assert parameter["schema"]["type"], (where, parameter)
            assert parameter.get("description") or parameter["in"] == "path", (where, parameter)
        for status, answer in operation["responses"].items():
            assert answer["description"], (where, status)


async def test_every_operation_tells_all_that_it_may_answer(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        expected = set(EVERY_OPERATION)
        if "security" in operation:
            expected |= WITH_SCOPE
        if "requestBody" in operation:
            expected |= WITH_BODY
        if path.startswith(("/tasks", "/changes", "/admin")):
            expected |= WITH_STORE
            if method != "get":
                expected |= CHANGING
        if "{" in path:
            expected |= {"404"}
        answered = set(operation["responses"])

        assert expected <= answered, f"{method} {path} lacks {expected - answered}"
        assert any(status.startswith("2") for status in answered), f"{method} {path}"


async def test_every_error_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    judge = validator(document, "#/components/schemas/Problem")
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                media = answer["content"]
                assert set(media) == {PROBLEM}, (method, path, status)
                assert media[PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}
                judge.validate(media[PROBLEM]["example"])
                assert media[PROBLEM]["example"]["status"] == int(status)


async def test_every_body_has_an_example_that_the_service_takes(document: dict[str, Any], api: Api) -> None:
    await api.new()
    for path, method, operation in operations(document):
        for media_type, media in operation.get("requestBody", {"content": {}})["content"].items():
            validator(document, media["schema"]).validate(media["example"])
            if not path.startswith("/admin"):
                body = json.dumps(media["example"]).encode()
                answer = await api(method.upper(), path.replace("{id}", "1"), {"Content-Type": media_type}, body)
                assert answer.status in (200, 201), answer


async def test_every_example_is_valid(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for property_name, inner in schema.get("properties", {}).items():
            if "example" in inner:
                validator(document, inner).validate(inner["example"])
            assert inner, (name, property_name)
    for _, _, operation in operations(document):
        for parameter in operation["parameters"]:
            if "example" in parameter:
                validator(document, parameter["schema"]).validate(parameter["example"])


async def test_what_goes_out_is_described_field_by_field(document: dict[str, Any], api: Api) -> None:
    await api.new()
    shown = {
        "TaskOut": (await api.get("/tasks/1")).json,
        "ChangesOut": (await api.get("/changes")).json,
        "ChangeOut": (await api.get("/changes")).json["changes"][0],
        "BatchOut": (await api.post("/tasks/batch", [{"op": "update", "id": 1, "patch": {}}])).json,
        "BatchResult": (await api.post("/tasks/batch", [{"op": "update", "id": 1, "patch": {}}])).json["results"][0],
        "CountOut": (await api.get("/tasks/count")).json,
        "DeletedOut": (await api.delete("/tasks/?done=false")).json,
        "HealthOut": (await api.get("/health/live")).json,
    }

    for name, value in shown.items():
        schema = document["components"]["schemas"][name]
        assert list(schema["properties"]) == list(value), name
        assert sorted(schema["required"]) == sorted(value), name


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("x", True),
        ("x" * 10_000, True),
        ("\n x", True),
        ("", False),
        (" \n", False),
        ("a\0", False),
        ("x" * 10_001, False),
    ],
    ids=case_id,
)
async def test_the_description_of_a_description_says_what_the_service_does(
    document: dict[str, Any], api: Api, text: str, valid: bool
) -> None:
    answer = await api.post("/tasks/", {"description": text})

    assert validator(document, "#/components/schemas/TaskIn").is_valid({"description": text}) is valid
    assert (answer.status == 201) is valid


@pytest.mark.parametrize(
    ("metadata", "valid"),
    [
        ({}, True),
        ({"a": [1.5, None, {"b": "c"}, True]}, True),
        ({"a": 2**53 - 1}, True),
        ({"a": 2**53}, False),
        ({"a": [{"b": -(2**53)}]}, False),
        ({"a": "\0"}, False),
        ({"a": {"\0": 1}}, False),
        ([], False),
    ],
    ids=case_id,
)
async def test_the_description_of_metadata_says_what_the_service_does(
    document: dict[str, Any], api: Api, metadata: Any, valid: bool
) -> None:
    task = {"description": "x", "metadata": metadata}
    answer = await api.post("/tasks/", task)

    assert validator(document, "#/components/schemas/TaskIn").is_valid(task) is valid
    assert (answer.status == 201) is valid


@pytest.mark.parametrize(
    ("condition", "valid"),
    [("*", True), ('"a"', True), ('W/"a", "b"', True), ('""', True), ("a", False), ('"a', False), ('"a" "b"', False)],
)
async def test_the_description_of_a_condition_says_what_the_service_does(
    document: dict[str, Any], api: Api, condition: str, valid: bool
) -> None:
    await api.new()
    answer = await api.patch("/tasks/1", {}, If_Match=condition)
    parameters = document["paths"]["/tasks/{id}"]["patch"]["parameters"]
    (pattern,) = (parameter["schema"]["pattern"] for parameter in parameters if parameter["name"] == "If-Match")

    assert (re.search(pattern, condition) is not None) is valid
    assert (answer.status != 400) is valid


async def test_a_head_is_answered_wherever_a_get_is(document: dict[str, Any], api: Api) -> None:
    await api.new()
    for path, method, _ in operations(document):
        if method == "get":
            path = path.replace("{id}", "1")
            assert (await api("HEAD", path, JSON)).status in (200, 403), path
