"""Repositories in memory whose workspaces have the class of the default one, and so the same faults."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime

from tasksvc import (
    Commit,
    CommitResult,
    IdempotencyKey,
    InMemoryRepository,
    Write,
    check_workspace_name,
)


class WorkspaceCopies(InMemoryRepository):
    """Gives a copy of itself for each workspace; what all of them share must be held by objects."""

    def workspace(self, name: str) -> WorkspaceCopies:
        check_workspace_name(name)
        other = copy.copy(self)
        other.workspace_name = name
        return other

    async def commit(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
        by: str | None = None,
    ) -> CommitResult:
        return await self.do(Commit(writes, at, idempotency_key, tasks_max, by))

    async def do(self, commit: Commit) -> CommitResult:
        """Does a commit; a class with a fault in its commits overrides this."""
        writes, at, idempotency_key, tasks_max, by = commit
        return await super().commit(writes, at=at, idempotency_key=idempotency_key, tasks_max=tasks_max, by=by)
