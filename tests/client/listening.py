"""What test servers have in common: they listen while a block runs, and end each connection with it."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Listener(ABC):
    """Listens from the start of the `async with` block to its end: on a free port of 127.0.0.1, or on a Unix socket."""

    def __init__(self, *, context: ssl.SSLContext | None = None, path: str | None = None) -> None:
        """Prepares a server, with `context` for TLS, or on the Unix socket at `path`."""
        self._context, self._path = context, path
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection until it ends."""

    async def __aenter__(self) -> Self:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        if self._path is None:
            self._server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=self._context)
        else:
            self._server = await asyncio.start_unix_server(begin, self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
