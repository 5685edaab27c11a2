"""Divides long work on the event loop into turns, so that it blocks no other work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

TURN_SECONDS = 0.005
"""How long work goes on before other work has its turn; a turn of the loop itself takes a hundredth of that."""
AT_ONCE = 16
"""The number of steps between two looks at the time, since there may be thousands of short ones."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Turns:
    """Divides work into turns by time, since one step may take a thousand times as long as another."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        """Lets work go on for `seconds` before others have their turn."""
        self._seconds, self._since = seconds, perf_counter()

    async def next(self) -> None:
        """Lets other work have its turn, if this one has been long enough.  Call it between two steps."""
        if perf_counter() - self._since >= self._seconds:
            await asyncio.sleep(0)
            self._since = perf_counter()


async def in_turns(make: Callable[[_Given], _Made], given: Sequence[_Given]) -> list[_Made]:
    """Returns what `make` makes of each of `given`, in their order, and lets other work have its turn."""
    turns = Turns()
    made: list[_Made] = []
    for start in range(0, len(given), AT_ONCE):
        made += map(make, given[start : start + AT_ONCE])
        await turns.next()
    return made
