"""Lists, counts and deletions by values in the metadata."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from api.api_client import Api, case_id
from tasksvc.api import Options, create_app
from tasksvc.api.observability.access_log import RequestLog
from tasksvc.domain.query import METADATA_TERMS_MAX

EVERY: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    1.5,
    1e300,
    2**53 - 1,
    "",
    "1",
    "1.0",
    "true",
    "null",
    "x y",
    "語",
    '"',
]
"""Values that are all different in JSON."""
WRONG_PATH = "Must be a path of 1 to 3 names with dots between them."


async def ids(api: Api, query: str) -> list[int]:
    """Returns the ids of the tasks that match."""
    answer = await api.get(f"/tasks/?{query}")
    assert answer.status == 200, answer
    return [task["id"] for task in answer.json]


def written(value: Any) -> str:
    """Returns how a value is written in a query string: as JSON."""
    return quote(json.dumps(value), safe="")


async def test_the_types_of_json_are_told_apart(any_api: Api) -> None:
    await any_api.many([{"description": "x", "metadata": {"room": value}} for value in EVERY])

    found = [await ids(any_api, f"metadata.room={written(value)}") for value in EVERY]

    assert found == [[number] for number in range(1, len(EVERY) + 1)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("-0", 0),
        ("1e2", 100.0),
        ("4%20", 4),
        ("kitchen", "kitchen"),
        ("True", "True"),
        ("01", "01"),
        ("+1", 1),
        ("%2B1", "+1"),
        ("1+1", "1 1"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("%7Bx", "{x"),
        ('"4"', "4"),
        ('"a\\u00e9"', "aé"),
        ('"', '"'),
        ("", ""),
        ("%2B48", "+48"),
        ("%20", " "),
        ("9" * 5_000, "9" * 5_000),
    ],
    ids=case_id,
)
async def test_a_value_is_json_or_else_the_text_itself(any_api: Api, text: str, value: Any) -> None:
    await any_api.new(metadata={"room": value})
    await any_api.new(metadata={"room": "something else"})

    assert await ids(any_api, f"metadata.room={text}") == [1]


async def test_names_are_followed_three_levels_deep(any_api: Api) -> None:
    await any_api.new(metadata={"a": 1})
    await any_api.new(metadata={"a": {"b": 1}})
    await any_api.new(metadata={"a": {"b": {"c": 1}}})
    await any_api.new(metadata={"a": {"b": {"c": {"d": 1}}}})

    found = [await ids(any_api, f"metadata.{path}=1") for path in ("a", "a.b", "a.b.c")]

    assert found == [[1], [2], [3]]


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "a.b.c.d", "..", "a.b.c.", ".".join("a" * 2_000)], ids=case_id
)
@pytest.mark.parametrize("target", ["/tasks/", "/tasks/count", "/workspaces/u_42/tasks/"])
async def test_a_path_that_no_value_has_is_refused(api: Api, target: str, path: str) -> None:
    answer = await api.get(f"{target}?metadata.{path}=1")

    assert (answer.status, list(answer.fields.values())) == (422, [WRONG_PATH])


@pytest.mark.parametrize(
    "name",
    ["a b", "é", "語", '"', "=", "&", "%", "#", "[0]", "$", "__proto__", "_schema", "x" * 3_000, "token"],
    ids=case_id,
)
async def test_a_name_may_be_any_text_without_a_dot(any_api: Api, name: str) -> None:
    await any_api.new(metadata={name: 1, "other": {name: 2}})
    await any_api.new(metadata={name: 2, "other": {name: 1}})
    encoded = quote(name, safe="")

    assert await ids(any_api, f"metadata.{encoded}=1") == [1]
    assert await ids(any_api, f"metadata.other.{encoded}=1") == [2]
    assert await ids(any_api, f"%6Detadata%2E{encoded}=1") == [1]


async def test_a_name_with_a_dot_is_not_taken_for_a_path(any_api: Api) -> None:
    await any_api.new(metadata={"a.b": 1})

    assert await ids(any_api, "metadata.a.b=1") == []


async def test_what_is_in_an_array_is_not_found(any_api: Api) -> None:
    await any_api.new(metadata={"a": [1], "b": [{"c": 1}]})

    assert [await ids(any_api, query) for query in ("metadata.a=1", "metadata.a.0=1", "metadata.b.c=1")] == [[]] * 3


@pytest.mark.parametrize("value", ["[]", "[1]", "{}", '{"a":1}', " [4] "], ids=case_id)
async def test_a_value_that_is_an_array_or_an_object_is_refused(api: Api, value: str) -> None:
    answer = await api.get(f"/tasks/?metadata.room={quote(value)}")

    assert answer.fields == {"metadata.room": "Must be a string, a number, true, false or null."}


@pytest.mark.parametrize(
    "query", ["metadata.a=%00", "metadata.a=x%00y", "metadata.a%00=1", 'metadata.a="\\u0000"', 'metadata.a="\\ud800"']
)
async def test_text_that_no_task_can_hold_is_refused(any_api: Api, query: str) -> None:
    for method, path in (("GET", "/tasks/"), ("GET", "/tasks/count"), ("DELETE", "/tasks/")):
        answer = await any_api(method, f"{path}?{query}")
        assert (answer.status, list(answer.fields.values())) == (422, ["Must not hold U+0000 or a lone surrogate."])


async def test_twenty_filters_must_all_hold_and_one_more_is_refused(any_api: Api) -> None:
    metadata = {f"n{number}": number for number in range(21)}
    await any_api.new(metadata=metadata)
    await any_api.new(metadata={**metadata, "n19": "another"})
    filters = [f"metadata.n{number}={number}" for number in range(21)]

    found = await ids(any_api, "&".join(filters[:20]))
    refused = [
        await any_api.get(f"/tasks/?{'&'.join(filters)}"),
        await any_api.get(f"/tasks/?{'&'.join(['metadata.a=1'] * 21)}"),
    ]

    assert found == [1]
    for answer in refused:
        assert (answer.status, answer.fields) == (422, {"metadata": "At most 20 filters on metadata may be given."})


async def test_one_name_may_be_given_twice_and_then_has_both_values_in_no_task(any_api: Api) -> None:
    await any_api.new(metadata={"a": 1})

    assert await ids(any_api, "metadata.a=1&metadata.a=1") == [1]
    assert await ids(any_api, "metadata.a=1&metadata.a=2") == []


async def test_a_very_long_value_is_found(any_api: Api) -> None:
    long = "語" * 500
    await any_api.new(metadata={"a": long})
    await any_api.new(metadata={"a": long + "x"})
    await any_api.new(metadata={"b": long})

    assert await ids(any_api, f"metadata.a={quote(long)}") == [1]
    assert await ids(any_api, f"metadata.a={quote(long + 'x')}") == [2]


async def test_of_very_many_values_those_that_come_first_by_name_are_found(any_api: Api) -> None:
    names = [f"n{number:03}" for number in range(METADATA_TERMS_MAX + 1)]
    await any_api.new(metadata=dict.fromkeys(reversed(names), 1))

    assert await ids(any_api, f"metadata.{names[-2]}=1") == [1]
    assert await ids(any_api, f"metadata.{names[-1]}=1") == []


async def test_counts_pages_and_deletions_take_the_filters_and_others_with_them(any_api: Api) -> None:
    tasks = [
        {"description": "x", "done": number % 2 == 0, "metadata": {"room": {"number": number % 3}}}
        for number in range(12)
    ]
    await any_api.many(tasks)

    count = (await any_api.get("/tasks/count?metadata.room.number=1&done=true")).json["count"]
    page = await any_api.get("/tasks/?metadata.room.number=1&limit=3&sort=-id")
    deleted = await any_api.delete("/tasks/?metadata.room.number=1&done=true")
    left = (await any_api.get("/tasks/count?metadata.room.number=1")).json["count"]

    assert count == 2
    assert [task["id"] for task in page.json] == [11, 8, 5]
    assert await ids(any_api, page.target(page.headers["Link"].partition(">")[0][1:]).partition("?")[2]) == [2]
    assert deleted.json == {"deleted": 2, "more": False}
    assert left == 2


async def test_several_workspaces_are_filtered_by_metadata(any_api: Api) -> None:
    for below in ("/workspaces/u_1", "/workspaces/u_2"):
        for room in (4, 5):
            await any_api.post(f"{below}/tasks/", {"description": "x", "metadata": {"room": room}})

    listed = (await any_api.get("/tasks/?workspace=u_1&workspace=u_2&metadata.room=4")).json
    count = (await any_api.get("/tasks/count?workspace=u_1&workspace=u_2&metadata.room=4")).json["count"]

    assert [(task["workspace"], task["id"]) for task in listed] == [("u_1", 1), ("u_2", 1)]
    assert count == 2


async def test_an_update_and_a_deletion_change_what_is_found(any_api: Api) -> None:
    await any_api.new(metadata={"room": 4, "floor": 1})

    await any_api.patch("/tasks/1", {"metadata": {"room": 5}})
    after = [await ids(any_api, query) for query in ("metadata.room=4", "metadata.room=5", "metadata.floor=1")]
    await any_api.patch("/tasks/1", {"metadata": None})

    assert after == [[], [1], [1]]
    assert await ids(any_api, "metadata.room=5") == []


@pytest.mark.parametrize(
    "query", ["metadata=1", "metadata", "metadata=1&metadata.room=4", "metadata.room=4&metadata=1"]
)
async def test_metadata_without_a_path_is_refused_with_an_example(api: Api, query: str) -> None:
    await api.new(metadata={"room": 4})

    answers = [await api("DELETE", f"/tasks/?{query}"), await api.get(f"/tasks/?{query}")]

    for answer in answers:
        assert answer.fields == {"metadata": "Name a path in the metadata, as in metadata.room=4."}


async def test_a_prefix_that_is_misspelt_is_named(api: Api) -> None:
    answer = await api.get("/tasks/?metdata.room=4")

    assert answer.status == 422
    assert answer.fields["metdata.room"].startswith("Unknown parameter 'metdata.room'.")


@pytest.mark.parametrize("path", ["/tasks/1", "/changes", "/tasks/1/changes", "/lists/", "/health/live", "/me"])
async def test_other_requests_take_no_filters_on_metadata(api: Api, path: str) -> None:
    await api.new()

    answer = await api.get(f"{path}?metadata.token=4")

    assert (answer.status, set(answer.fields)) == (422, {"metadata.token"})


@pytest.mark.parametrize("form", ["text", "json"])
async def test_the_log_has_no_values_of_metadata(aiohttp_client: AiohttpClient, form: Any) -> None:
    log = RequestLog(form, stream := io.StringIO())
    client = await aiohttp_client(create_app("memory://", Options(request_log=log)))

    async with client.get("/tasks/?metadata.customer=Kowalska&limit=1&metadata=Nowak") as answer:
        assert answer.status == 422
    async with client.get("/tasks/?metadata.customer=Kowalska&limit=1") as answer:
        assert answer.status == 200

    log.flush()
    assert "/tasks/?metadata.customer=***&limit=1" in stream.getvalue()
    assert "Kowalska" not in stream.getvalue()
    assert "Nowak" not in stream.getvalue()
