"""The calendar of a list, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from tasksvc import Cursor, Due, Task, TaskNotFound, TaskQuery, start_of_day
from tasksvc.plugin import Service, Tasks
from tasksvc_calendar.keys import Key

if TYPE_CHECKING:
    from tasksvc_calendar.components import Form, Shown

END: Final = b"END:VCALENDAR\r\n"
EVER: Final = Due(start_of_day(date.min), date.min)
"""The first day of the calendar, after which every task is due that has a due."""


class View(NamedTuple):
    """How the tasks of a list are shown."""

    form: Form
    done: bool | None
    """Whether only tasks that are done are shown, or only those that aren't; None for both."""
    zone: ZoneInfo
    """The zone whose day is that of an event that is due at a time."""


async def calendar(service: Service, key: Key, view: View) -> AsyncGenerator[bytes, None]:
    """Yields the calendar of the list of a key in parts, each of which is of a page of tasks, by their ids.

    Tasks are made to text in threads, since a page takes tens of milliseconds.  Raises StoreUnavailable.
    """
    yield await asyncio.to_thread(_head, key.list)
    tasks, zones = service.tasks(key.workspace), set[str]()
    # By ids, since a store would have to sort the whole list by dues for each page.
    query = TaskQuery(list=key.list, done=view.done, due_after=EVER)
    after: Cursor | None = None
    is_empty = True
    while True:
        page = await tasks.find(
            query,
            caller=lambda: key.id,
            after=after,
            limit=service.limits.stream_page,
            max_bytes=service.limits.stream_bytes,
        )
        after = page.next
        shown = await _with_uids(tasks, page.tasks, key)
        del page
        if shown:
            is_empty = False
            yield await asyncio.to_thread(_text_of, shown, view, zones)
        if after is None:
            break
    if is_empty:
        yield await asyncio.to_thread(_filling)
    yield END


async def _with_uids(tasks: Tasks, page: Sequence[Task], key: Key) -> Sequence[Shown]:
    """Returns tasks with their UIDs, and those of their parents in the same list."""
    from tasksvc_calendar.components import Shown, uid_of

    parents = {task.id: task for task in page}
    for parent_id in {task.parent_id for task in page if task.parent_id is not None}.difference(parents):
        try:
            parents[parent_id] = (await tasks.get(parent_id)).task
        except TaskNotFound:  # it was deleted meanwhile
            continue

    def uid(task: Task | None) -> str | None:
        return None if task is None or task.list != key.list else uid_of(task.id, task.uid, key.workspace, key.origin)

    return [
        Shown(
            task,
            uid_of(task.id, task.uid, key.workspace, key.origin),
            None if task.parent_id is None else uid(parents.get(task.parent_id)),
        )
        for task in page
    ]


def _head(name: str) -> bytes:
    from tasksvc_calendar.components import head

    return head(name)


def _filling() -> bytes:
    """Returns a component that says nothing, since a calendar has at least one (RFC 5545, section 3.4)."""
    from tasksvc_calendar.zones import zone_component

    return zone_component("UTC")


def _text_of(page: Iterable[Shown], view: View, zones: set[str]) -> bytes:
    """Returns the components of tasks, each time zone before the first one that refers to it.

    `zones` are those that the calendar has already, to which it adds.
    """
    from tasksvc_calendar.components import components, zone_needed
    from tasksvc_calendar.zones import zone_component

    parts = []
    for shown in page:
        name = zone_needed(shown.task, view.form)
        if name is not None and name not in zones:
            zones.add(name)
            parts.append(zone_component(name))
        parts += [each.to_ical() for each in components(shown, view.form, view.zone)]
    return b"".join(parts)
