"""Identical calls at the same time share one result."""

from __future__ import annotations

import asyncio
import gc

import pytest
from tasksvc_postgresql.sharing import SingleFlight

from tasksvc import StoreClosed


async def test_a_failure_without_a_waiting_caller_logs_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(key: int, deadline: float) -> int:
        await asyncio.sleep(0)
        raise StoreClosed("The store is closed.")

    shared: SingleFlight[int, int] = SingleFlight(fail, lambda: 0.0)
    waiting = [asyncio.create_task(shared(7)) for _ in range(3)]
    await asyncio.sleep(0)

    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await shared.close()
    del task
    waiting.clear()
    gc.collect()

    assert caplog.text == ""
