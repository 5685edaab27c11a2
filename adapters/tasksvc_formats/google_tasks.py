"""Google Tasks: the file Tasks.json of Google Takeout, alone or in its archive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import PurePosixPath
from typing import Any, Final

from tasksvc_formats.drafts import Context, Draft, Item, finish
from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.json_documents import read_document
from tasksvc_formats.json_values import list_in, objects_in, text_in
from tasksvc_formats.report import Fate
from tasksvc_formats.sources import Source
from tasksvc_formats.times import parse_extended
from tasksvc_formats.uids import DerivedUids

KIND: Final = "tasks#taskLists"
READ: Final = frozenset(("id", "title", "notes", "status", "due", "completed", "created", "parent", "scheduled_time"))
TECHNICAL: Final = frozenset(
    ("kind", "etag", "selfLink", "webViewLink", "position", "updated", "hidden", "task_type", "deleted")
)
"""Fields that say nothing about the task to its user."""


def read_google_tasks(source: Source, context: Context) -> Iterator[Item]:
    """Yields the tasks of all lists."""
    document = _document(source)
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise InvalidFile(f'It must be an object with "kind": "{KIND}".')
    uids = DerivedUids(context.source)
    for tasks in objects_in(document, "items"):
        for task in objects_in(tasks, "items"):
            if task.get("deleted") is True:
                context.report.add(Fate.LEFT_OUT, "deleted tasks", text_in(task, "title"))
            else:
                yield finish(_read(task, text_in(tasks, "title") or None, context, uids), context)


def _document(source: Source) -> Any:
    if not source.is_zip:
        return read_document(source.open())
    with source.archive() as archive:
        name = next((name for name in archive.names() if PurePosixPath(name).name == "Tasks.json"), None)
        if name is None:
            raise InvalidFile("It has no file Tasks.json.")
        with archive.open(name) as file:
            return read_document(file)


def _read(task: dict[str, Any], name: str | None, context: Context, uids: DerivedUids) -> Draft:
    title, notes = text_in(task, "title"), text_in(task, "notes")
    draft = Draft(text_in(task, "id") or uids.of(name or "", title, notes), title, text_in(task, "parent") or None)
    draft.list = name
    draft.notes = [notes, *_links(task)]
    draft.done = task.get("status") == "completed"
    draft.created = parse_extended(text_in(task, "created"), UTC)
    draft.completed = parse_extended(text_in(task, "completed"), UTC)
    draft.due = _due(task)
    for field, value in task.items():
        if field == "task_recurrence_id":
            context.report.add(Fate.LEFT_OUT, "repetition, which Google's export doesn't say", title)
        elif field not in READ | TECHNICAL and field != "links":
            draft.rest[field] = value
    return draft


def _due(task: dict[str, Any]) -> datetime | Any:
    """Returns the time of the current schedule if it has one, and else the day of `due`, whose time says nothing."""
    scheduled = objects_in(task, "scheduled_time")
    current = [entry for entry in scheduled if entry.get("current") is True] or scheduled[-1:]
    for entry in current:
        at = parse_extended(text_in(entry, "start") or text_in(entry, "start_time"), UTC)
        if at is not None and at.astimezone(UTC).time() != time.min:
            return at
    at = parse_extended(text_in(task, "due"), UTC)
    return None if at is None else at.date()


def _links(task: dict[str, Any]) -> list[str]:
    links = (
        " ".join(filter(None, (text_in(link, "description"), text_in(link, "link"))))
        for link in list_in(task, "links")
        if isinstance(link, dict)
    )
    return [link for link in links if link]
