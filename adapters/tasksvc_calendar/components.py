"""Tasks as components of iCalendar: to-dos (VTODO) or all-day events (VEVENT)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, NamedTuple, cast
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component, Event, Todo, vCategory

from tasksvc import Task, __version__
from tasksvc_calendar.repeating import Series, series_of
from tasksvc_calendar.text import Text

Form = Literal["tasks", "events"]

END: Final = b"END:VCALENDAR\r\n"
REFRESH: Final = timedelta(hours=1)
"""How often a program is asked to look for changes."""
URGENT: Final = 10
"""The sum of the priority of a task, where 9 is the most urgent, and of that of RFC 5545, where 1 is."""


class Shown(NamedTuple):
    """A task with what else is needed to show it."""

    task: Task
    uid: str
    parent_uid: str | None


def uid_of(task_id: int, given: str | None, workspace: str, origin: str) -> str:
    """Returns the UID of a task: the one that it was given, or one that stays the same as long as the store."""
    return given or str(uuid5(UUID(origin), f"{workspace}/{task_id}"))


def head(name: str) -> bytes:
    """Returns the beginning of a calendar of this name, before its components."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", f"-//tasksvc//tasksvc {__version__}//EN")
    for each in ("name", "x-wr-calname"):  # RFC 7986, section 5.1, and what was there before
        calendar[each] = Text(name)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    return bytes(calendar.to_ical()).removesuffix(END)


def zone_needed(task: Task, form: Form) -> str | None:
    """Returns the name of the time zone that the components of a task refer to; None if they refer to none."""
    if form == "events" or task.done or task.due_at is None or (series := series_of(task.repeat)) is None:
        return None
    return None if _is_utc(series.zone) else series.zone.key


def components(shown: Shown, form: Form, zone: ZoneInfo) -> Iterator[Component]:
    """Yields the components of a task that has a due.

    There are two if it repeats and its due was moved away from the schedule: the series, and its first occurrence.
    `zone` is the one whose day is that of an event that is due at a time.
    """
    task = shown.task
    series = None if task.done else series_of(task.repeat)
    if form == "events" and series is not None:
        series = series.on_days()
    due = _due(task, form, zone if series is None else series.zone)
    if series is None:
        yield _component(shown, form, due)
        return
    scheduled = _in_zone(series)
    master = _component(shown, form, scheduled, starts=True)
    master["RRULE"] = series.rule
    yield master
    if _instant(due) != _instant(scheduled):
        if isinstance(due, datetime) and isinstance(scheduled, datetime):
            due = due.astimezone(scheduled.tzinfo)
        moved = _component(shown, form, due, starts=True)
        moved.add("recurrence-id", scheduled)
        yield moved


def _due(task: Task, form: Form, zone: ZoneInfo) -> date | datetime:
    """Returns the due of a task; for an event, the day of it in a zone."""
    if task.due_at is None:
        return cast(date, task.due_on)
    if form == "tasks":
        return task.due_at.replace(microsecond=0)
    try:
        return task.due_at.astimezone(zone).date()
    except OverflowError:  # the calendar ends
        return task.due_at.date()


def _in_zone(series: Series) -> date | datetime:
    """Returns the present occurrence of a series with its zone."""
    occurrence = series.occurrence
    if not isinstance(occurrence, datetime):
        return occurrence
    local = occurrence.replace(microsecond=0, tzinfo=series.zone)
    return local.astimezone(UTC) if _is_utc(series.zone) else local


def _instant(moment: date | datetime) -> date | datetime:
    """Returns a time in UTC: Python finds no time of a zone equal to one of another while a clock is set forward."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else moment


def _is_utc(zone: ZoneInfo) -> bool:
    return zone.key in ("UTC", "Etc/UTC")


def _component(shown: Shown, form: Form, due: date | datetime, *, starts: bool = False) -> Component:
    """Returns the component of a task that is due then.

    A to-do that recurs `starts` when it is due, since its rule begins with DTSTART (section 3.8.2.4).
    """
    task = shown.task
    made: Component = Todo() if form == "tasks" else Event()
    made["UID"] = Text(shown.uid)
    made.add("dtstamp", task.updated_at)  # the same as LAST-MODIFIED in a calendar without METHOD (section 3.8.7.2)
    made.add("last-modified", task.updated_at)
    made.add("created", task.created_at)
    made.add("sequence", task.version - 1)
    made["SUMMARY"] = Text(task.description)
    if task.notes:
        made["DESCRIPTION"] = Text(task.notes)
    if task.priority:
        made.add("priority", URGENT - task.priority)
    if task.labels:
        categories = vCategory([])
        categories.cats = [Text(label) for label in task.labels]
        made["CATEGORIES"] = categories
    if shown.parent_uid is not None:
        related = Text(shown.parent_uid)
        related.params["RELTYPE"] = "PARENT"
        made["RELATED-TO"] = related
    if form == "tasks":
        _add_state(made, task)
        if starts:
            made.add("dtstart", due)
        made.add("due", due)
    else:
        made.add("dtstart", due)
        if due < date.max:
            made.add("dtend", due + timedelta(days=1))
        made.add("transp", "TRANSPARENT")  # so that nobody seems busy all day
    return made


def _add_state(todo: Component, task: Task) -> None:
    if not task.done:
        todo.add("status", "NEEDS-ACTION")
        return
    todo.add("status", "COMPLETED")
    todo.add("percent-complete", 100)
    if task.completed_at is not None:
        todo.add("completed", task.completed_at)
