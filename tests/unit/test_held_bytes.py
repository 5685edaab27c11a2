"""The bound on the bytes that clients make the service hold."""

from __future__ import annotations

import pytest

from tasksvc.api.held_bytes import HeldBytes, peer_of


class Connection:
    """A connection that notes that it was closed."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.closed = False

    def abort(self) -> None:
        self.closed = True


def test_connections_stay_open_up_to_the_limit() -> None:
    held = HeldBytes(100)
    connections = [Connection("a"), Connection("b")]

    for connection in connections:
        held.hold(connection, 50)

    assert held.total == 100
    assert not any(connection.closed for connection in connections)


def test_past_the_limit_the_greediest_peer_loses_the_connection_that_waited_longest() -> None:
    held = HeldBytes(100)
    modest, first, second = Connection("modest"), Connection("greedy"), Connection("greedy")
    held.hold(modest, 40)
    held.hold(first, 25)
    held.hold(second, 25)

    held.hold(Connection("modest, too"), 20)

    assert [modest.closed, first.closed, second.closed] == [False, True, False]
    assert held.total == 85


def test_connections_are_closed_until_the_limit_is_kept() -> None:
    held = HeldBytes(100)
    small = [Connection("greedy") for _ in range(10)]
    for connection in small:
        held.hold(connection, 10)

    held.hold(Connection("other"), 35)

    assert [connection.closed for connection in small] == [True] * 4 + [False] * 6


def test_a_connection_that_alone_exceeds_the_limit_is_closed() -> None:
    held = HeldBytes(100)
    connection = Connection("a")

    held.hold(connection, 101)

    assert connection.closed
    assert held.total == 0


def test_what_a_connection_holds_replaces_what_it_held_before() -> None:
    held = HeldBytes(100)
    connection = Connection("a")

    for size in (60, 80, 10):
        held.hold(connection, size)

    assert held.total == 10
    assert not connection.closed


def test_a_released_connection_holds_nothing_however_often_it_is_released() -> None:
    held = HeldBytes(100)
    connection = Connection("a")
    held.hold(connection, 60)

    held.release(connection)
    held.release(connection)

    assert held.total == 0


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_peer_is_an_ipv4_address_or_an_ipv6_network(address: str | None, peer: str) -> None:
    assert peer_of(address) == peer
