"""The steps that the core asks a client for, and what the client answers. Nothing here does I/O."""

from __future__ import annotations

import json
import zlib
from collections.abc import Generator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

ANSWER_MAX = 256 * 1024 * 1024
"""Bytes that an answer may have, before and after decompression. The largest page of a list is half as large."""

T = TypeVar("T")


class Repeat(Enum):
    """When a request may be sent again though the outcome of an attempt is open."""

    ALWAYS = "always"
    """It reads, or has the same effect however often it is done."""
    WITH_KEY = "with key"
    """Its idempotency key makes it so."""
    NEVER = "never"


class Request(NamedTuple):
    """A request, without what is the same for all: the host and the token."""

    method: str
    target: str
    """The path and the query string, below the URL of the service."""
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None
    repeat: Repeat = Repeat.ALWAYS
    key: str | None = None

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")


class Answer(NamedTuple):
    """An answer that was received in full; the head of one, for a stream."""

    status: int
    headers: Mapping[str, str]
    """The header fields, with names in lower case."""
    body: bytes = b""

    document: Any = None
    """The JSON of the body, once it is decoded."""

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def decoded(self) -> Answer:
        """Returns the answer with its document. Raises ValueError if the body isn't whole, or isn't JSON."""
        body = self.body
        if self.headers.get("content-encoding", "identity").lower() in ("gzip", "x-gzip", "deflate"):
            decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
            try:
                body = decoder.decompress(body, ANSWER_MAX)
            except zlib.error as error:
                raise ValueError(f"The answer isn't compressed as it says: {error}.") from None
            if not decoder.eof:
                raise ValueError("The answer is too large, or was cut.")
        try:
            return self._replace(document=json.loads(body))
        except RecursionError:
            raise ValueError("The answer has too many levels.") from None


class Lost(NamedTuple):
    """There was no answer, or only a part of one."""

    reason: str
    """Says what happened, as the end of a sentence."""
    sent: bool
    """Whether a part of the request may have arrived."""
    hopeless: bool = False
    """Whether another attempt would fail too, for instance because a certificate isn't valid."""


class Send(NamedTuple):
    """Asks for a request to be sent. The client answers with Answer or Lost."""

    request: Request
    timeout: float
    """Seconds without a byte after which the attempt is given up."""
    seconds: float
    """Seconds after which it is given up in any case."""


class Open(NamedTuple):
    """Asks for a stream to be opened. The client answers with the head alone if the status is 200, or as to Send."""

    send: Send


class Receive(NamedTuple):
    """Asks for more of the open stream. The client answers with bytes, or with Lost at the end."""

    timeout: float


class Wait(NamedTuple):
    """Asks for a pause."""

    seconds: float


class Item(NamedTuple, Generic[T]):
    """Gives the caller one more item of an iterator."""

    value: T


Step: TypeAlias = Send | Open | Receive | Wait
"""What a client does for an operation."""
Operation: TypeAlias = Generator[Step, Any, T]
"""An operation: it yields steps, is sent the result of each, and returns its own."""
Items: TypeAlias = Generator[Step | Item[T], Any, None]
"""An operation that yields items for its caller among the steps."""
