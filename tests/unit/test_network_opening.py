"""Which server takes a connection, and how long one that is starting is waited for."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tasksvc import InvalidStoreURL, StoreRefused, StoreURL
from tasksvc.network import HostRace, NoServer, Parameters, hosts_of, wait_for_server

PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""


class FakeConnection:
    """A connection to a host."""

    def __init__(self, host: str) -> None:
        self.host, self.closed = host, False

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True

    async def close(self) -> None:
        self.closed = True

    async def roll_back(self) -> None:
        pass

    async def settle(self) -> None:
        pass


class Hosts:
    """Hosts that accept, fail or hang, by their names."""

    def __init__(self, *names: str, timeout: float = PATIENCE) -> None:
        self.tried: list[str] = []
        self.connections: list[FakeConnection] = []
        self.race: HostRace[str, FakeConnection] = HostRace(
            [(name, name) for name in names], self.connect, errors=(OSError,), timeout=timeout
        )

    async def connect(self, host: str) -> FakeConnection:
        self.tried.append(host)
        await asyncio.sleep(0)
        if "hangs" in host:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if "late" not in host:
                    raise
        if "fails" in host:
            raise ConnectionRefusedError(f"{host} refused")
        if "broken" in host:
            raise RuntimeError(f"{host} is broken")
        self.connections.append(FakeConnection(host))
        return self.connections[-1]


async def connected(hosts: Hosts) -> str:
    """Returns the host that took the connection."""
    return (await asyncio.wait_for(hosts.race.connect(), PATIENCE)).host


async def test_the_first_host_that_accepts_takes_the_connection_and_is_tried_first_the_next_time() -> None:
    hosts = Hosts("a fails", "b", "c")

    assert await connected(hosts) == "b"
    assert hosts.tried == ["a fails", "b"]
    assert await connected(hosts) == "b"
    assert hosts.tried[2:] == ["b"]


async def test_a_host_that_hangs_delays_the_next_one_only_for_a_moment() -> None:
    hosts = Hosts("a hangs", "b")

    assert await connected(hosts) == "b"


async def test_a_connection_that_comes_too_late_is_dropped() -> None:
    hosts = Hosts("a hangs late", "b")

    assert await connected(hosts) == "b"

    assert {connection.host: connection.closed for connection in hosts.connections} == {
        "a hangs late": True,
        "b": False,
    }


async def test_where_all_fail_the_error_names_each() -> None:
    with pytest.raises(NoServer, match="a fails: a fails refused; b fails: b fails refused") as failure:
        await connected(Hosts("a fails", "b fails"))

    assert [type(error) for error in failure.value.errors] == [ConnectionRefusedError] * 2
    assert isinstance(failure.value, OSError), "so that an Executor takes it for a lost connection"


async def test_where_all_hang_the_time_ends() -> None:
    with pytest.raises(TimeoutError):
        await Hosts("a hangs", "b hangs", timeout=0.01).race.connect()


async def test_an_error_that_is_not_of_the_driver_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match="broken"):
        await connected(Hosts("a broken", "b"))


# ---------------------------------------------------------------- a server that is starting


class Starting:
    """A server that fails with some errors before it accepts."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0

    async def attempt(self) -> str:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return "opened"

    async def wait(self, *, timeout: float = PATIENCE) -> str:
        return await wait_for_server(
            self.attempt,
            name="db:",
            timeout=timeout,
            errors=(OSError,),
            refusal=lambda error: "Correct the URL." if isinstance(error, PermissionError) else None,
        )


async def test_a_server_that_is_starting_is_waited_for_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Starting(ConnectionRefusedError("not yet"), ConnectionRefusedError("not yet"))

    assert await server.wait() == "opened"

    assert server.attempts == 3
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "db: cannot be used yet: not yet. It is tried again for 60 s."
    ]


async def test_what_another_attempt_would_not_repair_is_refused_at_once() -> None:
    server = Starting(PermissionError("wrong password"))

    with pytest.raises(StoreRefused, match=r"db: refuses: wrong password\. Correct the URL\."):
        await server.wait()

    assert server.attempts == 1


async def test_a_server_that_does_not_come_is_refused_after_the_time() -> None:
    server = Starting(*[ConnectionRefusedError("not yet")] * 9)

    with pytest.raises(StoreRefused, match=r"cannot be used, 0\.15 s after the first attempt: not yet\."):
        await server.wait(timeout=0.15)


# ---------------------------------------------------------------- what the URL says


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db:///x", []),
        ("db://h/x", [("h", None)]),
        ("db://user:p%40ss@h:1,[::1]:2,i/x", [("h", 1), ("::1", 2), ("i", None)]),
        ("db://user@%2Frun%2Fdb/x", [("/run/db", None)]),
    ],
)
def test_hosts_and_ports_are_read(text: str, expected: list[tuple[str, int | None]]) -> None:
    assert hosts_of(StoreURL(text)) == expected


def test_hosts_and_ports_may_be_parameters_too() -> None:
    url = StoreURL("db:///x")

    assert hosts_of(url, hosts="a,b", ports="7") == [("a", 7), ("b", 7)]
    assert hosts_of(url, hosts="a,b", ports="7,8") == [("a", 7), ("b", 8)]


@pytest.mark.parametrize(
    "text", ["db://user:secret/x", "db://user:se@cret@h/x", "db://h:secret,i/x", "db://user:secret@h,,i/x"]
)
def test_hosts_that_can_not_be_read_are_refused_without_a_secret(text: str) -> None:
    with pytest.raises(InvalidStoreURL) as refusal:
        hosts_of(StoreURL(text))

    assert "secret" not in str(refusal.value)
    assert "cret" not in str(refusal.value)


def test_parameters_are_taken_by_the_adapter_and_the_rest_is_left() -> None:
    parameters = Parameters(StoreURL("db://h/x?timeout=2.5&other=a%20b&empty="))

    assert parameters.take_number("timeout", 1, at_least=0.1) == 2.5
    assert parameters.take_number("size", 8, at_least=2) == 8
    assert parameters == {"other": "a b", "empty": ""}


@pytest.mark.parametrize("text", ["0", "x", "", "nan", "inf", "1e9"])
def test_a_parameter_that_is_no_number_or_out_of_range_is_refused(text: str) -> None:
    parameters = Parameters(StoreURL(f"db://h/x?timeout={text}"))

    with pytest.raises(InvalidStoreURL, match=r"The parameter timeout of .* must be a number of at least"):
        parameters.take_number("timeout", 1, at_least=0.1)


def test_parameters_that_can_not_be_read_are_refused() -> None:
    with pytest.raises(InvalidStoreURL, match="cannot be read; write them as"):
        Parameters(StoreURL("db://h/x?timeout"))
