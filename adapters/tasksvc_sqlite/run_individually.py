"""What a group does that failed because of one of its units."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Unit = TypeVar("Unit")
Outcome = TypeVar("Outcome")


async def run_individually(
    run: Callable[[Sequence[Unit]], Awaitable[Sequence[Outcome]]], units: Sequence[Unit]
) -> list[Outcome | Exception]:
    """The outcomes of `units`, each of which goes alone.  What `run` raises is the outcome of its unit."""
    outcomes: list[Outcome | Exception] = []
    for unit in units:
        try:
            outcomes += await run([unit])
        except Exception as error:
            outcomes.append(error)
    return outcomes
