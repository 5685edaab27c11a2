"""A service with the plugin."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner
from tasksvc_stats import plugin
from tasksvc_stats.command import stats

from tasksvc.plugin import Caller, Scope
from tasksvc.testing.plugin import CALLER_HEADER, serving

PATIENCE_SECONDS = 60


async def shown(client: aiohttp.ClientSession, created: int, path: str = "/stats") -> Any:
    """Returns the numbers as soon as they count `created` tasks on all days together."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with client.get(path) as response:
                numbers = await response.json()
            if sum(day["created"] for day in numbers["days"]) == created:
                return numbers
            await asyncio.sleep(0.02)


async def test_it_shows_how_many_tasks_are_open_and_done_and_the_last_days() -> None:
    async with serving(plugin, name="stats") as client:
        for description in ("Buy milk", "Water the plants"):
            async with client.post("/tasks/", json={"description": description}):
                pass
        async with client.patch("/tasks/1", json={"done": True}):
            pass
        numbers = await shown(client, created=2)

    assert {**numbers, "days": len(numbers["days"])} == {"workspace": "default", "open": 1, "done": 1, "days": 7}


async def test_each_workspace_has_its_own_numbers() -> None:
    async with serving(plugin, name="stats", settings={"--stats-days": 30}) as client:
        for workspace in ("u_1", "u_2", "u_2"):
            async with client.post(f"/workspaces/{workspace}/tasks/", json={"description": "x"}):
                pass

        first = await shown(client, 1, "/workspaces/u_1/stats")
        second = await shown(client, 2, "/workspaces/u_2/stats")
        none = await shown(client, 0)

    assert [(numbers["open"], len(numbers["days"])) for numbers in (first, second, none)] == [(1, 30), (2, 30), (0, 30)]


async def test_a_caller_sees_the_workspaces_that_they_may_enter() -> None:
    callers = {"ann": Caller("ann", Scope.READ, workspaces=("hers",))}
    async with serving(plugin, name="stats", callers=callers) as client:
        found = {}
        for path in ("/stats", "/workspaces/hers/stats", "/workspaces/his/stats"):
            async with client.get(path, headers={CALLER_HEADER: "ann"}) as response:
                found[path] = response.status

    assert found == {"/stats": 200, "/workspaces/hers/stats": 200, "/workspaces/his/stats": 403}


async def test_a_metric_counts_changes() -> None:
    async with serving(plugin, name="stats") as client:
        async with client.post("/tasks/", json={"description": "x"}):
            pass
        await shown(client, created=1)
        async with client.get("/metrics") as response:
            assert "tasksvc_stats_changes_total 1.0" in await response.text()


@pytest.mark.parametrize("text", ["0", "91", "-1", "1.5", "week", ""])
def test_a_number_of_days_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="isn't a number of days from 1 to 90"):
        plugin.days(text)


async def test_the_command_prints_a_table() -> None:
    async with serving(plugin, name="stats", settings={"--stats-days": 2}) as client:
        async with client.post("/tasks/", json={"description": "x"}) as created:
            url = str(created.url.origin())
        await shown(client, created=1)
        arguments = ["--url", url, "--workspace", "default"]
        done = await asyncio.to_thread(CliRunner().invoke, stats, arguments)

    first, _, heading, *days = done.output.splitlines()
    assert first == "1 open and 0 done in default"
    assert heading.split() == ["day", "created", "completed"]
    assert sorted(day.split()[1:] for day in days) == [["0", "0"], ["1", "0"]]


async def test_the_command_says_what_is_wrong_in_a_sentence() -> None:
    async with serving(plugin, name="stats") as client:
        async with client.get("/stats") as response:
            url = str(response.url.origin())
        refused = await asyncio.to_thread(CliRunner().invoke, stats, ["--url", url, "--workspace", "a b"])
    closed = CliRunner().invoke(stats, ["--url", url])

    assert (refused.exit_code, refused.output) == (1, f"Error: {url} answers 422 Unprocessable Entity.\n")
    assert closed.exit_code == 1
    assert closed.output.startswith(f"Error: {url} doesn't answer: ")
