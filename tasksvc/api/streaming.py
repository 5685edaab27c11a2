"""Answers that are sent piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from tasksvc.api.problems import log

STALL_SECONDS = 30.0
"""A client that takes nothing for so long is cut off."""


async def send(request: web.Request, response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Sends `pieces` as the body of `response`, as fast as the client takes them.

    Where that fails half-way the connection is broken, so that nobody takes what came for the whole.
    """
    await response.prepare(request)
    try:
        async for piece in pieces:
            async with asyncio.timeout(STALL_SECONDS):
                await response.write(piece)
        await response.write_eof()
    except Exception as error:
        if not isinstance(error, ConnectionError | TimeoutError):
            log.error("The answer to %s %s broke off.", request.method, request.path, exc_info=error)
        if request.transport is not None:
            request.transport.abort()
    return response
