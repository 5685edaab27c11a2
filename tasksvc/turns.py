"""Long work on the event loop, which lets others have their turn."""

from __future__ import annotations

import asyncio
from time import perf_counter

TURN_SECONDS = 0.005
"""How long work goes on before others have their turn.  A turn of the loop itself takes a hundredth of that."""


class Turns:
    """Divides work into turns: by time, since one step of it may take a thousand times as long as another."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def next(self) -> None:
        """To be called between two steps: lets others have their turn, if this one has been long enough."""
        if perf_counter() - self._since >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._since = perf_counter()
