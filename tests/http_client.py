"""An HTTP client for tests that must know exactly what was sent and received."""

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
    """Returns a TCP port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Answer(NamedTuple):
    """A response that was received in full."""

    status: int
    headers: dict[str, str]
    """The header fields, by name in lower case."""
    body: bytes

    @property
    def document(self) -> Any:
        """Returns the body, parsed as JSON."""
        return json.loads(self.body)


class NoAnswer(Exception):
    """The connection ended before the response was complete."""


def ask(url: str, method: str, path: str, document: object = None, headers: dict[str, str] | None = None) -> Answer:
    """Sends one request on its own connection and returns the response. Raises NoAnswer."""
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
    """A connection that is kept open; use it with `async with`."""

    def __init__(self, port: int) -> None:
        """Prepares a connection to `port` of 127.0.0.1."""
        self._port = port

    async def open(self) -> Connection:
        """Connects. Raises NoAnswer if nothing listens on the port."""
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        except ConnectionError as error:
            raise NoAnswer(repr(error)) from error
        self._sent = 0
        return self

    def close(self) -> None:
        """Closes the connection at once, with what wasn't sent."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Connection:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def send(self, method: str, path: str, document: object = None, headers: dict[str, str] | None = None) -> None:
        """Sends a request; `document` becomes its JSON body."""
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

    @property
    def unsent(self) -> int:
        """The number of bytes that the system has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def take_nothing(self) -> None:
        """Stops reading, so that the other side can't send much more."""
        transport = self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    def was_read_in_full(self) -> bool:
        """Returns whether the other side, which has closed the connection, had read all that was sent.

        Linux shows it: it resets a connection that is closed with unread data, and acknowledges nothing that comes
        later.
        """
        if sys.platform != "linux" or not self._reader.at_eof() or self._reader.exception() is not None:
            return False
        connection = self._writer.get_extra_info("socket")
        information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        acknowledged: int = struct.unpack_from("Q", information, 120)[0]  # tcpi_bytes_acked, the opening included
        return acknowledged > self._sent

    async def answer(self) -> Answer:
        """Returns the next response, which has a Content-Length or no body. Raises NoAnswer."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status, headers = await self.head()
                body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise NoAnswer(repr(error)) from error
        return Answer(status, headers, body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Returns the head of the next response, final or interim. Raises IncompleteReadError and ConnectionError."""
        text = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = re.match(r"HTTP/1\.1 (\d{3}) ", text)
        assert status is not None, text
        lines = (line.split(": ", 1) for line in text.split("\r\n")[1:] if line)
        return int(status[1]), {name.lower(): value for name, value in lines}

    async def until(self, end: bytes) -> bytes:
        """Returns what is received up to and including `end`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readuntil(end)

    async def exactly(self, size: int) -> bytes:
        """Returns exactly `count` bytes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """Returns all that is received until the other side closes the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()

    async def request(
        self, method: str, path: str, document: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Sends a request and returns its response. Raises NoAnswer."""
        self.send(method, path, document, headers)
        return await self.answer()
