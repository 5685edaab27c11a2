"""Bodies that break off."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

from http_client import Connection
from patience import PATIENCE_SECONDS

from robustness.in_process import InProcess

CLIENTS = 20
BODY_BYTES, SENT_BYTES = 250_000, 200_000


async def break_off(running: InProcess) -> None:
    """Sends a part of a body, and disconnects when the service has it."""
    async with Connection(running.port) as connection:
        connection.send_head("POST", "/tasks/", BODY_BYTES)
        connection.send_bytes(b" " * SENT_BYTES)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not running.in_flight or connection.unsent:
                await asyncio.sleep(0.01)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while running.connections or running.in_flight:
            await asyncio.sleep(0.01)


async def test_they_are_freed_without_the_garbage_collector() -> None:
    async with InProcess("memory://") as running:
        await break_off(running)
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(CLIENTS):
                await break_off(running)
            left, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()

    assert left < CLIENTS * SENT_BYTES / 8
