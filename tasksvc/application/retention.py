"""How long the change log and idempotency keys are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tasksvc.ports.store import TaskRepository

KEY_HOURS = 24
"""Hours for which an idempotency key is good at least: all that is promised about it, in every place."""
CLOCK_STEP = timedelta(days=1)
"""How far off the clock may be when a key is used, and in the other direction later, without breaking that."""


@dataclass(frozen=True)
class Retention:
    """How long a store remembers what it need not keep."""

    log_age: timedelta = timedelta(days=30)
    log_keep: int = 1_000_000
    """Changes."""
    key_age: timedelta = timedelta(hours=KEY_HOURS) + 2 * CLOCK_STEP
    """Of idempotency keys."""


async def prune_step(repository: TaskRepository, retention: Retention, *, at: datetime, limit: int = 500) -> bool:
    """One short step of dropping what `retention` lets go; True if more is due."""
    return await repository.prune(
        log_before=at - retention.log_age, log_keep=retention.log_keep, keys_before=at - retention.key_age, limit=limit
    )
