"""Where the service listens, and how long it keeps idle connections."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from service_process import RunningService

REQUEST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answer_on(connection: socket.socket) -> bytes:
    """Returns the first packet of the response to a request."""
    connection.settimeout(PATIENCE_SECONDS)
    connection.sendall(REQUEST)
    return connection.recv(65_536)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this system has no IPv6, or not both at once")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_all_addresses_of_ipv6_are_those_of_ipv4_too(tmp_path: Path, address: str) -> None:
    with (
        RunningService("--store", "memory://", "--host", "::", "--open", folder=tmp_path) as service,
        socket.create_connection((address, service.port), timeout=PATIENCE_SECONDS) as connection,
    ):
        answer = answer_on(connection)

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_idle_connection_is_closed_after_the_time_that_is_asked_for(tmp_path: Path) -> None:
    with (
        RunningService("--store", "memory://", "--keep-alive", "1", folder=tmp_path) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_SECONDS) as connection,
    ):
        answer = answer_on(connection)
        rest = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert rest == b"", "the service closes the connection"
