"""Repeats a batch that failed because of one of its items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


async def run_individually(
    run: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]], items: Sequence[Item]
) -> list[Outcome | Exception]:
    """Runs each of `items` alone, and returns their outcomes.  What `run` raises is the outcome of its item."""
    outcomes: list[Outcome | Exception] = []
    for item in items:
        try:
            outcomes += await run([item])
        except Exception as error:
            outcomes.append(error)
    try:
        return outcomes
    finally:
        del outcomes  # as in decide_each()
