"""What callers may do with webhooks, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import tasksvc_webhooks
from yarl import URL

from tasksvc.plugin import Caller, Scope
from tasksvc.testing.plugin import CALLER_HEADER, serving
from webhooks.client import Client
from webhooks.receiver import LOOPBACK

HOOK = "https://example.org/hook"
CALLERS = {
    "anna": Caller("anna", Scope.WRITE, ("a", "shared"), key="anna"),
    "ben": Caller("ben", Scope.WRITE, ("b", "shared"), key="ben"),
    "reader": Caller("reader", Scope.READ, ("a",), key="reader"),
    "writer": Caller("writer", Scope.WRITE, key="writer"),
    "root": Caller("root", Scope.ADMIN, key="root"),
}

As = Callable[[str], Client]


@pytest.fixture
async def closed() -> AsyncIterator[As]:
    """Gives clients of a service that knows its callers, by their names."""
    settings = {"--webhook-allow": LOOPBACK}
    async with serving(tasksvc_webhooks, name="webhooks", settings=settings, callers=CALLERS) as session:
        yield lambda name: Client(session, {CALLER_HEADER: name})


def ids(webhooks: list[dict[str, Any]]) -> list[str]:
    return [webhook["id"] for webhook in webhooks]


# ---------------------------------------------------------------- creation


async def test_only_the_url_is_needed_and_the_secret_is_shown_once(client: Client) -> None:
    made = await client.make(HOOK)

    shown = await client.show(made)
    assert made["secret"].startswith("whsec_")
    assert "secret" not in shown
    assert {name: shown[name] for name in made if name != "secret"} == {
        name: value for name, value in made.items() if name != "secret"
    }
    assert made["workspaces"] == ["default"]
    assert (made["types"], made["labels"], made["list"], made["state"]) == (None, None, None, "active")


async def test_a_webhook_is_shown_with_what_was_asked_for(client: Client) -> None:
    asked = {
        "workspaces": ["a", "b"],
        "types": ["created"],
        "labels": ["red", "blue"],
        "list": "garden",
        "description": "For the chat.",
    }

    made = await client.make(HOOK, **asked)

    assert {name: made[name] for name in asked} == asked


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "url"),
        ({"url": 5}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://user:secret@example.org/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://[::1]/"}, "url"),
        ({"url": HOOK, "workspaces": []}, "workspaces"),
        ({"url": HOOK, "workspaces": ["a b"]}, "workspaces.0"),
        ({"url": HOOK, "workspaces": "a"}, "workspaces"),
        ({"url": HOOK, "workspaces": [f"w{number}" for number in range(101)]}, "workspaces"),
        ({"url": HOOK, "types": ["made"]}, "types.0"),
        ({"url": HOOK, "types": []}, "types"),
        ({"url": HOOK, "labels": [""]}, "labels.0"),
        ({"url": HOOK, "labels": [1]}, "labels.0"),
        ({"url": HOOK, "list": ""}, "list"),
        ({"url": HOOK, "description": "x" * 256}, "description"),
        ({"url": HOOK, "secret": "mine"}, "secret"),
    ],
)
async def test_what_is_wrong_with_a_webhook_is_said(document: object, field: str, client: Client) -> None:
    problem = await client.ask("POST", "/webhooks/", document, status=422)

    assert [error["field"] for error in problem["errors"]] == [field]
    assert await client.ask("GET", "/webhooks/") == []


async def test_a_repetition_with_an_idempotency_key_makes_no_second_webhook(client: Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await client.ask("POST", "/webhooks/", {"url": HOOK}, status=201, headers=headers)
    second = await client.ask("POST", "/webhooks/", {"url": HOOK}, status=201, headers=headers)
    other = await client.ask("POST", "/webhooks/", {"url": f"{HOOK}2"}, status=422, headers=headers)

    assert second == first
    assert other["type"].endswith("idempotency-key-reused")
    assert ids(await client.ask("GET", "/webhooks/")) == [first["id"]]


async def test_a_repetition_does_not_show_a_secret_that_replaced_the_first(client: Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await client.ask("POST", "/webhooks/", {"url": HOOK}, status=201, headers=headers)
    await client.do(first, "rotate-secret")

    second = await client.ask("POST", "/webhooks/", {"url": HOOK}, status=201, headers=headers)

    assert (second["id"], second["secret"]) == (first["id"], None)


@pytest.mark.parametrize(
    "workspaces",
    [
        pytest.param(["default"], marks=pytest.mark.options(workspace_webhooks=2)),
        pytest.param(None, marks=pytest.mark.options(all_webhooks=2)),
        pytest.param(["another"], marks=pytest.mark.options(webhooks=2)),
    ],
)
async def test_there_may_be_a_number_of_webhooks_and_no_more(workspaces: list[str] | None, client: Client) -> None:
    made = [await client.make(HOOK, workspaces=workspaces) for _ in range(2)]

    problem = await client.ask("POST", "/webhooks/", {"url": HOOK, "workspaces": workspaces}, status=409)

    assert problem["type"].endswith("too-many-webhooks")
    await client.ask("PATCH", f"/webhooks/{made[0]['id']}", {"workspaces": workspaces})
    await client.ask("DELETE", f"/webhooks/{made[0]['id']}", status=204)
    await client.make(HOOK, workspaces=workspaces)


# ---------------------------------------------------------------- who may


async def test_a_webhook_is_for_the_home_of_its_caller(closed: As) -> None:
    made = await closed("anna").make(HOOK)

    assert (made["workspaces"], made["created_by"]) == (["a"], "anna")


@pytest.mark.parametrize("name", ["anna", "writer"])
async def test_all_workspaces_need_an_administrator(name: str, closed: As) -> None:
    await closed(name).ask("POST", "/webhooks/", {"url": HOOK, "workspaces": None}, status=403)
    mine = await closed(name).make(HOOK)
    await closed(name).ask("PATCH", f"/webhooks/{mine['id']}", {"workspaces": None}, status=403)

    assert (await closed("root").make(HOOK, workspaces=None))["workspaces"] is None


async def test_everybody_may_have_all_workspaces_of_an_open_service(client: Client) -> None:
    assert (await client.make(HOOK, workspaces=None))["workspaces"] is None


async def test_a_workspace_of_others_is_refused(closed: As) -> None:
    await closed("anna").ask("POST", "/webhooks/", {"url": HOOK, "workspaces": ["a", "b"]}, status=403)
    mine = await closed("anna").make(HOOK)

    await closed("anna").ask("PATCH", f"/webhooks/{mine['id']}", {"workspaces": ["b"]}, status=403)

    assert (await closed("anna").show(mine))["workspaces"] == ["a"]


async def test_callers_see_the_webhooks_all_of_whose_workspaces_they_may_enter(closed: As) -> None:
    shared = await closed("anna").make(HOOK, workspaces=["shared"])
    of_anna = await closed("anna").make(HOOK, workspaces=["a", "shared"])
    of_ben = await closed("ben").make(HOOK)
    of_all = await closed("root").make(HOOK, workspaces=None)

    seen = {name: set(ids(await closed(name).ask("GET", "/webhooks/"))) for name in ("anna", "ben", "writer", "root")}

    named = {shared["id"], of_anna["id"], of_ben["id"]}
    assert seen == {
        "anna": {shared["id"], of_anna["id"]},
        "ben": {shared["id"], of_ben["id"]},
        "writer": named,
        "root": {*named, of_all["id"]},
    }


@pytest.mark.parametrize(
    ("method", "what", "document"),
    [
        ("GET", "", None),
        ("PATCH", "", {"description": "mine"}),
        ("DELETE", "", None),
        ("POST", "/test", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/replay", {"since": "0"}),
        ("POST", "/rotate-secret", None),
    ],
)
async def test_a_webhook_of_others_is_answered_as_if_there_were_none(
    method: str, what: str, document: object, closed: As
) -> None:
    theirs = await closed("anna").make(HOOK)

    problem = await closed("ben").ask(method, f"/webhooks/{theirs['id']}{what}", document, status=404)
    nothing = await closed("ben").ask(method, f"/webhooks/wh_nothing{what}", document, status=404)

    assert problem == nothing
    assert problem["type"].endswith("webhook-not-found")
    assert (await closed("anna").show(theirs))["description"] == ""
    await closed("reader").ask(method, f"/webhooks/{theirs['id']}{what}", document, status=403)


# ---------------------------------------------------------------- changes


async def test_a_patch_changes_what_is_sent_and_nothing_else(client: Client) -> None:
    made = await client.make(HOOK, types=["created"], labels=["red"], list="garden", description="first")

    shown = await client.ask("PATCH", f"/webhooks/{made['id']}", {"labels": None, "description": "second"})

    changed = {"labels": None, "description": "second", "updated_at": shown["updated_at"]}
    assert shown == {name: value for name, value in made.items() if name != "secret"} | changed
    assert shown["updated_at"] > made["updated_at"]


async def test_a_patch_that_changes_nothing_is_no_change(client: Client) -> None:
    made = await client.make(HOOK, labels=["red"])

    shown = await client.ask("PATCH", f"/webhooks/{made['id']}", {"labels": ["red"], "url": HOOK})

    assert shown["updated_at"] == made["updated_at"]


async def test_an_address_inside_is_refused_in_a_patch_too(client: Client) -> None:
    made = await client.make(HOOK)

    await client.ask("PATCH", f"/webhooks/{made['id']}", {"url": "https://169.254.169.254/latest"}, status=422)

    assert (await client.show(made))["url"] == HOOK


async def test_pages_lead_on(session: aiohttp.ClientSession, client: Client) -> None:
    made = sorted([(await client.make(HOOK))["id"] for _ in range(5)])
    found, url = [], "/webhooks/?limit=2"

    while url:
        async with session.get(url) as response:
            found.append(ids(await response.json()))
            link = response.links.get("next")
            url = str(URL(link["url"]).relative()) if link else ""

    assert found == [made[:2], made[2:4], made[4:]]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-24T15:00:00"}, "since"),
        ({"since": "2026-11-24T25:00:00Z"}, "since"),
        ({"since": "0", "workspace": "other"}, "workspace"),
        ({"since": "abc-5"}, "workspace"),
    ],
)
async def test_what_is_wrong_with_a_replay_is_said(document: object, field: str, client: Client) -> None:
    made = await client.make(HOOK, workspaces=["a", "b"])

    problem = await client.do(made, "replay", document, status=422)

    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_replay_from_a_position_that_is_gone_is_refused(client: Client) -> None:
    made = await client.make(HOOK)

    problem = await client.do(made, "replay", {"since": "abc-5"}, status=410)

    assert problem["type"].endswith("position-gone")


async def test_a_pause_says_who_did_it(closed: As) -> None:
    made = await closed("anna").make(HOOK)

    paused = await closed("anna").do(made, "pause")
    again = await closed("root").do(made, "pause")
    resumed = await closed("anna").do(made, "resume")

    assert paused["pause"] == {"at": paused["pause"]["at"], "by": "anna", "reason": "It was paused by anna."}
    assert again["pause"] == paused["pause"]
    assert (resumed["state"], resumed["pause"]) == ("active", None)
