"""Long work on the event loop, which lets others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

TURN_SECONDS = 0.005
"""How long work goes on before others have their turn.  A turn of the loop itself takes a hundredth of that."""
AT_ONCE = 16
"""Steps that are done without a look at the time, where there may be thousands of short ones."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Turns:
    """Divides work into turns: by time, since one step of it may take a thousand times as long as another."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        """Lets work go on for `seconds` before others have their turn."""
        self._seconds, self._since = seconds, perf_counter()

    async def next(self) -> None:
        """To be called between two steps: lets others have their turn, if this one has been long enough."""
        if perf_counter() - self._since >= self._seconds:
            await asyncio.sleep(0)
            self._since = perf_counter()


async def in_turns(make: Callable[[_Given], _Made], given: Sequence[_Given]) -> list[_Made]:
    """What `make` makes of each of `given`, in their order."""
    turns = Turns()
    made: list[_Made] = []
    for start in range(0, len(given), AT_ONCE):
        made += map(make, given[start : start + AT_ONCE])
        await turns.next()
    return made
