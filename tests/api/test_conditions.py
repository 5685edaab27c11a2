"""Entity tags and preconditions (RFC 9110, sections 8.8.3 and 13.1)."""

from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict

from api.api_client import JSON, Api

MATCHING = [
    "{tag}",
    "*",
    " * ",
    '{tag}, "other"',
    '"other" ,"",{tag}',
    ', ,{tag},, "other",',
    '"a,b", {tag}',
    '"é—语", {tag}',
]
"""Preconditions that hold if `tag` is the current entity tag."""
OTHER = ['"other"', '""', '"0123456789abcdef.1"', '"é—语"', '"other", "another"']
MALFORMED = ["", "other", '"open', "W/", 'w/"x"', '"a" "b"', "*, *", '* "a"', "'a'", ",", '"a";q=1', '"a b"']


@pytest.fixture
async def tag(api: Api) -> str:
    """The entity tag of task 1."""
    made = await api.post("/tasks/", {"description": "buy milk"})
    return made.headers["ETag"]


# ---------------------------------------------------------------- If-None-Match on GET


@pytest.mark.parametrize("condition", [*MATCHING, "W/{tag}", 'W/"other", W/{tag}'])
async def test_a_version_that_the_client_has_is_not_sent_again(api: Api, tag: str, condition: str) -> None:
    answer = await api.get("/tasks/1", If_None_Match=condition.format(tag=tag))

    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize("condition", [*OTHER, 'W/"other"'])
async def test_another_version_is_sent(api: Api, tag: str, condition: str) -> None:
    answer = await api.get("/tasks/1", If_None_Match=condition)

    assert (answer.status, answer.headers["ETag"]) == (200, tag)


async def test_a_version_that_is_old_by_now_is_sent_again(api: Api, tag: str) -> None:
    await api.patch("/tasks/1", {"done": True})

    answer = await api.get("/tasks/1", If_None_Match=tag)

    assert (answer.status, answer.json["done"]) == (200, True)
    assert answer.headers["ETag"] != tag


async def test_several_lines_are_one_list(api: Api, tag: str) -> None:
    answer = await api("GET", "/tasks/1", CIMultiDict([("If-None-Match", '"other"'), ("If-None-Match", tag)]))

    assert answer.status == 304


async def test_what_is_not_there_is_not_known_either(api: Api) -> None:
    answer = await api.get("/tasks/1", If_None_Match="*")

    assert answer.status == 404


@pytest.mark.parametrize("condition", MATCHING)
async def test_a_read_may_ask_for_a_version(api: Api, tag: str, condition: str) -> None:
    assert (await api.get("/tasks/1", If_Match=condition.format(tag=tag))).status == 200


@pytest.mark.parametrize("condition", [*OTHER, "W/{tag}"])
async def test_a_read_with_a_failing_precondition_returns_the_current_entity_tag(
    api: Api, tag: str, condition: str
) -> None:
    answer = await api.get("/tasks/1", If_Match=condition.format(tag=tag))

    assert (answer.status, answer.problem, answer.headers["ETag"]) == (412, "version-conflict", tag)


# ---------------------------------------------------------------- resources without an entity tag


UNTAGGED = [("POST", "/tasks/"), ("POST", "/tasks/batch"), ("DELETE", "/tasks/?priority_min=0")]
BODIES = {"/tasks/": b'{"description": "x"}', "/tasks/batch": b'[{"op": "delete", "id": 1}]'}


@pytest.mark.parametrize(("method", "path"), UNTAGGED)
@pytest.mark.parametrize(
    "condition", [{"If-Match": '"any"'}, {"If-Match": 'W/"a", "b"'}, {"If-None-Match": "*"}], ids=str
)
async def test_a_precondition_that_cannot_hold_is_not_ignored(
    api: Api, tag: str, method: str, path: str, condition: dict[str, str]
) -> None:
    answer = await api(method, path, JSON | condition, BODIES.get(path, b""))

    assert (answer.status, answer.problem) == (412, "condition-failed")
    assert [task["id"] for task in (await api.get("/tasks/")).json] == [1]


@pytest.mark.parametrize(("method", "path"), UNTAGGED)
async def test_a_condition_that_holds_or_is_malformed_is_seen_to_be(api: Api, tag: str, method: str, path: str) -> None:
    malformed = await api(method, path, JSON | {"If-Match": "any"}, BODIES.get(path, b""))
    holds = await api(method, path, JSON | {"If-Match": "*", "If-None-Match": '"other"'}, BODIES.get(path, b""))

    assert (malformed.status, malformed.problem) == (400, "malformed-request")
    assert holds.status in (200, 201)


# ---------------------------------------------------------------- If-Match on PATCH and DELETE


