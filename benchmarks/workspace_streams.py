"""Measures what thousands of streams cost that each follow another workspace, beside one stream.

    python benchmarks/workspace_streams.py                  # 10,000 streams, 20 pairs, about two minutes
    python benchmarks/workspace_streams.py --store memory://
    python benchmarks/workspace_streams.py --streams 1000 --pairs 5

Two servers run on one core, one with a stream of each workspace and one with a single stream, and all clients on
another. They are measured in turn, and the other one is stopped meanwhile. A delay is the time from sending the request
that creates a task until the stream of its workspace has received the event. The ratios are those of each pair.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import selectors
import signal
import socket
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

from run import Server, Target, _on_load_core, machine

SETTLE_SECONDS = 1.0
"""Seconds in which a server that was stopped does what was due meanwhile."""
CONNECTIONS = 32
"""Connections on which tasks are created at once."""
PATIENCE_SECONDS = 30.0


class Measured(NamedTuple):
    """What was measured of one server."""

    delay: float
    """The median delay, in seconds."""
    to_one: float
    """Tasks a second that were created in one workspace, which somebody follows."""
    to_all: float
    """Tasks a second that were created in all workspaces of the server's streams in turn."""
    processor: float
    """Processor time of the server for each task that was created in one workspace, in seconds."""


@dataclass
class Client:
    """The streams of one server, and the connections that write to it."""

    server: Server
    streams: list[socket.socket]
    """The stream of each workspace, by its number."""
    writers: list[socket.socket]
    selector: selectors.BaseSelector

    def create(self, writer: socket.socket, workspace: int) -> None:
        """Sends a request that creates a task."""
        body = b'{"description": "buy milk"}'
        writer.sendall(
            b"POST /workspaces/u_%d/tasks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (workspace, len(body), body)
        )

    def delay(self, workspace: int) -> float:
        """Creates a task, and returns the seconds until the stream of its workspace has the event."""
        writer, stream = self.writers[0], self.streams[workspace]
        waiting = {writer: b"HTTP/1.1 201", stream: b'"type":"created"'}
        sent = received = time.perf_counter()
        self.create(writer, workspace)
        while waiting:
            for connection, data in self.ready():
                if connection in waiting and waiting[connection] in data:
                    del waiting[connection]
                    if connection is stream:
                        received = time.perf_counter()
        return received - sent

    def rate(self, seconds: float, workspaces: int) -> float:
        """Creates tasks in that number of `workspaces` on all connections at once, and returns how many a second."""
        began = time.perf_counter()
        idle, done = list(self.writers), 0
        while True:
            now = time.perf_counter()
            if now - began < seconds:
                for writer in idle:
                    self.create(writer, random.randrange(workspaces))
                idle.clear()
            elif len(idle) == len(self.writers):
                return done / (now - began)
            for connection, data in self.ready():
                if connection in self.writers:
                    assert data.startswith(b"HTTP/1.1 201"), data
                    idle.append(connection)
                    done += 1

    def ready(self) -> list[tuple[socket.socket, bytes]]:
        """Returns the connections that have received something, each with the data."""
        found = []
        for key, _ in self.selector.select(PATIENCE_SECONDS):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            found.append((connection, data := connection.recv(1 << 20)))
            assert data, "The server has closed a connection."
        return found

    def measure(self, delays: int, seconds: float) -> Measured:
        """Measures delays and rates once."""
        workspaces = len(self.streams)
        delay = statistics.median(self.delay(random.randrange(workspaces)) for _ in range(delays))
        began = self.server.cpu()
        to_one = self.rate(seconds, 1)
        processor = (self.server.cpu() - began) / (to_one * seconds)
        return Measured(delay, to_one, self.rate(seconds, workspaces), processor)


def connect(server: Server, streams: int) -> Client:
    """Opens a stream of each of that number of workspaces, which each have a task, and the writers' connections."""
    selector = selectors.DefaultSelector()
    maker = socket.create_connection(("127.0.0.1", server.port))
    client = Client(server, [], [maker], selector)
    for number in range(streams):
        client.create(maker, number)
        assert maker.recv(65_536).startswith(b"HTTP/1.1 201")
        stream = socket.create_connection(("127.0.0.1", server.port))
        stream.sendall(b"GET /workspaces/u_%d/changes/stream HTTP/1.1\r\nHost: localhost\r\n\r\n" % number)
        received = b""
        while b"id: " not in received:
            received += stream.recv(4_096)
        client.streams.append(stream)
    # Later, since the server closes a connection that sends nothing at first.
    client.writers += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(CONNECTIONS - 1)]
    for connection in (*client.streams, *client.writers):
        selector.register(connection, selectors.EVENT_READ)
    return client


def shown(ratios: list[float]) -> str:
    """Returns the median of some ratios and their range."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Measures pairs and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="sqlite:///{file}", help="a store URL; {file} is the path of a new file")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--delays", type=int, default=50, help="tasks of a pair whose delay is measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of a pair in which a rate is measured")
    settings = parser.parse_args()
    target = Target(f"{{python}} -m tasksvc --port {{port}} --streams {settings.streams} --store {settings.store}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        servers = [stack.enter_context(Server("tasksvc", target, "")) for _ in range(2)]
        _on_load_core()
        alone = servers[0].memory()
        many, one = connect(servers[0], settings.streams), connect(servers[1], 1)
        memory = servers[0].memory() - alone
        pairs = []
        for number in range(settings.pairs):
            measured = {}
            for client, other in ((many, one), (one, many)) if number % 2 else ((one, many), (many, one)):
                os.kill(other.server.process.pid, signal.SIGSTOP)
                time.sleep(SETTLE_SECONDS)
                measured[client is many] = client.measure(settings.delays, settings.seconds)
                os.kill(other.server.process.pid, signal.SIGCONT)
                time.sleep(SETTLE_SECONDS)
            pairs.append((measured[True], measured[False]))
    print(f"{machine()}; {settings.streams:,} streams on as many workspaces beside one stream; {len(pairs)} pairs.\n")
    print("| | ratio | beside many | beside one |\n|---|---|---|---|")
    for name, field, unit in (
        ("time from a create until its stream has it", "delay", 1e3),
        ("creates a second in one workspace", "to_one", 1),
        ("processor time of such a create", "processor", 1e6),
        ("creates a second in all workspaces that are followed", "to_all", 1),
    ):
        both = [(getattr(many_streams, field), getattr(one_stream, field)) for many_streams, one_stream in pairs]
        middles = [statistics.median(values) * unit for values in zip(*both, strict=True)]
        print(f"| {name} | {shown([first / second for first, second in both])} | {middles[0]:.2f} | {middles[1]:.2f} |")
    print(f"\nMemory of a stream with its workspace: {memory / settings.streams * 1024:.1f} kB.")


if __name__ == "__main__":
    main()
