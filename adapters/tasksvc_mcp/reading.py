"""The tools that read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeVar

from tasksvc_client import Client, Task, TaskNotFound

from tasksvc_mcp import rows
from tasksvc_mcp import schemas as s
from tasksvc_mcp.tool import Result, Tool

LISTS_MAX: Final = 200
"""Lists that one call shows at most."""
T = TypeVar("T")


async def find_tasks(client: Client, asked: Mapping[str, Any]) -> Result:
    """Returns a page of tasks in short."""
    filters: dict[str, Any] = {"done": False, **asked}
    limit, cursor = filters.pop("limit", 20), filters.pop("cursor", None)
    if filters.pop("all", False):
        filters["done"] = None
    if (words := filters.pop("text", None)) is not None:
        filters["q"] = words
    if filters.get("parent_id") == 0:
        filters["parent_id"] = "none"
    pages = client.pages(limit=limit, page_size=limit, after=cursor, **filters)
    (page,), _ = await _first(pages, 1)
    found: dict[str, Any] = {"tasks": [rows.row_of(task) for task in page.tasks], "position": page.position}
    if page.next is not None:
        found["cursor"] = page.next
    return found


async def get_tasks(client: Client, asked: Mapping[str, Any]) -> Result:
    """Returns tasks with all that they have, in the order in which they were asked for."""

    async def get(task_id: int) -> Task | None:
        try:
            return await client.get(task_id)
        except TaskNotFound:
            return None

    ids = list(dict.fromkeys(asked["ids"]))
    found = dict(zip(ids, await asyncio.gather(*map(get, ids)), strict=True))
    return {
        "tasks": [rows.whole(task) for task in found.values() if task is not None],
        "missing": [task_id for task_id, task in found.items() if task is None],
    }


async def list_lists(client: Client, asked: Mapping[str, Any]) -> Result:
    """Returns the lists with the numbers of their tasks."""
    lists = await client.lists()
    return {"lists": [each._asdict() for each in lists[:LISTS_MAX]], "more": len(lists) > LISTS_MAX}


async def changes_since(client: Client, asked: Mapping[str, Any]) -> Result:
    """Returns what has changed after a position; without one, only the present position."""
    if (since := asked.get("position")) is None:
        (page,), _ = await _first(client.pages(limit=1), 1)
        return {"changes": [], "position": page.position, "more": False}
    found, more = await _first(client.changes(since), asked.get("limit", s.CHANGES_MAX))
    position = found[-1].position if found else since
    return {"changes": [rows.change_of(change) for change in found], "position": position, "more": more}


async def _first(values: AsyncGenerator[T, None], count: int) -> tuple[list[T], bool]:
    """Returns the first values, and whether there are others."""
    found: list[T] = []
    async with aclosing(values):
        async for value in values:
            if len(found) == count:
                return found, True
            found.append(value)
    return found, False


_FILTERS: Final[Mapping[str, s.Schema]] = {
    "text": s.text("A part of the description or the notes, in any case."),
    "list": s.text("The name of a list."),
    "labels": s.array({"type": "string"}, "Labels that a task must all have."),
    "done": s.boolean("true for tasks that are done. Without it, open tasks are shown."),
    "all": s.boolean("true for open tasks and those that are done."),
    "due_before": s.text("A day, or a time with its offset, before which a task is due."),
    "due_after": s.text("A day, or a time with its offset, after which a task is due."),
    "priority_min": s.integer("The lowest priority.", minimum=0, maximum=9),
    "parent_id": s.integer("The id of a task, for its parts; 0 for tasks that are no part.", minimum=0),
    "updated_after": s.text("A time with its offset, after which a task was changed."),
    "sort": {
        "enum": [f"{sign}{name}" for name in s.SORTS for sign in ("", "-")],
        "description": "The order; with - in front the other way round. Tasks without a due come last.",
    },
    "limit": s.integer("How many tasks are shown; 20 without it.", minimum=1, maximum=s.ROWS_MAX),
    "cursor": s.text("The cursor of the page before. The other arguments stay the same."),
}

TOOLS: Final = (
    Tool(
        "find_tasks",
        "Find tasks",
        "Finds tasks, and shows them in short. Without arguments: open tasks of all lists. If the answer has a cursor,"
        " there are more.",
        s.strict(_FILTERS),
        s.given({"tasks": s.ROWS, "position": s.POSITION, "cursor": s.text("For the next page.")}, "cursor"),
        find_tasks,
        reads_only=True,
    ),
    Tool(
        "get_tasks",
        "Read tasks",
        "Shows all that tasks have, also notes and metadata, by their ids.",
        s.strict({"ids": s.array(s.ID, "Ids of tasks.", minItems=1, maxItems=s.ROWS_MAX)}, ("ids",)),
        s.given({"tasks": s.array(s.WHOLE, "Tasks."), "missing": s.array(s.ID, "Ids that no task has.")}),
        get_tasks,
        reads_only=True,
    ),
    Tool(
        "list_lists",
        "List lists",
        "Shows the lists, each with the number of its open tasks and of all its tasks.",
        s.strict({}),
        s.given(
            {
                "lists": s.array(
                    s.given(
                        {
                            "name": {"type": "string"},
                            "open": {"type": "integer"},
                            "total": {"type": "integer"},
                        }
                    ),
                    "Lists by name.",
                ),
                "more": s.boolean("Whether there are more lists."),
            }
        ),
        list_lists,
        reads_only=True,
    ),
    Tool(
        "changes_since",
        "See what has changed",
        "Tells what has changed after a position that a tool gave, oldest first. Without a position it gives the"
        " present one.",
        s.strict(
            {
                "position": s.POSITION,
                "limit": s.integer("How many changes are shown.", minimum=1, maximum=s.CHANGES_MAX),
            }
        ),
        s.given(
            {
                "changes": s.array(
                    s.given(
                        {
                            "type": {"enum": ["created", "updated", "deleted"]},
                            "task_id": {"type": "integer"},
                            "at": {"type": "string"},
                            "by": {"type": "string"},
                            "task": s.ROW,
                        },
                        *("by", "task"),
                    ),
                    "Changes.",
                ),
                "position": s.POSITION,
                "more": s.boolean("Whether there are more changes, after that position."),
            }
        ),
        changes_since,
        reads_only=True,
    ),
)
