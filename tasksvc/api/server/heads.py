"""The parsed heads of requests: how much memory they take, and what aiohttp keeps of them to itself."""

from __future__ import annotations

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import _ErrInfo

REQUEST_BYTES = 2_048
"""Bytes that a request takes besides its headers."""
HEADER_BYTES = 256
"""Bytes that a header takes besides its text, which is there twice: as bytes, and decoded."""


def memory_of(message: RawRequestMessage | _ErrInfo) -> int:
    """Returns about as many bytes as the head of a request takes; 0 for what isn't a request."""
    if isinstance(message, _ErrInfo):
        return 0
    size = REQUEST_BYTES + 2 * len(message.path) + HEADER_BYTES * len(message.raw_headers)
    for name, value in message.raw_headers:
        size += 2 * (len(name) + len(value))
    return size


def asks_for_upgrade(request: web.BaseRequest) -> bool:
    """Returns whether the request asks for another protocol on its connection (RFC 9110, section 7.8)."""
    return request._message.upgrade
