"""Webhooks, changes and logs for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tasksvc_webhooks.subscriptions import Filter, Start, Webhook

from tasksvc import (
    LOG_START,
    Change,
    ChangeKind,
    ChangePage,
    CreateTask,
    InMemoryRepository,
    Position,
    TaskDraft,
    TaskQuery,
    TaskRepository,
)
from tasksvc.domain.task import create_task
from tasksvc.testing.samples import NOW


def webhook(**others: Any) -> Webhook:
    """Returns an active webhook of the workspace "default", with some fields replaced."""
    made = Webhook(
        "wh_0123456789abcdefghijkl",
        "https://example.org/hook",
        ("default",),
        Filter(),
        "",
        NOW,
        NOW,
        Start(1, NOW),
        {"default": Start(1, NOW, LOG_START)},
    )
    return made._replace(**others)


def change(seq: int, kind: str = "created", *, at: datetime = NOW, **fields: Any) -> Change:
    """Returns a change of a task with these fields; a deletion has no task."""
    task = None if kind == "deleted" else create_task(1, TaskDraft(**{"description": "water", **fields}), NOW)
    return Change(seq, ChangeKind(kind), at, 1, task)


class Logs:
    """The logs of a store in memory, with the number of the reads."""

    def __init__(self) -> None:
        self.store: TaskRepository = InMemoryRepository()
        self.reads = 0

    async def write(self, workspace: str, times: Sequence[datetime]) -> None:
        """Makes a change at each of these times."""
        for at in times:
            await self.store.workspace(workspace).commit([CreateTask(TaskDraft(description="water"))], at=at)

    async def prune(self, *, keep: int) -> None:
        """Leaves this number of changes in each log."""
        first = datetime.min.replace(tzinfo=NOW.tzinfo)
        while await self.store.prune(log_before=first, max_changes=keep, keys_before=first, limit=1_000):
            pass

    async def read_changes(
        self, workspace: str, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        self.reads += 1
        return await self.store.workspace(workspace).read_changes(since, limit=limit, max_bytes=max_bytes)

    async def end_of_log(self, workspace: str) -> Position:
        return (await self.store.workspace(workspace).find(TaskQuery(), limit=1)).position
