"""How long the change log and idempotency keys are kept."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts
from tasksvc.domain.errors import RepositoryError
from tasksvc.ports.store import TaskRepository

KEY_HOURS = 24
"""Hours for which an idempotency key is good at least: all that is promised about it, in every place."""
CLOCK_STEP = timedelta(days=1)
"""How far off the clock may be when a key is used, and in the other direction later, without breaking that."""

log = logging.getLogger("tasksvc")


@dataclass(frozen=True)
class Retention:
    """How long a store keeps changes and idempotency keys."""

    max_age: timedelta = timedelta(days=30)
    max_changes: int = 1_000_000
    """The number of changes that stay in the log."""
    idempotency_key_ttl: timedelta = timedelta(hours=KEY_HOURS) + 2 * CLOCK_STEP
    """The age of idempotency keys after which they are deleted."""


async def prune_step(repository: TaskRepository, retention: Retention, *, at: datetime, limit: int = 500) -> bool:
    """Prunes what `retention` lets go in one short step, and returns whether more is due."""
    return await repository.prune(
        log_before=at - retention.max_age,
        max_changes=retention.max_changes,
        keys_before=at - retention.idempotency_key_ttl,
        limit=limit,
    )


async def prune_for_ever(repository: TaskRepository, retention: Retention, timeouts: Timeouts, *, scheme: str) -> None:
    """Prunes the store now and every `timeouts.prune_interval`, until it's cancelled.  Errors go to the log."""
    while True:
        more = False
        try:
            more = await prune_step(repository, retention, at=now())
        except RepositoryError as error:
            log.warning("What is old could not be dropped: %s", error)
        except Exception as error:
            log.error("The %s: store failed to drop what is old.", scheme, exc_info=error)
        await asyncio.sleep(timeouts.prune_pause if more else timeouts.prune_interval)
