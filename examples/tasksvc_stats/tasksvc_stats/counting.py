"""Counts changes by workspace and day, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from tasksvc import LOG_START, Change, ChangeKind, Position, Record
from tasksvc.plugin import Records

PREFIX = "days:"
"""What the keys of the records begin with; the name of the workspace follows."""
KINDS = ("created", "completed")


class DailyCounts:
    """What was created and completed in each workspace, on the last days (in UTC) on which anything was.

    A record of a workspace has the counts and the position up to which they count.  Both are written at once, so what
    is given again after a crash is known, and isn't counted again.
    """

    def __init__(self, records: Records, days: int) -> None:
        """Takes the number of days that are kept."""
        self.days = days
        self.counted = 0
        """The changes that this process has counted."""
        self._records = records

    async def add(self, workspace: str, changes: Sequence[Change], position: Position) -> None:
        """Counts changes that follow each other up to `position`, as far as they aren't counted yet.

        Raises RecordConflict if another process has counted meanwhile.
        """
        record = await self._records.get(PREFIX + workspace)
        if record is None or record.value["generation"] != position.generation:  # the log begins again
            counted, days = 0, {}
        else:
            counted = record.value["seq"]
            days = {day: dict(counts) for day, counts in record.value["days"].items()}
        new = [change for change in changes if change.seq > counted]
        happened = [("created", change.at) for change in new if change.kind is ChangeKind.CREATED]
        completed = {(c.task_id, c.at) for c in new if c.task is not None and c.task.completed_at == c.at}
        happened += [("completed", at) for _, at in completed]
        for kind, at in happened:
            days.setdefault(str(at.date()), dict.fromkeys(KINDS, 0))[kind] += 1
        value = {
            "generation": position.generation,
            "seq": max(counted, position.seq),
            "days": dict(sorted(days.items())[-self.days :]),
        }
        await self._records.put(PREFIX + workspace, value, expected=0 if record is None else record.version)
        self.counted += len(new)

    async def forget(self, workspace: str, since: Position, start: Position) -> None:
        """Deletes the counts of a workspace that was erased.  They stay if the log was only pruned."""
        if start == LOG_START:
            await self._records.delete(PREFIX + workspace)

    async def last_days(self, workspace: str, today: date) -> list[dict[str, Any]]:
        """Returns the counts of each of the last days, today last."""
        record = await self._records.get(PREFIX + workspace)
        days = {} if record is None else record.value["days"]
        shown = [str(today - timedelta(ago)) for ago in reversed(range(self.days))]
        return [{"day": day, **dict.fromkeys(KINDS, 0), **days.get(day, {})} for day in shown]


def problems_of(record: Record) -> list[str]:
    """Returns what is wrong in a record of the plugin, a sentence each."""
    if not record.key.startswith(PREFIX):  # how far the consumer has come, and its lease
        return []
    counts = [counts[kind] for counts in record.value["days"].values() for kind in KINDS]
    return [f"{record.key} counts {count}, which can't be." for count in counts if type(count) is not int or count < 0]
