"""Calls that run at the same time, a limited number at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


async def in_parallel(calls: Iterable[Callable[[], Awaitable[Result]]], *, at_once: int) -> list[Result]:
    """Returns what `calls` return, in their order, of which `at_once` run at the same time.

    When one raises, or this is cancelled, the others are cancelled, and have ended when this raises.
    """
    numbered = enumerate(calls)
    results: dict[int, Result] = {}

    async def work() -> None:
        for number, call in numbered:
            results[number] = await call()

    workers = [asyncio.ensure_future(work()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    except BaseException:
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
        raise
    return [results[number] for number in sorted(results)]
