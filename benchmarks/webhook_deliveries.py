"""Measures what webhooks cost a service, and how soon changes arrive while half of the targets are dead.

    python benchmarks/webhook_deliveries.py                   # 10 pairs in two minutes, then dead targets
    python benchmarks/webhook_deliveries.py --pairs 0         # dead targets alone
    python benchmarks/webhook_deliveries.py --changes 0       # pairs alone

Two servers run on one core, one of them with active webhooks, and all clients and targets on another. They are measured
in turn, and the other one is stopped meanwhile. All webhooks get every change, so there are many more deliveries than
one process can send, and they fall behind. The ratios are those of each pair. Delays are from the time of the change to
that at which a target has its message.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import NamedTuple

from run import Server, Target, _on_load_core, machine

SETTLE_SECONDS = 1.0
"""Seconds in which a server that was stopped does what was due meanwhile."""
CONNECTIONS = 32
BODY = b'{"description": "buy milk"}'
CREATE = (
    b"POST /tasks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
COMMAND = "{python} -m tasksvc --port {port} --store sqlite:///{file} --webhook-allow 127.0.0.0/8 --log-format none"


class Measured(NamedTuple):
    """What was measured of one server."""

    p50: float
    """The median of the seconds that a create takes, at the rate that was asked for."""
    p99: float
    full: float
    """Creates a second on all connections at once."""


class Targets:
    """A server to which messages are sent; paths that begin with /dead are never answered."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.messages = 0
        self.port = 0

    async def start(self) -> None:
        """Listens on a free port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2_000)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST /dead"):
                    await reader.read()
                    return
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                body = await reader.readexactly(length)
                self.messages += 1
                at = datetime.fromisoformat(json.loads(body)["at"]).timestamp()
                self.delays.append(time.time() - at)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Client:
    """Connections that create tasks."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def connect(self) -> None:
        """Opens all connections to the server."""
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(await asyncio.open_connection("127.0.0.1", self.server.port))

    async def create(self) -> None:
        """Creates a task on a connection that is idle."""
        connection = reader, writer = await self._idle.get()
        writer.write(CREATE)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201"), head
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
        self._idle.put_nowait(connection)

    async def paced(self, rate: float, seconds: float) -> list[float]:
        """Creates `rate` tasks a second, however long they take, and returns the seconds of each."""
        took: list[float] = []

        async def timed(due: float) -> None:
            await self.create()
            took.append(time.perf_counter() - due)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                if (left := due - time.perf_counter()) > 0:
                    await asyncio.sleep(left)
                group.create_task(timed(due))
        return took

    async def full(self, seconds: float) -> float:
        """Returns how many tasks a second are created on all connections."""
        end, done = time.perf_counter() + seconds, 0

        async def create() -> None:
            nonlocal done
            while time.perf_counter() < end:
                await self.create()
                done += 1

        began = time.perf_counter()
        await asyncio.gather(*(create() for _ in range(CONNECTIONS)))
        return done / (time.perf_counter() - began)

    async def measure(self, rate: float, seconds: float) -> Measured:
        """Measures latencies and the rate once."""
        took = sorted(await self.paced(rate, seconds))
        return Measured(took[len(took) // 2], took[len(took) * 99 // 100], await self.full(seconds / 2))


def add_webhooks(server: Server, targets: Targets, paths: Sequence[str]) -> None:
    """Creates a webhook for each of these paths of the targets."""
    for path in paths:
        status, answer = server.call("POST", "/webhooks/", {"url": f"http://127.0.0.1:{targets.port}/{path}"})
        assert status == 201, answer


def percentile(values: Sequence[float], part: float) -> float:
    """Returns the value below which this part of the values is."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def shown(ratios: Sequence[float]) -> str:
    """Returns the median of some ratios and their range."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


async def measure_pairs(settings: argparse.Namespace) -> None:
    """Measures a server with webhooks beside one without, and prints a table."""
    targets = Targets()
    await targets.start()
    with ExitStack() as stack:
        servers = [stack.enter_context(Server("tasksvc", Target(COMMAND), "")) for _ in range(2)]
        _on_load_core()
        await asyncio.to_thread(add_webhooks, servers[0], targets, [f"t{n}" for n in range(settings.webhooks)])
        clients = [Client(server) for server in servers]
        for client in clients:
            await client.connect()
        pairs, began = [], time.perf_counter()
        for number in range(settings.pairs):
            measured: dict[bool, Measured] = {}
            for client in clients if number % 2 else reversed(clients):
                (other,) = {*clients} - {client}
                os.kill(other.server.process.pid, signal.SIGSTOP)
                await asyncio.sleep(SETTLE_SECONDS)
                measured[client is clients[0]] = await client.measure(settings.rate, settings.seconds)
                os.kill(other.server.process.pid, signal.SIGCONT)
                await asyncio.sleep(SETTLE_SECONDS)
            pairs.append((measured[True], measured[False]))
        sent = targets.messages / (time.perf_counter() - began)
    print(f"{settings.webhooks} webhooks that get every create; {len(pairs)} pairs; {sent:,.0f} messages a second.\n")
    print("| | ratio | with webhooks | without |\n|---|---|---|---|")
    for name, field, unit in (
        (f"p50 of a create in ms, {settings.rate:g} a second", "p50", 1e3),
        (f"p99 of a create in ms, {settings.rate:g} a second", "p99", 1e3),
        ("creates a second at full load", "full", 1),
    ):
        both = [(getattr(first, field), getattr(second, field)) for first, second in pairs]
        middles = [statistics.median(values) * unit for values in zip(*both, strict=True)]
        print(f"| {name} | {shown([first / second for first, second in both])} | {middles[0]:.2f} | {middles[1]:.2f} |")


async def measure_dead(settings: argparse.Namespace) -> None:
    """Measures the delays of living targets beside dead ones, and prints them."""
    targets = Targets()
    await targets.start()
    with Server("tasksvc", Target(COMMAND), "") as server:
        _on_load_core()
        paths = [f"{'dead' if number % 2 else 't'}{number}" for number in range(settings.many)]
        await asyncio.to_thread(add_webhooks, server, targets, paths)
        await asyncio.sleep(2 * SETTLE_SECONDS)
        firsts, alive = 0, settings.many // 2
        for number in range(settings.changes):
            began = time.monotonic()
            await asyncio.to_thread(server.call, "POST", "/tasks/", {"description": "buy milk"})
            await asyncio.sleep(max(0.0, settings.every - (time.monotonic() - began)))
            if number == 0:
                firsts = len(targets.delays)
        end = time.monotonic() + 60
        while targets.messages < alive * settings.changes and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        memory = server.memory()
    delays = targets.delays
    print(
        f"\n{settings.many:,} webhooks of which half never answer, {settings.changes} changes, one every"
        f" {settings.every:g} s: {len(delays):,} of {alive * settings.changes:,} messages arrived; p50"
        f" {percentile(delays, 0.5):.2f} s, p99 {percentile(delays, 0.99):.2f} s, at most {max(delays):.2f} s; of the"
        f" first change p99 {percentile(delays[: firsts or 1], 0.99):.2f} s; memory {memory:.0f} MB."
    )


def main() -> None:
    """Measures both, and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of a measure of a pair")
    parser.add_argument("--rate", type=float, default=300.0, help="creates a second for the p99")
    parser.add_argument("--webhooks", type=int, default=10)
    parser.add_argument("--many", type=int, default=1_000, help="webhooks of which half are dead")
    parser.add_argument("--changes", type=int, default=20, help="changes that all of these get")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two of these changes")
    settings = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{machine()}.\n", flush=True)
    if settings.pairs:
        asyncio.run(measure_pairs(settings))
        sys.stdout.flush()
    if settings.changes:
        asyncio.run(measure_dead(settings))


if __name__ == "__main__":
    main()
