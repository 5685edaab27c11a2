"""Telling connections that fail for a while from those that always will."""

from __future__ import annotations

import socket
import ssl


def is_hopeless(error: BaseException) -> bool:
    """Returns whether another attempt to connect would fail too: a name doesn't exist, or TLS fails."""
    if isinstance(error, ssl.SSLError):
        return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
