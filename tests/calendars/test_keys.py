"""Keys of calendars: who makes and revokes them, and what they open."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import tasksvc_calendar
from service_process import RunningService, run_tasksvc
from tasksvc_calendar.key_handlers import KEYS_MAX
from tasksvc_calendar.keys import new_id, new_key
from yarl import URL

from calendars.client import Client
from tasksvc.application.tokens import new_secret
from tasksvc.plugin import Caller, Scope
from tasksvc.testing.plugin import CALLER_HEADER, serving

CALLERS = {
    "anna": Caller("anna", Scope.WRITE, ("a", "shared"), key="anna"),
    "ben": Caller("ben", Scope.WRITE, ("b", "shared"), key="ben"),
    "reader": Caller("reader", Scope.READ, ("a",), key="reader"),
    "root": Caller("root", Scope.ADMIN, key="root"),
}

As = Callable[[str], Client]


@pytest.fixture
async def closed() -> AsyncIterator[As]:
    """Gives clients of a service that knows its callers, by their names."""
    async with serving(tasksvc_calendar, name="calendar", callers=CALLERS) as session:
        yield lambda name: Client(session, {CALLER_HEADER: name})


async def test_a_key_is_shown_once(client: Client) -> None:
    made = await client.ask("POST", "/calendar/keys", {"list": "inbox", "description": "Phone"}, status=201)

    shown = await client.ask("GET", f"/calendar/keys/{made['id']}")

    assert made == {**shown, "key": made["key"], "path": f"/calendar/inbox.ics?key={made['key']}"}
    assert (shown["list"], shown["description"], shown["created_by"]) == ("inbox", "Phone", None)
    assert await client.ask("GET", "/calendar/keys/") == [shown]


async def test_a_key_needs_no_token_and_opens_its_list_in_both_ways(
    closed: As,
) -> None:
    await closed("anna").create(description="secret")
    made = await closed("anna").key()

    by_home = await closed("").show(made["path"])
    by_workspace = await closed("").show(f"/workspaces/a{made['path']}")

    assert [str(todo["SUMMARY"]) for todo in by_home] == ["secret"]
    assert by_home == by_workspace


async def test_all_that_a_key_does_not_open_is_answered_alike(closed: As) -> None:
    made = await closed("anna").key()
    await closed("anna").key("garden")
    await closed("ben").key()
    revoked = await closed("anna").key()
    await closed("anna").ask("DELETE", f"/calendar/keys/{revoked['id']}", status=204)
    key = made["key"]
    wrong = [
        f"/calendar/garden.ics?key={key}",
        f"/calendar/Inbox.ics?key={key}",
        f"/calendar/.ics?key={key}",
        f"/workspaces/b/calendar/inbox.ics?key={key}",
        f"/workspaces/none/calendar/inbox.ics?key={key}",
        f"/calendar/inbox.ics?key={revoked['key']}",
        f"/calendar/inbox.ics?key={key[:-1]}",
        f"/calendar/inbox.ics?key={key}x",
        f"/calendar/inbox.ics?key={key.upper()}",
        f"/calendar/inbox.ics?key={new_key(new_id('a'))}",
        f"/calendar/inbox.ics?key={key[:-1]}{'b' if key[-1] == 'a' else 'a'}",
        f"/calendar/inbox.ics?key={made['id']}",
        "/calendar/inbox.ics?key=",
        "/calendar/inbox.ics?key=%00",
        "/calendar/inbox.ics?key=%F0%9F%8C%B1",
        f"/calendar/inbox.ics?key={'x' * 5_000}",
    ]

    answers = [await closed("").ask("GET", path, status=404) for path in wrong]

    assert [answer for answer in answers if answer != answers[0]] == []
    assert answers[0]["type"] == "urn:tasksvc:problem:calendar-not-found"


async def test_a_key_is_of_no_use_as_a_token_or_anywhere_else(tmp_path: Path) -> None:
    token = new_secret()
    (tmp_path / "token").write_text(token)
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    arguments = ["--store", "memory://", "--plugins", "calendar"]
    with RunningService(*arguments, folder=tmp_path, environment=environment) as service:
        async with aiohttp.ClientSession(service.url) as session:
            made = await Client(session, {"Authorization": f"Bearer {token}"}).key()
            stranger, bearer = Client(session), Client(session, {"Authorization": f"Bearer {made['key']}"})

            await stranger.read(made["path"])
            for path in ("/tasks/", "/calendar/keys/", f"/calendar/keys/{made['id']}", "/changes", "/me"):
                await bearer.ask("GET", path, status=401)
                await stranger.ask("GET", f"{path}?key={made['key']}", status=401)
            await bearer.ask("DELETE", f"/calendar/keys/{made['id']}", status=401)
            await stranger.ask("POST", made["path"], {}, status=405)


async def test_keys_are_of_the_workspaces_that_a_caller_may_enter(closed: As) -> None:
    anna, ben, root = closed("anna"), closed("ben"), closed("root")
    hers, shared = await anna.key(), await anna.key(workspace="shared")

    assert [key["id"] for key in await anna.ask("GET", "/calendar/keys/")] == [hers["id"]]
    assert await ben.ask("GET", "/calendar/keys/") == []
    assert [key["created_by"] for key in await ben.ask("GET", "/workspaces/shared/calendar/keys/")] == ["anna"]
    await ben.ask("GET", "/workspaces/a/calendar/keys/", status=403)
    await ben.ask("POST", "/workspaces/a/calendar/keys/", {"list": "inbox"}, status=403)
    await ben.ask("DELETE", f"/workspaces/a/calendar/keys/{hers['id']}", status=403)
    await ben.ask("DELETE", f"/calendar/keys/{hers['id']}", status=404)
    await ben.ask("GET", f"/workspaces/shared/calendar/keys/{hers['id']}", status=404)
    await ben.ask("DELETE", f"/workspaces/shared/calendar/keys/{shared['id']}", status=204)
    assert [key["id"] for key in await root.ask("GET", "/workspaces/a/calendar/keys/")] == [hers["id"]]


async def test_keys_need_the_scope_write(closed: As) -> None:
    made = await closed("anna").key()

    for method, path in (
        ("GET", "/calendar/keys/"),
        ("POST", "/calendar/keys"),
        ("GET", f"/calendar/keys/{made['id']}"),
        ("DELETE", f"/calendar/keys/{made['id']}"),
    ):
        await closed("reader").ask(method, path, {"list": "inbox"} if method == "POST" else None, status=403)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "list"),
        ({"list": ""}, "list"),
        ({"list": "  "}, "list"),
        ({"list": "x" * 101}, "list"),
        ({"list": "a\0"}, "list"),
        ({"list": "\ud800"}, "list"),
        ({"list": 5}, "list"),
        ({"list": "inbox", "description": "x" * 256}, "description"),
        ({"list": "inbox", "name": "x"}, "name"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(client: Client, document: object, field: str) -> None:
    problem = await client.ask("POST", "/calendar/keys", document, status=422)

    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_workspace_has_a_bounded_number_of_keys(client: Client) -> None:
    made = [await client.key() for _ in range(KEYS_MAX)]

    problem = await client.ask("POST", "/calendar/keys", {"list": "inbox"}, status=409)

    assert problem["type"] == "urn:tasksvc:problem:too-many-calendar-keys"
    await client.key(workspace="other")
    await client.ask("DELETE", f"/calendar/keys/{made[0]['id']}", status=204)
    await client.key()


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("GET", "0" * 24), ("DELETE", "0" * 24)])
async def test_a_workspace_that_cannot_exist_has_no_keys(client: Client, method: str, path: str) -> None:
    document = {"list": "inbox"} if method == "POST" else None

    problem = await client.ask(method, f"/workspaces/a%20b/calendar/keys/{path}", document, status=422)

    assert problem["errors"][0]["field"] == "workspace"


@pytest.mark.parametrize("key_id", ["x", "..", "0" * 24, "0" * 500, "%00", "%F0%9F%8C%B1"])
async def test_an_id_that_no_key_has_is_not_found(client: Client, key_id: str) -> None:
    for method in ("GET", "DELETE"):
        problem = await client.ask(method, str(URL(f"/calendar/keys/{key_id}", encoded=True)), status=404)
        assert problem["status"] == 404


def test_a_key_is_kept_as_a_hash_and_goes_with_an_export(tmp_path: Path) -> None:
    def ask(url: str, document: object = None) -> bytes:
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return bytes(response.read())

    with RunningService("--store", "sqlite:///one.db", "--plugins", "calendar", folder=tmp_path) as service:
        ask(f"{service.url}/tasks/", {"description": "water", "due_on": "2026-12-01"})
        made = json.loads(ask(f"{service.url}/calendar/keys", {"list": "inbox"}))
        before = ask(service.url + made["path"])
    for arguments in (
        ("export", "--store", "sqlite:///one.db", "all.jsonl"),
        ("import", "--store", "sqlite:///two.db", "all.jsonl"),
        ("check", "--store", "sqlite:///two.db"),
    ):
        done = run_tasksvc(*arguments, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    with RunningService("--store", "sqlite:///two.db", "--plugins", "calendar", folder=tmp_path) as service:
        after = ask(service.url + made["path"])

    assert after == before
    secret = made["key"].removeprefix(f"tasksvc_{made['id']}").encode()
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and secret in path.read_bytes()] == []
