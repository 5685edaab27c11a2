"""A TCP proxy that cuts its first connection at a byte, and counts what went through each way."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType


class CutAt:
    """Listens on a free port of 127.0.0.1, from the start of the `async with` block to its end.

    Its first connection is cut as soon as that many bytes of requests, or of answers, have gone through. All further
    connections stay whole.
    """

    def __init__(self, port: int, *, requests: int | None = None, answers: int | None = None) -> None:
        """Prepares a proxy for `port` of 127.0.0.1."""
        self._to = port
        self._limits = {"requests": requests, "answers": answers}
        self.passed = {"requests": 0, "answers": 0}
        """Bytes that went through, of all connections."""
        self.taken = 0
        """The number of connections so far."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limits: dict[str, int | None] = self._limits if self.taken == 0 else {"requests": None, "answers": None}
        self.taken += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        ends = (writer, there_writer)
        try:
            await asyncio.gather(
                self._pass("requests", reader, there_writer, limits["requests"], ends),
                self._pass("answers", there_reader, writer, limits["answers"], ends),
            )
        finally:
            for end in ends:
                end.transport.abort()

    async def _pass(
        self,
        way: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limit: int | None,
        ends: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while limit != 0 and (piece := await reader.read(65_536 if limit is None else limit)):
                writer.write(piece)
                await writer.drain()
                self.passed[way] += len(piece)
                limit = None if limit is None else limit - len(piece)
        for end in ends:  # what was written is still delivered
            end.close()

    async def __aenter__(self) -> CutAt:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._server = await asyncio.start_server(begin, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
