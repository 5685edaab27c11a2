"""The description of the API is valid, complete and true."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import openapi_spec_validator
import pytest

from api.api_client import JSON, PROBLEM, Api, Description, case_id, examples_of, particular_errors, validator
from tasksvc.api.responses.problems import ERROR_RESPONSES, RequestError
from tasksvc.api.schemas.task_fields import BLANK
from tasksvc.domain.task import DEFAULT_LIST
from tasksvc.domain.workspace import DEFAULT_WORKSPACE, is_workspace_name

NOT_OF_OPERATIONS = {(404, "not-found"), (405, "method-not-allowed")}
"""Errors that belong to no operation."""
JSON_TYPES = {"null", "boolean", "integer", "number", "string", "array", "object"}
DERIVED = re.compile(
    "(api|json|http)?(args?|arguments?|body|call|client|command|config|context|created|data|default|endpoint|errors?"
    "|exception|headers|hook|input|key|mutation|ok|operation|options|output|params?|parameters|path|payload|props|query"
    "|req|request|requestbody|requestbuilder|res|resp|response|response200|response201|responses|results?|return|status"
    "|success|types?|url|variables)?"
).fullmatch
"""What generators append to the name of an operation, in lower case."""
ACROSS = {"/tasks/", "/tasks/count", "/changes/stream"}
"""Paths whose GET takes several workspaces, where the path names none."""
PORTABLE = re.compile(
    r"""
    \^ (?: \[\^? (?: \\u[0-9a-f]{4} | [^\\\[\]^] )+ \] | [^\\\[\]^$.] | [()*+?|] | \{\d+(?:,\d*)?\} )* \$
    """,
    re.VERBOSE | re.ASCII,
).fullmatch
"""Patterns that every dialect understands: anchored, with characters, classes, groups, alternatives and quantifiers."""


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    """The OpenAPI document of the service."""
    found: dict[str, Any] = (await api.get("/openapi.json")).json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Returns path, method and operation of each operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


async def test_it_is_valid(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)

    assert document["openapi"].startswith("3.1")


OF_PLUGINS = (
    "/calendar/",
    "/stats",
    "/webhooks/",
    "/workspaces/{workspace}/calendar/",
    "/workspaces/{workspace}/stats",
)
"""The beginnings of paths that plugins may have added."""


async def test_it_has_every_operation(document: dict[str, Any]) -> None:
    of_workspaces = {
        ("GET", "/tasks/"),
        ("POST", "/tasks/"),
        ("DELETE", "/tasks/"),
        ("GET", "/tasks/{id}"),
        ("PATCH", "/tasks/{id}"),
        ("DELETE", "/tasks/{id}"),
        ("POST", "/tasks/{id}/skip"),
        ("POST", "/tasks/{id}/restore"),
        ("GET", "/tasks/{id}/changes"),
        ("GET", "/tasks/count"),
        ("POST", "/tasks/batch"),
        ("GET", "/lists/"),
        ("PATCH", "/lists/{list}"),
        ("DELETE", "/lists/{list}"),
        ("GET", "/changes"),
        ("GET", "/changes/stream"),
    }
    of_the_service = {
        ("GET", "/me"),
        ("GET", "/workspaces/"),
        ("DELETE", "/workspaces/{workspace}"),
        ("GET", "/admin/tokens"),
        ("POST", "/admin/tokens"),
        ("PATCH", "/admin/tokens/{name}"),
        ("DELETE", "/admin/tokens/{name}"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    }

    assert {(method.upper(), path) for path, method, _ in operations(document) if not path.startswith(OF_PLUGINS)} == {
        *of_workspaces,
        *((method, f"/workspaces/{{workspace}}{path}") for method, path in of_workspaces),
        *of_the_service,
    }


async def test_an_operation_in_a_workspace_is_described_like_the_one_in_the_default_workspace(
    document: dict[str, Any],
) -> None:
    in_workspaces = [item for item in operations(document) if "{workspace}/" in item[0]]

    for path, method, operation in in_workspaces:
        default = document["paths"][path.removeprefix("/workspaces/{workspace}")][method]
        first, *others = operation["parameters"]
        its_own = {"operationId", "tags", "summary", "parameters"}
        assert (first["in"], first["name"], operation["tags"]) == ("path", "workspace", ["workspaces"]), path
        if method == "get" and path.removeprefix("/workspaces/{workspace}") in ACROSS:
            named = [parameter["name"] for parameter in default["parameters"]]
            assert sorted(["workspace", *(parameter["name"] for parameter in others)]) == sorted(named), path
            assert default["description"].startswith(operation["description"]), path
            assert default["responses"] == operation["responses"], path
            continue
        assert others == default["parameters"], path
        assert {name: value for name, value in operation.items() if name not in its_own} == {
            name: value for name, value in default.items() if name not in its_own
        }, path
    assert {operation["operationId"] for path, _, operation in in_workspaces if not path.startswith(OF_PLUGINS)} == {
        "list_workspace_tasks",
        "create_workspace_task",
        "get_workspace_task",
        "patch_workspace_task",
        "delete_workspace_task",
        "skip_workspace_task",
        "restore_workspace_task",
        "workspace_task_changes",
        "delete_workspace_tasks",
        "count_workspace_tasks",
        "workspace_batch",
        "list_workspace_lists",
        "rename_workspace_list",
        "delete_workspace_list",
        "workspace_changes",
        "workspace_stream",
    }


@pytest.mark.parametrize(
    "name", [*"aZ9_-~.", "..", "...", ".a", "..a", "a.", "u_42", "a" * 100, "a" * 101, "", "a b", "a/b", "é"]
)
async def test_the_description_of_a_workspace_says_which_names_are_valid(document: dict[str, Any], name: str) -> None:
    first, *_ = document["paths"]["/workspaces/{workspace}/tasks/"]["get"]["parameters"]

    assert validator(document, first["schema"]).is_valid(name) is is_workspace_name(name)


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
            assert answer.get("description") or status == "default", (where, status)


async def test_every_error_is_described_as_usual_or_with_its_operations(document: dict[str, Any]) -> None:
    kinds = [kind for kind in all_kinds_of(RequestError) if kind.__module__.startswith("tasksvc.")]
    raised = {(error.status, error.name) for error in kinds} | {
        (answer.status, answer.name) for answer in ERROR_RESPONSES.values()
    }

    described = Description(document).usual_errors | {
        error for _, _, operation in operations(document) for error in particular_errors(operation)
    }

    assert raised - NOT_OF_OPERATIONS <= described


async def test_the_usual_errors_are_described_once(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/UsualError"}, (path, method)


async def test_an_operation_lists_only_what_is_particular_to_it(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        answered = set(operation["responses"])

        assert len([status for status in answered if status >= "4" and status != "default"]) <= 4, f"{method} {path}"
        assert len([status for status in answered if status.startswith("2")]) == 1, f"{method} {path}"
        assert ("404" in answered) >= ("{id}" in path or "{name}" in path), f"{method} {path}"


async def test_every_error_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    judge = validator(document, "#/components/schemas/Problem")
    shared = document["components"]["responses"]["UsualError"]
    for path, method, operation in operations(document):
        for status, answer in {**operation["responses"], "default": shared}.items():
            if status >= "400":
                media = answer["content"]
                assert set(media) == {PROBLEM}, (method, path, status)
                assert media[PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}
                for example in examples_of(media[PROBLEM]):
                    judge.validate(example)
                    assert status in ("default", str(example["status"]))


async def test_every_body_has_examples_that_the_service_takes(document: dict[str, Any], api: Api) -> None:
    await api.new()
    for path, method, operation in operations(document):
        for media_type, media in operation.get("requestBody", {"content": {}})["content"].items():
            for example in examples_of(media):
                validator(document, media["schema"]).validate(example)
                if not path.startswith(("/admin", "/webhooks/{id}")):
                    body = json.dumps(example).encode()
                    answer = await api(method.upper(), filled_in(path), {"Content-Type": media_type}, body)
                    assert answer.status in (200, 201), answer


async def test_nothing_optional_has_a_value_that_swagger_ui_would_fill_in(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for parameter in operation["parameters"]:
            if not parameter.get("required", False):
                values = {"example", "examples", "default"} & (set(parameter) | set(parameter["schema"]))
                assert values == set(), (method, path, parameter["name"])


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
        "BatchItemOut": (await api.post("/tasks/batch", [{"op": "update", "id": 1, "patch": {}}])).json["results"][0],
        "CountOut": (await api.get("/tasks/count")).json,
        "DeletedOut": (await api.delete("/tasks/?done=false")).json,
        "HealthOut": (await api.get("/health/live")).json,
    }

    for name, value in shown.items():
        schema = document["components"]["schemas"][name]
        assert [name for name in schema["properties"] if name != "workspace"] == list(value), name
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


@pytest.mark.parametrize("metadata", [{}, {"a": [1.5, None, {"b": "c"}, True]}, {"a": 2**53 - 1}], ids=case_id)
async def test_metadata_may_hold_any_json(document: dict[str, Any], api: Api, metadata: Any) -> None:
    task = {"description": "x", "metadata": metadata}
    answer = await api.post("/tasks/", task)

    assert validator(document, "#/components/schemas/TaskIn").is_valid(task)
    assert validator(document, "#/components/schemas/TaskOut").is_valid(answer.json)
    assert answer.json["metadata"] == metadata


async def test_a_label_that_is_repeated_counts_once_as_the_description_allows(
    document: dict[str, Any], api: Api
) -> None:
    task = {"description": "x", "labels": ["home"] * 60}

    answer = await api.post("/tasks/", task)

    assert validator(document, "#/components/schemas/TaskIn").is_valid(task)
    assert answer.json["labels"] == ["home"]


@pytest.mark.parametrize(
    ("priority", "valid"),
    [
        (5, True),
        (5.0, True),
        (0.0, True),
        (-0.0, True),
        (9.0, True),
        (5.5, False),
        (10.0, False),
        ("5", False),
        (True, False),
    ],
    ids=case_id,
)
async def test_the_description_of_an_integer_says_what_the_service_does(
    document: dict[str, Any], api: Api, priority: Any, valid: bool
) -> None:
    task = {"description": "x", "priority": priority}
    answer = await api.post("/tasks/", task)

    assert validator(document, "#/components/schemas/TaskIn").is_valid(task) is valid
    assert (answer.status == 201) is valid
    if valid:
        assert repr(answer.json["priority"]) == str(int(priority))


async def test_every_integer_says_that_it_has_64_bits_and_its_bounds(document: dict[str, Any]) -> None:
    for schema in schemas_in(document):
        if "integer" in types_of(schema):
            assert schema["format"] == "int64", schema
            assert -(2**63) <= schema["minimum"] <= schema["maximum"] < 2**63, schema


async def test_no_schema_refers_to_itself(document: dict[str, Any]) -> None:
    named = document["components"]["schemas"]
    below = {name: {named_by(reference) for reference in references_in(schema)} for name, schema in named.items()}

    for name in named:
        reached: set[str] = set()
        coming = set(below[name])
        while coming:
            reached |= coming
            coming = set().union(*(below[inner] for inner in coming)) - reached
        assert name not in reached


async def test_no_schema_has_a_name_that_generators_derive_from_an_operation(document: dict[str, Any]) -> None:
    names = [operation["operationId"].replace("_", "") for _, _, operation in operations(document)]

    taken = [
        (schema, name)
        for schema in document["components"]["schemas"]
        for name in names
        if schema.lower().startswith(name) and DERIVED(schema.lower().removeprefix(name))
    ]

    assert taken == []


async def test_patterns_keep_to_what_means_the_same_everywhere(document: dict[str, Any]) -> None:
    patterns = {schema["pattern"] for schema in schemas_in(document) if "pattern" in schema}

    assert patterns
    assert [pattern for pattern in patterns if not PORTABLE(pattern)] == []


def test_the_blank_characters_of_the_description_are_those_of_the_domain() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    is_blank = re.compile(f"[{BLANK}]").fullmatch

    assert [character for character in every if character.isspace() is not (is_blank(character) is not None)] == []


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
            refused = (404, 422) if path.startswith(OF_PLUGINS) else ()
            assert (await api("HEAD", filled_in(path), JSON)).status in (200, 403, *refused), path


def filled_in(path: str) -> str:
    """Returns the path of the first task or its list, in the default workspace where `path` leaves that open."""
    return path.replace("{workspace}", DEFAULT_WORKSPACE).replace("{id}", "1").replace("{list}", DEFAULT_LIST)


def all_kinds_of(error: type[RequestError]) -> Iterator[type[RequestError]]:
    """Yields all classes below `error`."""
    for kind in error.__subclasses__():
        yield kind
        yield from all_kinds_of(kind)


def schemas_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yields everything in `value` that has a type."""
    if isinstance(value, dict):
        if types_of(value):
            yield value
        for inner in value.values():
            yield from schemas_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from schemas_in(inner)


def types_of(schema: dict[str, Any]) -> list[str]:
    """Returns the types that a schema names; none for a value that isn't a schema, such as an example."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    return types if isinstance(types, list) and set(types) <= JSON_TYPES else []


def references_in(value: Any) -> Iterator[str]:
    """Yields all references in `value`."""
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference
        for inner in value.values():
            yield from references_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references_in(inner)


def named_by(reference: str) -> str:
    """Returns the name of the schema that `reference` refers to."""
    return reference.removeprefix("#/components/schemas/")
