"""Callers whom an application that embeds the service knows."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from tasksvc.application.callers import Caller
from tasksvc.application.clock import now

Identify = Callable[[web.BaseRequest], Awaitable[Caller | None]]
"""Returns who sends a request; None if the application doesn't know."""


class ApplicationLogin:
    """Asks the application who sends a request."""

    def __init__(self, identify: Identify) -> None:
        self._identify = identify

    async def authenticate(self, request: web.BaseRequest) -> Caller | None:
        """Returns who sends `request`; None if the application doesn't know them, or if they have expired."""
        caller = await self._identify(request)
        if caller is None or not caller.is_valid(now()):
            return None
        if not caller.key:
            caller = replace(caller, key=hashlib.sha256(f"application {caller.name}".encode()).hexdigest())
        return caller

    async def renewed(self, caller: Caller) -> Caller | None:
        """Returns the caller of a request that still runs; None if they have expired."""
        return caller if caller.is_valid(now()) else None
