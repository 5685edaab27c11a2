"""Measures clients that request much and read little of it, or send much and never finish it.

    PYTHONPATH=tests python -m robustness.greedy                          # all kinds, 1,000 clients of each
    PYTHONPATH=tests python -m robustness.greedy --kinds list,head --clients 200
    PYTHONPATH=tests python -m robustness.greedy --megabytes 128          # in a cgroup of that size, as root

Meanwhile another process requests one task again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import NamedTuple

from http_client import ask
from service_process import RunningService

from robustness.cgroup import Cgroup
from robustness.process_metrics import megabytes_of

BATCHES, BATCH_TASKS, TASK_BYTES = 6, 500, 8_000
SEND_SECONDS = 20.0
"""Seconds after which a client sends and reads no more: the service doesn't accept it, or doesn't answer."""
STAY_SECONDS = 10.0
AFTER_SECONDS = 60.0
CLOSED_SECONDS = 0.005
"""Seconds between two requests of the client that others must not delay."""
AT_ONCE = 200
"""The number of clients that connect and send at the same time."""

HEAD = "Host: localhost\r\n"
JSON_HEAD = f"{HEAD}Content-Type: application/json\r\n"


class Kind(NamedTuple):
    """The behaviour of each of many clients."""

    sends: Callable[[int], bytes]
    """Returns the bytes that client number `number` sends."""
    takes: int = 0
    """Bytes of the responses that it reads, at least one unless 0; then it stays connected."""


def _get(target: str, headers: str = "", version: str = "1.1") -> bytes:
    return f"GET {target} HTTP/{version}\r\n{HEAD}{headers}\r\n".encode()


def _headers(count: int, size: int) -> str:
    return "".join(f"X-{number}: {'x' * size}\r\n" for number in range(count))


def _post(target: str, headers: str, body: str) -> bytes:
    return f"POST {target} HTTP/1.1\r\n{JSON_HEAD}{headers}\r\n{body}".encode()


def _stream(more: bytes) -> bytes:
    return _get("/changes/stream") + more


_CHUNKED = "Transfer-Encoding: chunked\r\n"
_SPACES = " " * 2_000_000
_LONG_HEAD = _headers(7, 8_000)

KINDS: dict[str, Kind] = {
    "idle": Kind(lambda number: b""),
    "asset": Kind(lambda number: _get("/docs/assets/redoc.js")),
    "page": Kind(lambda number: _get(f"/tasks/?limit={100 + number % 900}")),
    "page-1.0": Kind(lambda number: _get(f"/tasks/?limit={100 + number % 900}", version="1.0")),
    "page-tail": Kind(lambda number: _get(f"/tasks/?limit={200 + number % 800}"), 650_000),
    "list": Kind(lambda number: _get("/tasks/")),
    "lines": Kind(lambda number: _get("/tasks/", "Accept: application/x-ndjson\r\n")),
    "changes": Kind(lambda number: _get(f"/changes?since=0&limit={100 + number % 900}")),
    "stream": Kind(lambda number: _get("/changes/stream?since=0")),
    "small-answers": Kind(lambda number: _get(f"/tasks/{number + 1}") * 300),
    "answer-then-idle": Kind(lambda number: _get(f"/tasks/?limit=7&priority_min={number % 2}"), 1),
    "head": Kind(lambda number: f"GET /tasks/ HTTP/1.1\r\n{HEAD}{_headers(120, 8_000)}".encode()),
    "long-head-then-idle": Kind(lambda number: _get("/tasks/1", _LONG_HEAD), 1),
    "body": Kind(lambda number: _post("/tasks/", "Content-Length: 260000\r\n", _SPACES[:250_000])),
    "batch": Kind(lambda number: _post("/tasks/batch", "Content-Length: 8000000\r\n", _SPACES)),
    "chunked-batch": Kind(lambda number: _post("/tasks/batch", _CHUNKED, f"7A1200\r\n{_SPACES}")),
    "chunk-extension": Kind(lambda number: _post("/tasks/batch", _CHUNKED, f"1;{_SPACES}")),
    "trailers": Kind(lambda number: _post("/tasks/batch", _CHUNKED, f"1\r\n \r\n0\r\n{_headers(120, 8_000)}")),
    "batch-then-idle": Kind(lambda number: _post("/tasks/batch", "Content-Length: 2000000\r\n", _SPACES), 1),
    "body-then-idle": Kind(lambda number: _post("/tasks/", "Content-Length: 250000\r\n", _SPACES[:250_000]), 1),
    "refused-body": Kind(lambda number: _post("/nowhere", "Content-Length: 8000000\r\n", _SPACES)),
    "stream-and-requests": Kind(lambda number: _stream(_get("/tasks/1") * 2_000)),
    "stream-and-heads": Kind(lambda number: _stream(_get("/tasks/1", _LONG_HEAD) * 10)),
    "upgrade": Kind(lambda number: _stream(_get("/tasks/1", "Connection: upgrade\r\nUpgrade: x\r\n") + b"x" * 500_000)),
}


def fill(service: RunningService) -> None:
    """Creates tasks that are larger together than the service's cache."""
    batch = [{"op": "create", "task": {"description": "x" * TASK_BYTES}} for _ in range(BATCH_TASKS)]
    for _ in range(BATCHES):
        assert ask(service.url, "POST", "/tasks/batch", batch).status == 200


