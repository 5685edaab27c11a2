"""A TCP proxy on loopback that stalls, cuts and half-closes connections."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Proxy:
    """Passes everything on to a port of loopback, until a method changes that."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._flowing = asyncio.Event()
        self._answers_flowing = asyncio.Event()
        self._last_words: bytes | None = None
        self.flow()
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        """The number of connections that were made through it."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def lead_to(self, target: int) -> None:
        """Leads new connections to another port."""
        self._target = target

    def stall(self) -> None:
        """Stops passing data in both directions; connections stay open, and new ones are accepted."""
        self._flowing.clear()

    def stall_answers(self, *, to: bytes = b"") -> None:
        """Passes on what clients send, but no response from the moment at which a client sends `to`."""
        self._last_words = to

    def flow(self) -> None:
        """Passes on what was held up."""
        self._last_words = None
        self._flowing.set()
        self._answers_flowing.set()

    def cut(self) -> None:
        """Resets every open connection."""
        for link in self._links:
            for end in link:
                end.transport.abort()

    def half_close(self) -> None:
        """Ends the server's direction of each connection, while the client's is still passed on."""
        for client, _ in self._links:
            client.write_eof()

    async def _link(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        ends = [to_client]
        try:
            await self._flowing.wait()
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(to_server)
            self._links.add((to_client, to_server))
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(from_client, to_server, is_question=True))
                pumps.create_task(self._pump(from_server, to_client, is_question=False))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard((ends[0], ends[-1]))
            for end in ends:
                end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_question: bool) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            while piece := await source.read(65_536):
                await self._flowing.wait()
                if is_question and self._last_words is not None and self._last_words in piece:
                    self._answers_flowing.clear()
                if not is_question:
                    await self._answers_flowing.wait()
                sink.write(piece)
                await sink.drain()
            sink.write_eof()
