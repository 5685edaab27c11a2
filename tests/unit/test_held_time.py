"""The time for which the event loop was blocked."""

from __future__ import annotations

import asyncio
import time

import pytest
from patience import until

from tasksvc.api.server.held_time import BEAT_SECONDS, HeldTime

HOLD_SECONDS = 0.4


@pytest.fixture
def held() -> HeldTime:
    return HeldTime()


async def test_what_holds_the_loop_is_measured_while_it_is_watched(held: HeldTime) -> None:
    held.watch()
    time.sleep(HOLD_SECONDS)  # noqa: ASYNC251
    at_once = held.seconds()
    await asyncio.sleep(2 * BEAT_SECONDS)
    time.sleep(HOLD_SECONDS)  # noqa: ASYNC251

    assert at_once >= HOLD_SECONDS - BEAT_SECONDS
    assert held.seconds() >= at_once + HOLD_SECONDS - BEAT_SECONDS


async def test_nothing_beats_when_nobody_watches(held: HeldTime) -> None:
    held.watch()
    held.watch()
    held.unwatch()
    held.unwatch()

    await until(lambda: held._beat is None)

    time.sleep(HOLD_SECONDS)  # noqa: ASYNC251
    before = held.seconds()
    time.sleep(HOLD_SECONDS)  # noqa: ASYNC251
    assert held.seconds() == before
