"""Room for large request bodies, which wait for each other rather than fill the memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

from tasksvc.domain.errors import Overloaded


class _Place(NamedTuple):
    peer: str
    size: int


class _Waiting(NamedTuple):
    place: _Place
    ready: asyncio.Future[None]


class UploadRoom:
    """Lets large bodies in while there is room.

    Of those that wait, the one whose peer holds the least is let in first, so that nobody's many
    bodies keep out somebody else's single one.
    """

    def __init__(self, room: int, *, timeout: float) -> None:
        """Has room for `room` bytes of all bodies together; a larger body counts as that many, and waits `timeout`."""
        self._room, self._timeout = room, timeout
        self._places: dict[int, _Place] = {}
        """Places by the identity of the request."""
        self._queue: dict[int, _Waiting] = {}

    @property
    def is_wanted(self) -> bool:
        """Returns whether a body waits for room."""
        return bool(self._queue)

    async def enter(self, request: object, peer: str, size: int) -> None:
        """Waits until there is room for a body of `size` bytes; leave() gives it back.

        Raises Overloaded if there is none within the timeout.
        """
        ready = asyncio.get_running_loop().create_future()
        self._queue[id(request)] = _Waiting(_Place(peer, min(size, self._room)), ready)
        self._let_in()
        try:
            async with asyncio.timeout(self._timeout):
                await ready
        except BaseException as error:
            self._queue.pop(id(request), None)
            self.leave(request)
            if isinstance(error, TimeoutError):
                raise Overloaded("Too many large bodies are being received. Try again soon.") from None
            raise

    def leave(self, request: object) -> None:
        """Gives the room of `request` back, if it has any."""
        if self._places and self._places.pop(id(request), None) is not None:
            self._let_in()

    def _let_in(self) -> None:
        while self._queue:
            held: Counter[str] = Counter()
            for peer, size in self._places.values():
                held[peer] += size
            key, first = min(self._queue.items(), key=lambda item: held[item[1].place.peer])
            if held.total() + first.place.size > self._room:
                return
            del self._queue[key]
            self._places[key] = first.place
            first.ready.set_result(None)
