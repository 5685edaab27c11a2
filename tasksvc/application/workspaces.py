"""The workspaces of a store, as administrators see them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tasksvc.application.contract_checks import check_workspaces
from tasksvc.ports.store import Capability, TaskRepository, WorkspaceSummary

_NO_CHANGES_PRUNED = 2**63 - 1
"""More changes than any log has."""


class WorkspacePage(NamedTuple):
    """A page of the list of workspaces."""

    workspaces: Sequence[WorkspaceSummary]
    next: str | None
    """The name after which the list goes on; None at its end."""


async def find_workspaces(
    repository: TaskRepository, *, prefix: str = "", after: str = "", limit: int
) -> WorkspacePage:
    """Returns a page of the workspaces whose names begin with `prefix` and come after `after`.

    Raises NotSupported, and ContractViolation where the store gives others.
    """
    found = await repository.workspaces(prefix=prefix, after=after, limit=limit + 1)
    check_workspaces(found, prefix, after, limit + 1)
    shown = found[:limit]
    return WorkspacePage(shown, shown[-1].name if len(found) > limit else None)


async def iter_workspaces(
    repository: TaskRepository, *, prefix: str = "", after: str | None = "", page_size: int
) -> AsyncGenerator[Sequence[WorkspaceSummary], None]:
    """Yields the list of workspaces after `after` page by page; nothing where `after` is the end of a list."""
    while after is not None:
        page = await find_workspaces(repository, prefix=prefix, after=after, limit=page_size)
        yield page.workspaces
        after = page.next


async def finish_erasures(repository: TaskRepository) -> None:
    """Deletes all that erased workspaces have left.

    Where other processes may use the store meanwhile, this pauses after each step for as long as the step took.
    """
    shared = Capability.SHARED in repository.capabilities
    more = Capability.PRUNE in repository.capabilities
    while more:
        began = time.monotonic()
        more = await prune_erased(repository)
        if shared:
            await asyncio.sleep(time.monotonic() - began)


async def prune_erased(repository: TaskRepository, *, limit: int = 500) -> bool:
    """Deletes a part of what erased workspaces have left, and nothing else; returns whether more is left."""
    long_ago = datetime.min.replace(tzinfo=UTC)
    return await repository.prune(
        log_before=long_ago, max_changes=_NO_CHANGES_PRUNED, keys_before=long_ago, limit=limit
    )
