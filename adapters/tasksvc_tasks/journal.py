"""What this user did on this machine, so that it can be undone: a file in the folder for state.

Each service and workspace has a list of what was done and a list of what was undone, both with the newest entry last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tasksvc_client import Task

from tasksvc_tasks.failures import Failed
from tasksvc_tasks.output import tell
from tasksvc_tasks.places import locked, state_folder, write_privately
from tasksvc_tasks.service import Service

FILE = "journal.json"
KEPT = 100
"""Entries that each list keeps; older ones are forgotten."""


class Mark(NamedTuple):
    """A version of a task.  The time distinguishes it from that of another store with the same number."""

    version: int
    updated_at: str

    @classmethod
    def of(cls, task: Task) -> Mark:
        return cls(task.version, task.json["updated_at"])


class Step(NamedTuple):
    """What happened to one task.  None stands for a task that isn't there."""

    task_id: int
    before: Mark | None
    after: Mark | None


class Entry(NamedTuple):
    """What one command did."""

    what: str
    """The command, in words."""
    at: str
    """When it was done, in ISO 8601."""
    steps: Sequence[Step]
    """The tasks that it changed, parents before what is below them."""


class Journal:
    """The journal of one service and workspace."""

    def __init__(self, service: Service) -> None:
        self._path: Path = state_folder() / FILE
        self._place = f"{service.url} {service.workspace or ''}".strip()

    def record(self, what: str, steps: Sequence[Step]) -> None:
        """Adds what was done, after which what was undone before can't be done again.

        Where it can't be written, it says so: the command has done its work.
        """
        entry = Entry(what, datetime.now().astimezone().isoformat(timespec="seconds"), steps)
        try:
            with locked(self._path):
                everything = self._read()
                done = [*self._list(everything, "done"), _to_json(entry)][-KEPT:]
                self._write(everything, {"done": done, "undone": []})
        except Failed as error:
            tell(f"tasksvc: It is done, but 'tasksvc undo' won't know of it. {error.message}\n")

    def last(self, side: str) -> Entry | None:
        """Returns the newest entry of what was `done` or `undone`, or None.  Raises Failed."""
        found = self._list(self._read(), side)
        return _from_json(found[-1]) if found else None

    def move(self, side: str, entry: Entry, inverse: Entry) -> None:
        """Takes the entry from the end of its side, and adds what was done instead to the other.  Raises Failed.

        A version that is back has a new number, by which the other entries know it from then on.
        """
        other = "undone" if side == "done" else "done"
        renewed = {
            (old.task_id, old.before): new.after
            for old, new in zip(entry.steps, inverse.steps, strict=True)
            if old.before is not None
        }
        with locked(self._path):
            everything = self._read()
            rest = [each for each in self._list(everything, side) if each != _to_json(entry)]
            added = [*self._list(everything, other), _to_json(inverse)][-KEPT:]
            lists = {side: rest, other: added}
            self._write(everything, {name: _renewed(each, renewed) for name, each in lists.items()})

    def _list(self, everything: dict[str, Any], side: str) -> list[Any]:
        return list(everything.get(self._place, {}).get(side, []))

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Failed(f"{self._path} cannot be read: {error.strerror}.") from error
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Failed(f"{self._path} is damaged. Delete it; what was done before can't be undone then.")
        return document

    def _write(self, everything: dict[str, Any], lists: dict[str, Any]) -> None:
        write_privately(self._path, json.dumps({**everything, self._place: lists}))


def _renewed(entries: Sequence[dict[str, Any]], marks: Mapping[tuple[int, Mark], Mark | None]) -> list[dict[str, Any]]:
    """Returns entries with other marks of what their steps led to."""
    found = []
    for value in entries:
        entry = _from_json(value)
        steps = [
            step if step.after is None else step._replace(after=marks.get((step.task_id, step.after), step.after))
            for step in entry.steps
        ]
        found.append(_to_json(entry._replace(steps=steps)))
    return found


def _to_json(entry: Entry) -> dict[str, Any]:
    """Returns an entry as the file has it, which is also what JSON gives back."""
    steps = [[step.task_id, *(None if mark is None else list(mark) for mark in step[1:])] for step in entry.steps]
    return {"what": entry.what, "at": entry.at, "steps": steps}


def _from_json(value: dict[str, Any]) -> Entry:
    try:
        steps = [
            Step(task_id, *(None if mark is None else Mark(*mark) for mark in (before, after)))
            for task_id, before, after in value["steps"]
        ]
        return Entry(value["what"], value["at"], steps)
    except (LookupError, TypeError, ValueError) as error:
        raise Failed("The last entry of the journal is damaged, so it can't be undone.") from error
