"""A TCP proxy that cuts its first connection at a byte, and counts what went through each way."""

from __future__ import annotations

import asyncio
import contextlib

from client.listening import Listener


class CutAt(Listener):
    """Cuts its first connection as soon as that many bytes of requests, or of answers, have gone through.

    All further connections stay whole.
    """

    def __init__(self, port: int, *, requests: int | None = None, answers: int | None = None) -> None:
        """Prepares a proxy for `port` of 127.0.0.1."""
        super().__init__()
        self._to = port
        self._limits = {"requests": requests, "answers": answers}
        self.passed = {"requests": 0, "answers": 0}
        """Bytes that went through, of all connections."""
        self.taken = 0
        """The number of connections so far."""

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
