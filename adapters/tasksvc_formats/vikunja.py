"""Vikunja: the archive of a user's export, whose data.json has the projects with their tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tasksvc_formats.drafts import Context, Draft, Item, finish
from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.html_text import html_to_text
from tasksvc_formats.json_documents import read_document
from tasksvc_formats.json_values import number_in, object_in, objects_in, text_in
from tasksvc_formats.report import Fate
from tasksvc_formats.rules import Repeat, every
from tasksvc_formats.sources import Source
from tasksvc_formats.times import parse_extended
from tasksvc_formats.uids import DerivedUids

DATA: Final = "data.json"
PRIORITIES: Final = (0, 2, 4, 6, 8, 9)
"""The priorities here by those of Vikunja: unset, low, medium, high, urgent, do now."""
KEPT: Final = ("start_date", "end_date", "percent_done", "hex_color", "is_favorite", "identifier")
"""Fields that go to the metadata unless they are unset."""
DAY: Final = 24 * 60 * 60
"""The seconds of a day, in which Vikunja counts."""
MONTHLY, FROM_COMPLETION = 1, 2
"""Values of `repeat_mode`, besides 0, with which a task repeats from its due."""


def read_vikunja(source: Source, context: Context) -> Iterator[Item]:
    """Yields the tasks of all projects."""
    document = _document(source)
    if not isinstance(document, list) or not all(isinstance(project, dict) for project in document):
        raise InvalidFile("It must be an array of projects.", member=DATA if source.is_zip else "")
    projects = list(_all_projects(document))
    reader = _Reader(projects, context)
    for project in projects:
        for task in objects_in(project, "tasks"):
            yield finish(reader.read(project, task), context)


def _document(source: Source) -> Any:
    if not source.is_zip:
        return read_document(source.open())
    with source.archive() as archive:
        if DATA not in archive.names():
            raise InvalidFile(f"It has no file {DATA}.")
        with archive.open(DATA) as file:
            return read_document(file)


def _all_projects(projects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields projects, and those that some versions put into them, which name the project above them."""
    waiting = projects[::-1]
    while waiting:
        project = waiting.pop()
        yield project
        for child in reversed(objects_in(project, "child_projects")):
            waiting.append({"parent_project_id": project.get("id"), **child})


class _Reader:
    def __init__(self, projects: list[dict[str, Any]], context: Context) -> None:
        self._context = context
        self._uids = DerivedUids(context.source)
        self._projects = {number_in(project, "id"): project for project in projects}
        self._parents = {
            number_in(child, "id"): number_in(task, "id")
            for project in projects
            for task in objects_in(project, "tasks")
            for child in objects_in(object_in(task, "related_tasks"), "subtask")
        }
        """The parents of tasks, as the parents name their parts."""
        self._buckets = {
            number_in(bucket, "id"): text_in(bucket, "title")
            for project in projects
            for bucket in objects_in(project, "buckets")
        }
        self._bucket_of = {
            number_in(place, "task_id"): number_in(place, "bucket_id")
            for project in projects
            for place in objects_in(project, "task_buckets")
        }
        """The buckets of tasks, which later versions don't name in the task."""

    def read(self, project: Mapping[str, Any], task: dict[str, Any]) -> Draft:
        title, number, report = text_in(task, "title"), number_in(task, "id"), self._context.report
        related = object_in(task, "related_tasks")
        parents = [number_in(parent, "id") for parent in objects_in(related, "parenttask")]
        parent = next(iter(parents), self._parents.get(number, 0))
        uid = f"vikunja-{number}" if number else self._uids.of(text_in(project, "title"), title)
        draft = Draft(uid, title, f"vikunja-{parent}" if parent else None)
        draft.list = self._path(project)
        draft.notes = [html_to_text(text_in(task, "description")), *map(_comment, objects_in(task, "comments"))]
        draft.done = task.get("done") is True
        draft.created, draft.completed = _time(task, "created"), _time(task, "done_at")
        draft.due = _time(task, "due_date")
        draft.priority = PRIORITIES[min(max(number_in(task, "priority"), 0), len(PRIORITIES) - 1)]
        draft.labels = [text_in(label, "title") for label in objects_in(task, "labels")]
        draft.repeat = self._repeat(task)
        self._keep(draft, project, task)
        for kind, others in related.items():
            if kind not in ("subtask", "parenttask") and others:
                report.add(Fate.LEFT_OUT, f"relations of the kind {kind}", title)
        if objects_in(task, "attachments"):
            report.add(Fate.LEFT_OUT, "attachments", title)
        return draft

    def _path(self, project: Mapping[str, Any]) -> str:
        """Returns the titles of the projects above this one and its own, with slashes between."""
        titles = list[str]()
        seen = set[int]()
        above: Mapping[str, Any] | None = project
        while above is not None and number_in(above, "id") not in seen:
            seen.add(number_in(above, "id"))
            titles.append(text_in(above, "title"))
            above = self._projects.get(number_in(above, "parent_project_id"))
        return "/".join(reversed(titles))

    def _keep(self, draft: Draft, project: Mapping[str, Any], task: dict[str, Any]) -> None:
        """Puts what has no field here into the metadata."""
        for name in KEPT:
            value = task.get(name)
            if isinstance(value, str) and name.endswith("_date") and _time(task, name) is None:
                continue
            if value not in (None, "", 0, False):
                draft.rest[name] = value
        draft.rest["assignees"] = [text_in(user, "username") for user in objects_in(task, "assignees")]
        draft.rest["reminders"] = [text_in(entry, "reminder") for entry in objects_in(task, "reminders")]
        bucket = number_in(task, "bucket_id") or self._bucket_of.get(number_in(task, "id"), 0)
        draft.rest["bucket"] = self._buckets.get(bucket, "")
        draft.rest["is_archived"] = project.get("is_archived") is True or None

    def _repeat(self, task: dict[str, Any]) -> Repeat | None:
        seconds, mode = number_in(task, "repeat_after"), number_in(task, "repeat_mode")
        if mode == MONTHLY:
            return Repeat(every("MONTHLY"), "monthly", self._context.zone)
        if seconds <= 0:
            return None
        days, part = divmod(seconds, DAY)
        weeks, odd = divmod(days, 7)
        rule = "" if part else every("DAILY", days) if odd else every("WEEKLY", weeks)
        text = f"every {seconds} seconds" if part else f"every {days} days"
        return Repeat(rule, text, self._context.zone, "completion" if mode == FROM_COMPLETION else "schedule")


def _time(task: dict[str, Any], name: str) -> datetime | None:
    """Returns a time, of which the year 1 means none."""
    at = parse_extended(text_in(task, name), UTC)
    return None if at is None or at.year == 1 else at


def _comment(comment: dict[str, Any]) -> str:
    author = object_in(comment, "author")
    head = " ".join(filter(None, (text_in(comment, "created"), text_in(author, "name") or text_in(author, "username"))))
    text = html_to_text(text_in(comment, "comment"))
    return f"{head}: {text}" if head else text
