"""Creates the tasks of a file in a workspace, each once, however often and with whatever interruptions it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tasksvc_client import BodyTooLarge, CommitTooLarge, Create, InvalidRequest, UidTaken
from tasksvc_formats import Fate, Item, Ordering, Report

if TYPE_CHECKING:
    from tasksvc_client import SyncClient

BATCH_TASKS: Final = 1_000
"""Tasks that one request creates; the service takes no more."""
BATCH_BYTES: Final = 4 * 1024 * 1024
"""Bytes of JSON in one request; the service changes 8 MiB of tasks at most, which have more fields than a request."""
LOOK_UPS_A_PAGE: Final = 50
"""Tasks that can be looked up one by one in the time that a page of a list takes."""
PAGE: Final = 1_000
"""Tasks of a page."""
TIMES: Final = ("created_at", "completed_at")


@dataclass
class Outcome:
    """How many tasks became what."""

    created: int = 0
    there: int = 0
    """Tasks that were there already, and stayed as they are."""
    refused: int = 0
    """Tasks that the service doesn't take; the report says why."""


class Loading:
    """Creates tasks, parents before their parts.

    A task whose uid the workspace has already stays as it is.  So a second run, or one after an interruption, creates
    what is missing.
    """

    def __init__(
        self,
        client: SyncClient,
        items: Ordering,
        report: Report,
        *,
        with_times: bool = True,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Calls `advance` with the number of tasks after each request.  Without times, tasks begin when it's done."""
        self._client, self._items, self._report = client, items, report
        self._with_times, self._advance = with_times, advance
        self._ids: dict[str, int] = {}
        """The tasks that are there by their uids."""
        self.outcome = Outcome()

    def look(self) -> Outcome:
        """Finds out which tasks are there, and returns what load() would do."""
        self._find_those_there()
        return Outcome(len(self._items) - len(self._ids), len(self._ids))

    def load(self) -> Outcome:
        """Creates the tasks that aren't there.  Raises what the client raises; `outcome` has what was done till then.

        Each request is done as a whole or not at all.
        """
        self._find_those_there()
        self.outcome.there = len(self._ids)
        self._advance(len(self._ids))
        missing = (item for item in self._items if item.uid not in self._ids)
        while window := list(islice(missing, BATCH_TASKS)):
            waiting = window
            while waiting:
                uids = {item.uid for item in waiting}
                ready = [self._settled(item) for item in waiting if item.parent not in uids]
                waiting = [item for item in waiting if item.parent in uids]
                for batch in _batches(ready):
                    self._create(batch)
                    self._advance(len(batch))
        return self.outcome

    def _find_those_there(self) -> None:
        """Looks for the uids of the file: one by one if they are few, and else by reading all tasks."""
        total = self._client.count()
        if len(self._items) * PAGE < total * LOOK_UPS_A_PAGE:
            for uid in self._items.uids():
                for task in self._client.find(uid=uid, limit=1):
                    self._ids[uid] = task.id
        elif total:
            wanted = set(self._items.uids())
            for task in self._client.find(page_size=PAGE):
                if task.uid in wanted:
                    self._ids[task.uid] = task.id

    def _settled(self, item: Item) -> Item:
        """Returns a task without its parent if that isn't there, since the service has refused it."""
        if item.parent is None or item.parent in self._ids:
            return item
        self._report.add(Fate.LEFT_OUT, "parents that the service refuses", item.fields["description"])
        return item._replace(parent=None)

    def _create(self, batch: Sequence[Item]) -> None:
        """Creates tasks whose parents are there; those that the service refuses are repaired, or left out."""
        items = list(batch)
        while items:
            try:
                results = self._client.batch([self._operation(item) for item in items])
            except UidTaken:  # by somebody who was faster, such as a run that was killed, and whose request went on
                items = self._still_missing(items)
            except InvalidRequest as problem:
                items = self._repaired(items, problem)
            except (BodyTooLarge, CommitTooLarge) as problem:
                if len(items) > 1:
                    half = len(items) // 2
                    self._create(items[:half])
                    items = items[half:]
                else:
                    self._refuse(items.pop(), str(problem))
            else:
                for item, task in zip(items, results, strict=True):
                    if task is not None:
                        self._ids[item.uid] = task.id
                self.outcome.created += len(items)
                return

    def _still_missing(self, items: Iterable[Item]) -> list[Item]:
        """Returns the tasks that aren't there yet, and counts the others."""
        missing = []
        for item in items:
            task = next(self._client.find(uid=item.uid, limit=1), None)
            if task is None:
                missing.append(item)
            else:
                self._ids[item.uid] = task.id
                self.outcome.there += 1
        return missing

    def _operation(self, item: Item) -> Create:
        fields = {name: value for name, value in item.fields.items() if self._with_times or name not in TIMES}
        description = fields.pop("description")
        if item.parent is not None:
            fields["parent_id"] = self._ids[item.parent]
        return Create(description, uid=item.uid, **fields)

    def _repaired(self, items: list[Item], problem: InvalidRequest) -> list[Item]:
        """Returns the tasks without the fields that the service refuses, and without those that it refuses whole."""
        refused: dict[int, dict[str, str]] = {}
        for error in problem.errors:
            path = str(error.get("field", "")).split(".")
            if path[0].isdecimal():
                index, field = int(path[0]), path[2] if len(path) > 2 else ""
            else:
                index, field = -1 if problem.index is None else problem.index, path[0]
            refused.setdefault(index, {})[field] = str(error.get("message", ""))
        if not refused or not refused.keys() <= set(range(len(items))):
            raise problem
        left = []
        for index, item in enumerate(items):
            if index not in refused:
                left.append(item)
            elif (repaired := self._repair(item, refused[index])) is not None:
                left.append(repaired)
        return left

    def _repair(self, item: Item, refused: dict[str, str]) -> Item | None:
        """Returns a task without some fields, whose repetition is in its notes then; None if it needs them."""
        fields, parent, title = dict(item.fields), item.parent, item.fields["description"]
        for field, message in refused.items():
            if field == "parent_id":
                parent = None
            elif field == "repeat" and "repeat" in fields:
                text = f"Repeats: {fields.pop('repeat')['rule']}"
                fields["notes"] = f"{fields['notes']}\n\n{text}" if fields.get("notes") else text
                self._report.add(Fate.IN_NOTES, "repetitions that the service refuses", f"{title}: {message}")
                continue
            elif field not in fields or field == "description":
                self._refuse(item, message)
                return None
            else:
                del fields[field]
            self._report.add(Fate.LEFT_OUT, f"{field} that the service refuses", f"{title}: {message}")
        return Item(item.uid, parent, fields)

    def _refuse(self, item: Item, message: str) -> None:
        self.outcome.refused += 1
        self._report.add(Fate.LEFT_OUT, "tasks that the service refuses", f"{item.fields['description']}: {message}")


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yields tasks for a request each, of a bounded size."""
    batch, size = list[Item](), 0
    for item in items:
        length = _length(item.fields)
        if batch and size + length > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def _length(fields: dict[str, Any]) -> int:
    return len(json.dumps(fields, ensure_ascii=False).encode())
