"""How programs find out that a calendar hasn't changed."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import pytest

from calendars.client import Client


async def fetch(
    session: aiohttp.ClientSession, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, Mapping[str, str], bytes]:
    """Returns status, headers and body of an answer."""
    async with session.request(method, path, headers=headers or {}) as response:
        return response.status, response.headers, await response.read()


async def test_a_calendar_may_be_kept_and_is_asked_about_each_time(
    session: aiohttp.ClientSession, client: Client
) -> None:
    path = (await client.key())["path"]

    _, headers, _ = await fetch(session, path)

    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["ETag"].startswith('W/"')
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("condition", ["{tag}", "W/{tag}", '"x", {tag}', "*"])
async def test_a_calendar_that_has_not_changed_is_not_sent_again(
    session: aiohttp.ClientSession, client: Client, condition: str
) -> None:
    await client.create()
    path = (await client.key())["path"]
    _, first, _ = await fetch(session, path)
    named = condition.format(tag=first["ETag"].removeprefix("W/"))

    status, headers, body = await fetch(session, path, {"If-None-Match": named})

    assert (status, body) == (304, b"")
    assert headers["ETag"] == first["ETag"]
    assert headers["Cache-Control"] == first["Cache-Control"]


async def test_every_change_of_the_list_changes_the_tag(session: aiohttp.ClientSession, client: Client) -> None:
    path = (await client.key())["path"]
    tags = []
    for method, target, document, status in (
        ("POST", "/tasks/", {"description": "water", "due_on": "2026-12-01"}, 201),
        ("PATCH", "/tasks/1", {"priority": 3}, 200),
        ("PATCH", "/tasks/1", {"list": "garden"}, 200),
        ("PATCH", "/lists/garden", {"name": "inbox"}, 200),
        ("DELETE", "/tasks/1", None, 204),
    ):
        tags.append((await fetch(session, path))[1]["ETag"])
        await client.ask(method, target, document, status=status)
        changed, headers, _ = await fetch(session, path, {"If-None-Match": ", ".join(tags)})
        assert changed == 200
        tags.append(headers["ETag"])

    assert len(set(tags)) == 6


async def test_what_happens_in_other_workspaces_changes_no_tag(session: aiohttp.ClientSession, client: Client) -> None:
    path = (await client.key())["path"]
    _, first, _ = await fetch(session, path)

    await client.create("u_42")

    assert (await fetch(session, path, {"If-None-Match": first["ETag"]}))[0] == 304


async def test_a_key_that_was_revoked_gets_no_304(session: aiohttp.ClientSession, client: Client) -> None:
    made = await client.key()
    _, first, _ = await fetch(session, made["path"])
    await client.ask("DELETE", f"/calendar/keys/{made['id']}", status=204)

    assert (await fetch(session, made["path"], {"If-None-Match": first["ETag"]}))[0] == 404


async def test_head_answers_as_get_without_a_body(session: aiohttp.ClientSession, client: Client) -> None:
    await client.create()
    path = (await client.key())["path"]

    status, headers, body = await fetch(session, path, method="HEAD")
    _, of_get, _ = await fetch(session, path)

    varying = {"X-Request-ID", "Date", "Transfer-Encoding"}
    assert (status, body) == (200, b"")
    assert {name: value for name, value in headers.items() if name not in varying} == {
        name: value for name, value in of_get.items() if name not in varying
    }
