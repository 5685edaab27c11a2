"""A server that answers with bytes that were prepared, for what no real service sends."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Sequence

from client.listening import Listener

ENDLESS = b"endless"
"""Prepared instead of an answer: a body without an end."""
SILENCE = b"silence"
"""Prepared instead of an answer: nothing, while the connection stays open."""


class Canned(Listener):
    """Answers each request with the next of its answers, and further ones with the last."""

    def __init__(self, *answers: bytes, context: ssl.SSLContext | None = None, path: str | None = None) -> None:
        """Prepares a server, with `context` for TLS, or on the Unix socket at `path`."""
        super().__init__(context=context, path=path)
        self._answers: Sequence[bytes] = answers
        self.requests: list[bytes] = []
        """The requests so far, with their bodies."""
        self.open = 0
        """The number of connections that are open."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    size = re.search(rb"(?i)content-length: (\d+)", head)
                    self.requests.append(head + await reader.readexactly(int(size[1]) if size else 0))
                    await self._answer(self._answers[min(len(self.requests), len(self._answers)) - 1], reader, writer)
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _answer(self, answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is SILENCE:
            await reader.read()
            return
        if answer is not ENDLESS:
            writer.write(answer)
            await writer.drain()
            if b"ength: " not in answer:  # it ends with its connection
                writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Change-Seq: 0\r\n\r\n[")
        while not reader.at_eof():
            writer.write(b" " * 1_000)
            await writer.drain()
            await asyncio.sleep(0.02)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Returns an answer with its length. The names of `headers` have _ instead of -."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body
