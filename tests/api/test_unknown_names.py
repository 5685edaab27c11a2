"""Unknown names are rejected, with the known names and the nearest of them."""

from __future__ import annotations

from typing import Any

import pytest

from api.api_client import JSON, Api

FIELDS = (
    "Known are description, notes, done, due_at, due_on, priority, labels, list, parent_id, position, metadata, repeat."
)
CREATED = f"{FIELDS[:-1]}, uid, created_at, completed_at."


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("labels=home", "label"),
        ("Done=true", "done"),
        ("priority_mni=1", "priority_min"),
        ("sortby=id", "sort"),
        ("due-before=2026-11-24T15:00:00Z", "due_before"),
    ],
)
async def test_a_parameter_that_is_not_known_is_named_with_the_nearest(api: Api, query: str, nearest: str) -> None:
    name = query.partition("=")[0]

    answer = await api.get(f"/tasks/?{query}")

    assert answer.status == 422
    assert answer.json["detail"] == f"The request failed validation: see `errors` for `{name}`."
    assert answer.fields[name].startswith(f"Unknown parameter '{name}'. Did you mean '{nearest}'? Known are ")
    assert ", label, " in answer.fields[name]


@pytest.mark.parametrize("path", ["/tasks/1", "/health/live", "/openapi.json"])
async def test_the_refusal_says_that_there_are_no_parameters(api: Api, path: str) -> None:
    answer = await api.get(f"{path}?verbose=1")

    assert answer.fields == {"verbose": "Unknown parameter 'verbose'. This path takes no parameters."}


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "message"),
    [
        ("POST", "/tasks/", {"label": []}, "label", f"Unknown field 'label'. Did you mean 'labels'? {CREATED}"),
        ("POST", "/tasks/", {"description": "x", "zzz": 1}, "zzz", f"Unknown field 'zzz'. {CREATED}"),
        ("PATCH", "/tasks/1", {"priorty": 1}, "priorty", f"Unknown field 'priorty'. Did you mean 'priority'? {FIELDS}"),
        ("PATCH", "/tasks/1", {"version": 1}, "version", "The service sets 'version'. Leave it out."),
        ("POST", "/tasks/", {"description": "x", "id": 1}, "id", "The service sets 'id'. Leave it out."),
        (
            "POST",
            "/tasks/batch",
            [{"op": "update", "id": 1, "patch": {"dne": True}}],
            "0.patch.dne",
            f"Unknown field 'dne'. Did you mean 'done'? {FIELDS}",
        ),
        (
            "POST",
            "/tasks/batch",
            [{"op": "delete", "id": 1, "ifmatch": "*"}],
            "0.ifmatch",
            "Unknown field 'ifmatch'. Did you mean 'if_match'? Known are op, id, children, if_match.",
        ),
        (
            "POST",
            "/tasks/batch",
            [{"op": "updat"}],
            "0.op",
            "Must be create, update, restore or delete. Did you mean 'update'?",
        ),
        ("PATCH", "/tasks/1", {"created_at": None}, "created_at", "The service sets 'created_at'. Leave it out."),
        (
            "PATCH",
            "/tasks/1",
            {"uid": "x"},
            "uid",
            "'uid' is given when a task is created, and never changes. Leave it out.",
        ),
    ],
)  # fmt: skip
async def test_a_field_that_is_not_known_is_named_with_the_nearest(
    api: Api, method: str, path: str, body: Any, field: str, message: str
) -> None:
    answer = await (api.post if method == "POST" else api.patch)(path, body)

    assert answer.status == 422
    assert answer.fields[field] == message


async def test_an_order_that_is_not_known_is_answered_with_the_nearest(api: Api) -> None:
    answer = await api.get("/tasks/?sort=-priorty")

    assert answer.fields["sort"].startswith("Must be one of id, -id, ")
    assert answer.fields["sort"].endswith(" Did you mean '-priority'?")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nINFO forged", r"'a\nINFO forged'"),
        ("\x1b[31m", r"'\x1b[31m'"),
        ("\u202e", r"'\u202e'"),
        ("\ud800", r"'\ud800'"),
        ("x" * 100_000, f"'{'x' * 60}...'"),
    ],
    ids=["newline", "escape", "override", "surrogate", "long"],
)
async def test_a_hostile_name_is_cut_and_escaped(api: Api, name: str, shown: str) -> None:
    body = b'{"description": "x", "%b": 1}' % name.encode("unicode_escape").replace(b"\\x", b"\\u00")

    answer = await api("POST", "/tasks/", JSON, body)

    (error,) = answer.json["errors"]
    assert error["message"] == f"Unknown field {shown}. {CREATED}"
    assert len(answer.body) < 1_000


async def test_many_names_that_are_not_known_are_not_all_explained(api: Api) -> None:
    """Each explanation takes time, and is longer than the name."""
    body = {"description": "x", **{f"description{n}": n for n in range(5_000)}}

    answer = await api.post("/tasks/", body)

    messages = [error["message"] for error in answer.json["errors"]]
    assert ["Did you mean" in message for message in messages] == [True] * 10 + [False] * 90
    assert messages[-1] == "Unknown field."
    assert answer.json["detail"].count("`description") == 5
    assert answer.json["detail"].endswith(" and others.")