async def play(port: int, kind: Kind, number: int, connections: list[socket.socket], seconds: float) -> None:
    """Does what the client `number` does, for `seconds`, and leaves its connection open in `connections`."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connections.append(connection)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            await loop.sock_connect(connection, ("127.0.0.1", port))
            await loop.sock_sendall(connection, kind.sends(number))
            taken = 0
            while taken < kind.takes and (data := await loop.sock_recv(connection, 2**16)):
                taken += len(data)


async def play_all(port: int, kind: Kind, clients: int, seconds: float = SEND_SECONDS) -> list[socket.socket]:
    """Returns the connections of `clients` clients, when each has finished or is out of time."""
    connections: list[socket.socket] = []
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with slots:
            await play(port, kind, number, connections, seconds)

    try:
        await asyncio.gather(*map(one, range(clients)))
    except BaseException:
        close(connections)
        raise
    return connections


def close(connections: list[socket.socket]) -> None:
    """Closes all of the connections."""
    for connection in connections:
        connection.close()


@contextlib.contextmanager
def clients(port: int, kind: Kind, count: int, seconds: float) -> Iterator[list[socket.socket]]:
    """Connects `count` clients, which stay connected; each sends and reads for at most `seconds`."""
    connections = asyncio.run(play_all(port, kind, count, seconds))
    try:
        yield connections
    finally:
        close(connections)


# ------------------------------------------------------------ measuring


def _ask_again_and_again(port: int, pipe: Pipe) -> None:
    """Requests a task until `pipe` says to end, and sends how many seconds each request took."""
    seconds = []
    connection = None
    request = _get("/tasks/1")
    while not pipe.poll():
        began = time.perf_counter()
        try:
            connection = connection or socket.create_connection(("127.0.0.1", port), timeout=60)
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"}\n"):
                answer += (data := connection.recv(2**16))
                assert data, answer
            assert b" 200 " in answer[:20], answer
        except (OSError, AssertionError) as error:
            sys.stdout.write(f"      the other client: {error!r:.200}\n")
            connection = None
            time.sleep(0.1)
        seconds.append(time.perf_counter() - began)
        time.sleep(CLOSED_SECONDS)
    pipe.send(seconds)


class _Peak:
    """The most memory that a service has occupied since the start of the `async with` block."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self.megabytes = megabytes_of(service)

    async def __aenter__(self) -> _Peak:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            self.megabytes = max(self.megabytes, megabytes_of(self._service))
            await asyncio.sleep(0.02)


async def measure(service: RunningService, name: str, count: int, after_seconds: float) -> str:
    """Returns a line about `count` clients of a kind."""
    before = megabytes_of(service)
    here, there = multiprocessing.Pipe()
    other = multiprocessing.Process(target=_ask_again_and_again, args=(service.port, there))
    other.start()
    async with _Peak(service) as peak:
        connections = await play_all(service.port, KINDS[name], count)
        await asyncio.sleep(STAY_SECONDS)
    during = megabytes_of(service)
    here.send(None)
    seconds = sorted(await asyncio.to_thread(here.recv))
    other.join()
    close(connections)
    await asyncio.sleep(after_seconds)
    after = megabytes_of(service)
    slowest = seconds[len(seconds) * 99 // 100] * 1000
    return (
        f"{name:20} before {before:4.0f}  peak +{peak.megabytes - before:4.0f}  there +{during - before:4.0f}"
        f"  after +{after - before:4.0f} MB"
        f"   99% {slowest:6.1f} ms  max {seconds[-1] * 1000:6.0f} ms of {len(seconds)}\n"
    )


def main() -> None:
    """Measures each kind on a separate service, and prints a line about it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--after", type=float, default=AFTER_SECONDS, metavar="SECONDS")
    parser.add_argument("--megabytes", type=int)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in arguments.kinds.split(","):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tasksvc-greedy-")))
            before: list[str] = []
            if arguments.megabytes is not None:
                before = stack.enter_context(Cgroup(arguments.megabytes * 2**20)).command
            service = stack.enter_context(
                RunningService("--store", "sqlite:///tasks.db", "--log-format", "none", folder=folder, before=before)
            )
            fill(service)
            sys.stdout.write(asyncio.run(measure(service, name, arguments.clients, arguments.after)))
            sys.stdout.flush()
            if service.process.poll() is not None:
                sys.exit(f"The service has ended with {service.process.returncode}: {service.output}")


if __name__ == "__main__":
    main()
