"""Lists in an answer: where a page leads on, and whole lists that are sent page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from aiohttp import web

from tasksvc.api.responses.streaming import Chunk
from tasksvc.domain.json_text import dumps


def next_link(request: web.Request, after: str) -> str:
    """Returns a link to the page after `after`, for the header Link.

    It has a query alone, relative to the request's URL, whatever path a proxy put it below (RFC 8288).
    """
    return f'<?{request.rel_url.update_query(after=after).raw_query_string}>; rel="next"'


def array_members(documents: Sequence[object]) -> bytes:
    """Returns what continues a JSON array that isn't empty."""
    return b"," + dumps(documents)[1:-1] if documents else b""


async def json_lines(first: bytes, others: AsyncIterator[bytes]) -> AsyncGenerator[Chunk, None]:
    """Yields a list in JSON Lines, whose first page is `first`."""
    yield first
    del first  # slow clients are many, and each chunk takes memory
    async for chunk in others:
        yield chunk


async def json_array(first: bytes, others: AsyncIterator[bytes]) -> AsyncGenerator[Chunk, None]:
    """Yields a JSON array, whose first page is the whole array `first`; `others` continue it, each after a comma."""
    yield memoryview(first)[: -len(b"]\n")]  # which is no copy: many clients may get the same first page
    del first
    async for chunk in others:
        yield chunk
    yield b"]\n"
