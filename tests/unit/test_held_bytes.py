"""The limit on the bytes that clients make the service hold."""

from __future__ import annotations

from tasksvc.api.server.held_bytes import HeldBytes


class Connection:
    """A connection that records that it was closed."""

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


def test_a_connection_counts_for_whom_it_was_last_used_by() -> None:
    held = HeldBytes(100)
    shared, others = Connection("first client of a proxy"), Connection("others")
    held.hold(shared, 40)
    held.hold(others, 30)
    shared.peer = "others"

    held.hold(shared, 25)
    held.hold(Connection("new"), 46)

    assert others.closed
    assert not shared.closed
    assert held.total == 71
