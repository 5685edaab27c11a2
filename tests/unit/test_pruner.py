"""The loop that prunes a store while it is served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

from tasksvc import InMemoryRepository, StoreUnavailable
from tasksvc.application.limits import Timeouts
from tasksvc.application.retention import Pruner, Retention

LONG_INTERVAL = Timeouts(prune_interval=1_000.0, prune_pause=0.0)


class Pruned(InMemoryRepository):
    """A store whose prune() gives these answers, of which errors are raised, and is done when there is none left."""

    def __init__(self, *answers: bool | Exception) -> None:
        super().__init__()
        self.answers, self.idle = list(answers), asyncio.Event()

    async def prune(self, **_: Any) -> bool:
        answer = self.answers.pop(0)
        if not self.answers:
            self.idle.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def idle(repository: Pruned) -> None:
    """Waits until prune() has given all its answers."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await repository.idle.wait()


async def test_a_pruner_makes_one_step_after_the_other_while_more_is_due() -> None:
    repository = Pruned(True, True, True, False)
    pruning = asyncio.create_task(Pruner(repository, Retention(), LONG_INTERVAL, scheme="memory").run())

    await idle(repository)

    pruning.cancel()
    assert repository.answers == []


@pytest.mark.parametrize("failure", [StoreUnavailable("The disk is on fire."), RuntimeError("nobody expected this")])
async def test_a_pruner_that_is_started_soon_does_not_wait_for_its_interval(failure: Exception) -> None:
    repository = Pruned(failure)
    pruner = Pruner(repository, Retention(), LONG_INTERVAL, scheme="memory")
    pruning = asyncio.create_task(pruner.run())
    await idle(repository)

    for answers in ([False], [True, False]):
        repository.answers[:] = answers
        repository.idle.clear()
        pruner.start_soon()
        await idle(repository)

    pruning.cancel()
    assert repository.answers == []


async def test_what_is_left_while_a_step_runs_is_deleted_by_the_next_one() -> None:
    repository = Pruned(False, False)
    pruner = Pruner(repository, Retention(), LONG_INTERVAL, scheme="memory")
    prune = repository.prune

    async def step(**bounds: Any) -> bool:
        if len(repository.answers) == 2:
            pruner.start_soon()
        return await prune(**bounds)

    repository.prune = step  # type: ignore[method-assign]
    pruning = asyncio.create_task(pruner.run())

    await idle(repository)

    pruning.cancel()
