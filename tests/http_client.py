"""HTTP for tests that must know what was sent, and what came back."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import struct
import sys
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from patience import PATIENCE_SECONDS


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Answer(NamedTuple):
    """An answer that came in full."""

    status: int
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes

    @property
    def document(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class NoAnswer(Exception):
    """The connection ended before an answer was there in full."""


def ask(url: str, method: str, path: str, document: object = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own.  Raises NoAnswer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)
    try:
        body, more = None, {}
        if document is not None:
            body, more = json.dumps(document), {"Content-Type": "application/json"}
        connection.request(method, path, body, {**more, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    except (ConnectionError, http.client.HTTPException) as error:
        raise NoAnswer(repr(error)) from error
    finally:
        connection.close()


class Connection:
    """A connection that is kept; `async with` it."""

    def __init__(self, port: int) -> None:
        """To 127.0.0.1."""
        self._port = port

    async def open(self) -> Connection:
        """Connects.  Raises NoAnswer where nobody listens."""
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        except ConnectionError as error:
            raise NoAnswer(repr(error)) from error
        self._sent = 0
        return self

    def close(self) -> None:
        """Ends it at once."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Connection:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def send(self, method: str, path: str, document: object = None, headers: dict[str, str] | None = None) -> None:
        """Sends a request."""
        body = b"" if document is None else json.dumps(document).encode()
        self.send_head(method, path, len(body), headers)
        self.send_bytes(body)

    def send_head(self, method: str, path: str, length: int, headers: dict[str, str] | None = None) -> None:
        """Sends the head of a request, whose JSON body of `length` bytes comes later."""
        lines = {"Host": "127.0.0.1", **(headers or {})}
        if length:
            lines |= {"Content-Type": "application/json", "Content-Length": str(length)}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.send_bytes(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())

    def send_bytes(self, data: bytes) -> None:
        self._sent += len(data)
        self._writer.write(data)

    def take_nothing(self) -> None:
        """From now on all that comes stays where it is."""
        transport = self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    def was_read_in_full(self) -> bool:
        """Whether the other side, which has ended the connection, had read all that was sent.

        Linux tells: it resets a connection that is closed with something in it that was not read,
        and acknowledges nothing that comes later.
        """
        if sys.platform != "linux" or not self._reader.at_eof() or self._reader.exception() is not None:
            return False
        connection = self._writer.get_extra_info("socket")
        information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        acknowledged: int = struct.unpack_from("Q", information, 120)[0]  # tcpi_bytes_acked, the opening included
        return acknowledged > self._sent

    async def answer(self) -> Answer:
        """The next answer, which has a Content-Length or no body.  Raises NoAnswer."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status, headers = await self.head()
                body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise NoAnswer(repr(error)) from error
        return Answer(status, headers, body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """The head of the next answer, or an interim one.  Raises IncompleteReadError and ConnectionError."""
        text = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = re.match(r"HTTP/1\.1 (\d{3}) ", text)
        assert status is not None, text
        lines = (line.split(": ", 1) for line in text.split("\r\n")[1:] if line)
        return int(status[1]), {name.lower(): value for name, value in lines}

    async def until(self, end: bytes) -> bytes:
        """What comes up to `end`, with it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readuntil(end)

    async def exactly(self, size: int) -> bytes:
        """So many bytes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """All that comes until the other side ends the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()

    async def request(
        self, method: str, path: str, document: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Sends a request, and gives its answer.  Raises NoAnswer."""
        self.send(method, path, document, headers)
        return await self.answer()
