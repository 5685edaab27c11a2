"""How long the change log and idempotency keys are kept."""

from __future__ import annotations

import asyncio
import contextlib
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


class Pruner:
    """Prunes a store in short steps, as long as it is served."""

    def __init__(self, repository: TaskRepository, retention: Retention, timeouts: Timeouts, *, scheme: str) -> None:
        """Takes the scheme of the store's URL, which names it in the log."""
        self._repository, self._retention, self._timeouts, self._scheme = repository, retention, timeouts, scheme
        self._due = asyncio.Event()

    def start_soon(self) -> None:
        """Prunes next without waiting for the interval, since something has been left that is due."""
        self._due.set()

    async def run(self) -> None:
        """Prunes now and every `timeouts.prune_interval`, until it's cancelled.  Errors go to the log.

        While more is due, it pauses after each step for as long as the step took at least, so that other calls of the
        store come first.
        """
        now_on_loop = asyncio.get_running_loop().time
        while True:
            self._due.clear()
            began = now_on_loop()
            if await self._step():
                await asyncio.sleep(max(self._timeouts.prune_pause, now_on_loop() - began))
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeouts.prune_interval):
                    await self._due.wait()

    async def _step(self) -> bool:
        """Returns whether more is due."""
        try:
            return await prune_step(self._repository, self._retention, at=now())
        except RepositoryError as error:
            log.warning("What is old could not be dropped: %s", error)
        except Exception as error:
            log.error("The %s: store failed to drop what is old.", self._scheme, exc_info=error)
        return False
