"""A connection of SyncClient, on http.client, which gives up in time whatever the other side sends."""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tasksvc_client.address import Address
from tasksvc_client.failures import is_hopeless
from tasksvc_client.steps import ANSWER_MAX, Answer, Lost, Repeat, Send

if TYPE_CHECKING:
    from collections.abc import Mapping

CHUNK = 65_536
"""Bytes that are read at once."""
BROKEN = (OSError, http.client.HTTPException)
"""What a connection that breaks, or isn't one with HTTP, raises."""


class Patience:
    """How long a connection may take."""

    def __init__(self) -> None:
        self.timeout, self.end = 0.0, 0.0
        """Seconds without a byte, and the moment at which everything must be over."""
        self.in_head = False
        """Whether the head of an answer is being read, of which http.client would take a part for the whole."""

    def left(self) -> float:
        """Returns how many seconds the next step may take. Raises TimeoutError if there are none."""
        left = min(self.timeout, self.end - time.monotonic())
        if left <= 0:
            raise TimeoutError
        return left


class _Reader(io.RawIOBase):
    """Reads from a socket with patience, while a timeout of a socket begins again with each byte."""

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        self._socket, self._patience = sock, patience
        self._raw = sock.makefile("rb", buffering=0)  # which keeps the socket open until the answer is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(self._patience.left())
        size = self._raw.readinto(buffer)
        if size == 0 and self._patience.in_head:
            raise ConnectionResetError
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """What http.client needs of a socket."""

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        self.socket, self._patience = sock, patience

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self.socket, self._patience), CHUNK)

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self.socket.settimeout(self._patience.left())
            rest = rest[self.socket.send(rest[:CHUNK]) :]

    def close(self) -> None:
        self.socket.close()


class Connection:
    """A connection that is made at its first request."""

    def __init__(self, address: Address, context: ssl.SSLContext | None) -> None:
        """Prepares a connection, with `context` if it is secure."""
        self._address, self._context = address, context
        self._patience = Patience()
        self._socket: socket.socket | None = None
        self._http: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self.reusable = False
        """Whether another request may be sent."""

    def send(self, step: Send, headers: Mapping[str, str]) -> Answer | Lost:
        """Sends a request and returns its answer. Closes the connection if it can't be used again."""
        head = self.open(step, headers)
        return head if isinstance(head, Lost) else self._with_body(head)

    def stream(self, step: Send, headers: Mapping[str, str]) -> Answer | Lost:
        """Sends a request and returns the head of its answer if the status is 200, and otherwise all of the answer."""
        head = self.open(step, headers)
        return head if isinstance(head, Lost) or head.status == 200 else self._with_body(head)

    def open(self, step: Send, headers: Mapping[str, str]) -> Answer | Lost:
        """Sends a request and returns the head of its answer; read() gives the body."""
        patience, request = self._patience, step.request
        patience.timeout, patience.end = step.timeout, time.monotonic() + step.seconds
        self.reusable = patience.in_head = False
        if self._http is None:
            try:
                self._http = self._connected()
            except OSError as error:
                hopeless = is_hopeless(error)
                return Lost(f"{self._address.url} can't be reached ({_text(error)})", sent=False, hopeless=hopeless)
        try:
            with suppress(ConnectionError):  # the service may have answered without reading all of the request
                self._http.request(request.method, self._address.prefix + request.target, request.body, dict(headers))
            end = patience.end
            patience.end = min(end, time.monotonic() + step.timeout)  # for the whole head
            patience.in_head = True
            self._response = self._http.getresponse()
            patience.in_head, patience.end = False, end
        except BROKEN as error:
            return self._lost(error)
        fields = {name.lower(): value for name, value in self._response.getheaders()}
        return Answer(self._response.status, fields)

    def read(self, timeout: float) -> bytes | Lost:
        """Returns more of the body, or Lost at its end or after `timeout` seconds without a byte."""
        assert self._response is not None
        self._patience.timeout, self._patience.end = timeout, time.monotonic() + timeout
        try:
            return self._response.read1(CHUNK) or Lost("The stream ended", sent=True)
        except BROKEN as error:
            return self._lost(error)

    def _with_body(self, head: Answer) -> Answer | Lost:
        response, pieces, size = self._response, [], 0
        assert response is not None
        try:
            while piece := response.read(CHUNK):
                pieces.append(piece)
                size += len(piece)
                if size > ANSWER_MAX:
                    return self._lost(http.client.HTTPException("its answer is too large"))
            if response.length:
                return self._lost(http.client.IncompleteRead(b""))
        except BROKEN as error:
            return self._lost(error)
        self.reusable = not response.will_close
        if not self.reusable:
            self.close()
        return Answer(head.status, head.headers, b"".join(pieces))

    def _lost(self, error: Exception) -> Lost:
        self.close()
        return Lost(f"{self._address.url} gave no answer ({_text(error)})", sent=True)

    def _connected(self) -> http.client.HTTPConnection:
        address, seconds = self._address, self._patience.left()
        made: http.client.HTTPConnection
        if address.secure:
            made = http.client.HTTPSConnection(address.host, address.port, timeout=seconds, context=self._context)
        else:
            made = http.client.HTTPConnection(address.host, address.port, timeout=seconds)
        if address.socket is None:
            made.connect()
        else:
            made.sock = socket.socket(socket.AF_UNIX)
            made.sock.settimeout(seconds)
            try:
                made.sock.connect(address.socket)
            except OSError:
                made.sock.close()
                raise
        self._socket = made.sock
        made.sock = _Socket(made.sock, self._patience)
        return made

    def is_alive(self) -> bool:
        """Returns whether the other side has neither closed the connection nor sent what nobody asked for."""
        if self._socket is None:
            return False
        if not hasattr(select, "poll"):  # as on Windows
            return not select.select([self._socket], [], [], 0)[0]
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Closes the connection, with what it has not read."""
        if self._response is not None:
            self._response.close()
        if self._http is not None:
            self._http.close()
        self._socket, self._http, self._response, self.reusable = None, None, None, False


class Pool:
    """The connections of a client, which threads may share: those that are idle are used again."""

    def __init__(self, address: Address, headers: Mapping[str, str], context: ssl.SSLContext | None) -> None:
        """Prepares a pool. `headers` are those of all requests."""
        self._address, self._headers, self._context = address, headers, context
        self._idle: list[Connection] = []

    def send(self, step: Send) -> Answer | Lost:
        """Sends a request and returns its answer."""
        connection = self._taken(step)
        try:
            return connection.send(step, {**self._headers, **step.request.headers})
        finally:
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.close()

    def stream(self, step: Send) -> tuple[Answer | Lost, Connection]:
        """Sends a request on its own connection. Returns what Connection.stream() does, and the connection."""
        connection = self._new()
        return connection.stream(step, {**self._headers, **step.request.headers}), connection

    def close(self) -> None:
        """Closes all connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _taken(self, step: Send) -> Connection:
        """Returns an idle connection or a new one.

        One that was idle may be closed as the request is sent, so what isn't repeated gets a new one.
        """
        while step.request.repeat is not Repeat.NEVER:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.is_alive():
                return connection
            connection.close()
        return self._new()

    def _new(self) -> Connection:
        if self._address.secure and self._context is None:
            self._context = ssl.create_default_context()
        return Connection(self._address, self._context)


def _text(error: Exception) -> str:
    """Returns what happened, as a part of a sentence."""
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    if isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead | ConnectionError):
        return getattr(error, "strerror", None) or "the connection was closed"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
