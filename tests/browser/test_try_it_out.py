"""Swagger UI as it is presented: each Execute shows the response that the page promises."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from service_process import RunningService

from tasksvc.application.tokens import new_secret

pytestmark = pytest.mark.browser

SECONDS = 60
"""Seconds that the page may take to show a response."""
HEIGHT_MAX = 2_700
"""Pixels of the operation that creates a task: it has 2,500, and would have over 5,000 with each error written out."""
OTHER_STATUSES = {
    "delete_tasks": (422, 422),  # no filter is filled in
    "delete_task": (204, 404),
    "skip_task": (404, 404),  # the task was deleted by the operation before
    "rename_list": (404, 404),  # no task is in either list
    "delete_workspace_tasks": (422, 422),
    "delete_workspace_task": (204, 404),
    "skip_workspace_task": (404, 404),
    "rename_workspace_list": (404, 404),
    "create_token": (201, 422),  # the name is taken
    "revoke_token": (204, 404),
}
"""The statuses of the first and second response, by operation, where they aren't those of a success."""


VALUES = """rows => rows.map(row => [
  row.dataset.paramName, [...row.querySelectorAll("input, select, textarea")].map(field => field.value)
])"""
"""Returns the name of each parameter, and what its fields are filled with."""


class Presented(NamedTuple):
    """A service, and how its page is used."""

    url: str
    secret: str | None
    """The token for the button Authorize, or None."""
    refused: dict[str, int]
    """The status with which an operation is refused, by its scope."""
    twice: frozenset[str]
    """The scopes of the operations that are executed a second time, which may find what the first one made."""

    def operations(self, description: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Returns the operations to execute: all; or one of each tag and scope, if that of others is refused alike."""
        found = [operation for path in description["paths"].values() for operation in path.values()]
        if 401 in self.refused.values():
            found = list({(scope_of(operation), *operation["tags"]): operation for operation in found}.values())
        return {operation["operationId"]: operation for operation in found}


@pytest.fixture(params=["open", "with a token", "without a token"])
async def presented(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Presented]:
    """A new service that is open to everybody, or one with tokens, with or without a token for the page.

    It has no plugins: nothing has the ids in their examples.
    """
    secret, environment = new_secret(), {}
    if request.param != "open":
        (tmp_path / "token").write_text(secret)
        environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    arguments = ["--no-plugins", "--store", "memory://"]
    with RunningService(*arguments, folder=tmp_path, environment=environment) as service:
        if request.param == "open":
            yield Presented(service.url, None, {"admin": 403}, frozenset(["", "read", "write"]))
        elif request.param == "with a token":
            yield Presented(service.url, secret, {}, frozenset(["admin"]))  # the open service did the others
        else:
            yield Presented(service.url, None, dict.fromkeys(["read", "write", "admin"], 401), frozenset())


async def test_execute_gives_what_the_page_promises_for_every_operation_and_again(
    watched: Any, presented: Presented
) -> None:
    page, description = watched.page, await fetch(f"{presented.url}/openapi.json")
    await page.goto(f"{presented.url}/docs")
    await page.locator(".opblock").first.wait_for()
    if presented.secret is not None:
        await authorize(page, presented.secret)

    shown: dict[str, list[int]] = {}
    operations = presented.operations(description)
    for block in await page.locator(".opblock").all():
        operation = operation_of(description, await block.get_attribute("id"))
        if operation["operationId"] not in operations:
            continue
        await block.locator(".opblock-summary-control").click()
        times = 2 if scope_of(operation) in presented.twice else 1
        shown[operation["operationId"]] = [await execute(page, block) for _ in range(times)]
        await block.locator(".opblock-summary-control").click()

    assert shown == {name: promised(operation, presented) for name, operation in operations.items()}
    for name, statuses in shown.items():
        assert {str(status) for status in statuses} <= {*operations[name]["responses"], *usual_errors(description)}


async def test_what_is_optional_comes_empty(watched: Any, tmp_path: Path) -> None:
    page = watched.page
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        description = await fetch(f"{service.url}/openapi.json")
        await page.goto(f"{service.url}/docs")
        await page.locator(".opblock").first.wait_for()
        filled = {}
        for block in await page.locator(".opblock").all():
            operation = operation_of(description, await block.get_attribute("id"))
            await block.locator(".opblock-summary-control").click()
            await block.locator(".execute").wait_for()
            required = {parameter["name"] for parameter in operation["parameters"] if parameter.get("required")}
            for name, values in await block.locator("tr[data-param-name]").evaluate_all(VALUES):
                if name not in required and any(values):
                    filled[operation["operationId"], name] = values
            await block.locator(".opblock-summary-control").click()

    assert filled == {}


async def test_an_operation_is_not_buried_in_errors(watched: Any, tmp_path: Path) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        await watched.page.goto(f"{service.url}/docs")
        block = watched.page.locator("#operations-tasks-create_task")
        await block.locator(".opblock-summary-control").click()
        await block.locator(".responses-wrapper .response").last.wait_for()
        box = await block.bounding_box()

    assert box["height"] < HEIGHT_MAX


async def test_execute_shows_the_first_events_of_a_stream(watched: Any, tmp_path: Path) -> None:
    page = watched.page
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        await page.goto(f"{service.url}/docs")
        block = page.locator("#operations-changes-stream")
        async with aiohttp.ClientSession() as session:
            await session.post(f"{service.url}/tasks/", json={"description": "Seen in a stream"})
        await block.locator(".opblock-summary-control").click()
        await block.locator('tr[data-param-name="since"] input').fill("0")

        body = await body_until(page, block, "Seen in a stream")

    assert body.startswith("retry: 1000\n")
    assert '"type":"created"' in body


async def body_until(page: Any, block: Any, text: str) -> str:
    """Returns the body that the page shows, when it contains `text`; the last one after ten attempts."""
    body = ""
    for _ in range(10):
        await execute(page, block)
        body = await block.locator(".live-responses-table .response pre").first.inner_text()
        if text in body:
            break
    return body


async def fetch(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()


def operation_of(description: dict[str, Any], identifier: str) -> dict[str, Any]:
    """Returns the operation that the element `identifier` of the page shows."""
    _, tag, name = identifier.split("-", 2)
    (found,) = (
        operation
        for path in description["paths"].values()
        for operation in path.values()
        if operation["operationId"] == name and operation["tags"] == [tag]
    )
    return dict(found)


def usual_errors(description: dict[str, Any]) -> set[str]:
    """Returns the statuses in the table of errors that every operation can answer with."""
    return set(re.findall(r"^\| (\d{3}) \|", description["info"]["description"], re.MULTILINE))


def scope_of(operation: dict[str, Any]) -> str:
    """Returns the scope that an operation needs, or "" if it needs none."""
    scope: str = operation.get("security", [{"token": [""]}])[0]["token"][0]
    return scope


def promised(operation: dict[str, Any], presented: Presented) -> list[int]:
    """Returns the expected status of each response."""
    scope = scope_of(operation)
    times = 2 if scope in presented.twice else 1
    if (refused := presented.refused.get(scope)) is not None:
        return [refused] * times
    (success,) = (int(status) for status in operation["responses"] if re.fullmatch("2..", status))
    return list(OTHER_STATUSES.get(operation["operationId"], (success, success))[:times])


async def authorize(page: Any, secret: str) -> None:
    await page.locator(".auth-wrapper .btn.authorize").click()
    await page.locator(".auth-container input").fill(secret)
    await page.locator(".auth-btn-wrapper .btn.authorize").click()
    await page.locator(".auth-btn-wrapper .btn-done").click()


async def execute(page: Any, block: Any) -> int:
    """Clicks Execute, waits until the page shows the response, and returns its status."""
    async with page.expect_response(lambda _: True, timeout=SECONDS * 1000) as coming:
        await block.locator(".execute").click()
    answer = await coming.value
    status = block.locator(".live-responses-table .response-col_status", has_text=str(answer.status))
    await block.locator(".loading-container").wait_for(state="detached", timeout=SECONDS * 1000)
    await status.first.wait_for(timeout=SECONDS * 1000)
    return int(answer.status)
