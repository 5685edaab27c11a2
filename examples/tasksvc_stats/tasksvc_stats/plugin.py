"""The hooks of the plugin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any

from aiohttp import web
from marshmallow import fields

from tasksvc import Record, TaskQuery
from tasksvc.plugin import (
    Metric,
    ResponseInteger,
    ResponseSchema,
    Route,
    RouteGroup,
    Scope,
    Service,
    Setting,
    Start,
    described,
    hookimpl,
    in_home,
    in_workspaces,
    json_response,
    operation,
    responses,
    workspace_of,
)
from tasksvc_stats.counting import DailyCounts, problems_of

PLUGIN = 1  # the version of tasksvc.plugin that this was written for
DAYS_MAX = 90
COUNT_MAX = 2**53 - 1  # every JSON parser keeps it exact


class DayOut(ResponseSchema):
    """What happened on a day."""

    day = fields.Date(metadata=described("The day, in UTC.", "2026-11-28"))
    created = ResponseInteger(0, COUNT_MAX, metadata=described("The tasks that were created.", 3))
    completed = ResponseInteger(0, COUNT_MAX, metadata=described("The tasks that were completed.", 2))


class StatsOut(ResponseSchema):
    """How many tasks there are, and what happened to them."""

    workspace = fields.String(metadata=described("The workspace of the tasks.", "default"))
    open = ResponseInteger(0, COUNT_MAX, metadata=described("The tasks that aren't done.", 12))
    done = ResponseInteger(0, COUNT_MAX, metadata=described("The tasks that are done.", 30))
    days = fields.List(fields.Nested(DayOut), metadata=described("The last days, today last."))


class Stats:
    """What the plugin does for one service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.counts = DailyCounts(service.records, service.setting("--stats-days"))

    @operation(
        "Count tasks",
        tag="stats",
        description="The numbers of the days follow a change within about a second.",
        responses=responses({200: ("The numbers.", StatsOut, [])}),
    )
    async def show(self, request: web.Request) -> Any:
        workspace = workspace_of(request)
        tasks = self.service.tasks(workspace)
        return json_response(
            {
                "workspace": workspace,
                "open": await tasks.count(TaskQuery(done=False)),
                "done": await tasks.count(TaskQuery(done=True)),
                "days": await self.counts.last_days(workspace, self.service.now().date()),
            }
        )


@cache
def stats_of(service: Service) -> Stats:
    """Returns what the plugin does for a service, which all hooks are given."""
    return Stats(service)


def days(text: str) -> int:
    """Returns the number of days that a setting names.  Raises ValueError."""
    if not text.isdecimal() or not 1 <= int(text) <= DAYS_MAX:
        raise ValueError(f"{text!r} isn't a number of days from 1 to {DAYS_MAX}.")
    return int(text)


@hookimpl
def tasksvc_settings() -> Iterable[Setting]:
    return [Setting("--stats-days", days, "DAYS", "How many days /stats shows.", default="7")]


@hookimpl
def tasksvc_routes(service: Service) -> Iterable[RouteGroup]:
    route = Route("GET", "/stats", stats_of(service).show, Scope.READ)
    group = RouteGroup([route], tags={"stats": "Numbers of tasks."})
    return [in_home(group), in_workspaces(group)]


@hookimpl
def tasksvc_lifespan(service: Service) -> AbstractAsyncContextManager[None]:
    counts = stats_of(service).counts
    consumer = service.consumer("daily", counts.add, start=Start.BEGINNING, lost=counts.forget)
    return service.background(consumer.run)


@hookimpl
def tasksvc_metrics(service: Service) -> Iterable[Metric]:
    counted = stats_of(service).counts.counted
    return [Metric("stats_changes", "Changes that this process has counted.", {(): counted}, kind="counter")]


@hookimpl
def tasksvc_check(records: Sequence[Record]) -> Iterable[str]:
    return [problem for record in records for problem in problems_of(record)]