@pytest.mark.parametrize("condition", MATCHING)
async def test_a_write_that_names_the_version_is_done(api: Api, tag: str, condition: str) -> None:
    changed = await api.patch("/tasks/1", {"done": True}, If_Match=condition.format(tag=tag))
    deleted = await api.delete("/tasks/1", If_Match=condition.format(tag=changed.headers["ETag"]))

    assert (changed.status, changed.json["version"], deleted.status) == (200, 2, 204)


@pytest.mark.parametrize("condition", [*OTHER, "W/{tag}", 'W/{tag}, "other"'])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_write_with_a_failing_precondition_returns_the_current_version(
    api: Api, tag: str, method: str, condition: str
) -> None:
    answer = await api(method, "/tasks/1", JSON | {"If-Match": condition.format(tag=tag)}, b'{"done": true}')

    assert (answer.status, answer.problem, answer.headers["ETag"]) == (412, "version-conflict", tag)
    assert answer.json["current"] == (await api.get("/tasks/1")).json
    assert answer.json["current"]["version"] == 1


@pytest.mark.parametrize("suffix", ['.2"', '.01"', '.0"', '.-1"', '.1.1"', f'.{10**400}"', '"'])
async def test_a_tag_that_only_resembles_the_right_one_is_another(api: Api, tag: str, suffix: str) -> None:
    resembling = tag.removesuffix('.1"') + suffix

    answer = await api.patch("/tasks/1", {"done": True}, If_Match=resembling)

    assert answer.status == (200 if resembling == tag else 412)


async def test_a_version_that_was_changed_is_no_longer_the_one(api: Api, tag: str) -> None:
    await api.patch("/tasks/1", {"priority": 1})

    changed, deleted = (
        await api.patch("/tasks/1", {"priority": 2}, If_Match=tag),
        await api.delete("/tasks/1", If_Match=tag),
    )

    assert (changed.status, deleted.status) == (412, 412)
    assert changed.json["current"]["priority"] == 1


async def test_a_tag_of_another_generation_never_matches(api: Api, tag: str) -> None:
    generation = tag.strip('"').partition(".")[0]
    another = "".join(reversed(generation)) if generation != generation[::-1] else "0" * 16

    answer = await api.patch("/tasks/1", {"done": True}, If_Match=tag.replace(generation, another))

    assert answer.status == 412


async def test_a_write_may_name_what_must_not_be_there(api: Api, tag: str) -> None:
    met = await api.patch("/tasks/1", {"priority": 1}, If_None_Match='"other"')
    unmet = await api.patch("/tasks/1", {"priority": 2}, If_None_Match=f"W/{met.headers['ETag']}")
    never = await api.delete("/tasks/1", If_None_Match="*")

    assert (met.status, unmet.status, never.status) == (200, 412, 412)


async def test_a_condition_on_what_is_not_there_is_answered_by_404(api: Api) -> None:
    changed, deleted = await api.patch("/tasks/1", {}, If_Match="*"), await api.delete("/tasks/1", If_Match='"x"')

    assert (changed.status, deleted.status) == (404, 404)


@pytest.mark.parametrize("condition", MALFORMED)
async def test_a_malformed_precondition_is_refused(api: Api, tag: str, condition: str) -> None:
    answers = [
        await api.get("/tasks/1", If_None_Match=condition),
        await api.patch("/tasks/1", {"done": True}, If_Match=condition),
        await api.patch("/tasks/1", {"done": True}, If_None_Match=condition),
        await api.delete("/tasks/1", If_Match=condition),
    ]

    assert {(answer.status, answer.problem) for answer in answers} == {(400, "malformed-request")}
    assert (await api.get("/tasks/1")).headers["ETag"] == tag


# ---------------------------------------------------------------- races


async def test_of_fifty_patches_with_one_tag_one_is_done(any_api: Api) -> None:
    tag = (await any_api.post("/tasks/", {"description": "buy milk"})).headers["ETag"]

    answers = await asyncio.gather(
        *(any_api.patch("/tasks/1", {"priority": n % 9 + 1}, If_Match=tag) for n in range(50))
    )

    (done,) = (answer for answer in answers if answer.status == 200)
    refused = [answer for answer in answers if answer.status == 412]
    assert len(refused) == 49
    assert all(answer.json["current"] == done.json for answer in refused)
    assert all(answer.headers["ETag"] == done.headers["ETag"] for answer in refused)
    assert (await any_api.get("/tasks/1")).json == done.json


async def test_of_fifty_deletions_with_one_tag_one_is_done(any_api: Api) -> None:
    tag = (await any_api.post("/tasks/", {"description": "buy milk"})).headers["ETag"]

    answers = await asyncio.gather(*(any_api.delete("/tasks/1", If_Match=tag) for _ in range(50)))

    assert sorted(answer.status for answer in answers) == [204] + [404] * 49
