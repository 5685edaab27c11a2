"""Measures how long it takes until every client that follows the changes has received one.

    python benchmarks/fanout.py                    # 1,000 streams, 100 changes, about ten seconds
    python benchmarks/fanout.py --streams 5000
    python benchmarks/fanout.py --postgresql URL   # changes go to one replica, and streams come from another

The servers run on one core and all clients on another. A delay is the time from sending the request that creates a task
until a stream's event of it has been received.
"""

from __future__ import annotations

import argparse
import os
import resource
import selectors
import shlex
import socket
import time
from contextlib import ExitStack

from run import TARGETS, TASKSVC, Server, Target, _on_load_core, in_schema

SETTLE_SECONDS = 1.0


def main() -> None:
    """Measures all delays and prints their quantiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--postgresql", default="", help="a store URL without ?schema=")
    settings = parser.parse_args()
    target = TARGETS[TASKSVC]
    if settings.postgresql:
        url = in_schema(settings.postgresql, f"fanout_{os.getpid()}")
        target = Target(f"{{python}} -m tasksvc --port {{port}} --store {shlex.quote(url)}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        server = stack.enter_context(Server("tasksvc", target, ""))
        writer = stack.enter_context(Server("tasksvc", target, "")) if settings.postgresql else server
        _on_load_core()
        alone = server.memory()
        streams, selector = open_streams(server.port, settings.streams)
        time.sleep(SETTLE_SECONDS)
        memory = server.memory() - alone
        began = server.cpu()
        rounds = [one_change(writer.port, selector, number) for number in range(settings.changes)]
        busy = server.cpu() - began
        for stream in streams:
            stream.close()
    delays = sorted(delay for delays in rounds for delay in delays)
    last = sorted(max(delays) for delays in rounds)
    print(f"{settings.streams:,} streams, {settings.changes} changes, in milliseconds:")
    print(f"  a stream sees a change after  median {show(delays, 0.5)}, 99 % {show(delays, 0.99)}")
    print(f"  the last one sees it after    median {show(last, 0.5)}, at most {show(last, 1.0)}")
    print(f"  processor time of the server for an event of one stream: {busy / len(delays) * 1e6:.1f} microseconds")
    print(f"  memory of a stream: {memory / settings.streams * 1024:.1f} kB")


def show(delays: list[float], share: float) -> str:
    """Returns a quantile of sorted seconds, in milliseconds."""
    return f"{delays[min(int(len(delays) * share), len(delays) - 1)] * 1000:.1f}"


def open_streams(port: int, count: int) -> tuple[list[socket.socket], selectors.BaseSelector]:
    """Opens streams, waits until they have begun, and returns what reads their events."""
    selector = selectors.DefaultSelector()
    streams = []
    for _ in range(count):
        stream = socket.create_connection(("127.0.0.1", port))
        stream.sendall(b"GET /changes/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while b"retry:" not in received:
            received += stream.recv(4_096)
        stream.setblocking(False)
        selector.register(stream, selectors.EVENT_READ)
        streams.append(stream)
    return streams, selector


def one_change(port: int, selector: selectors.BaseSelector, number: int) -> list[float]:
    """Creates a task and returns the delay of each stream."""
    body = b'{"description": "change %d"}' % number
    head = b"POST /tasks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as writer:
        sent = time.perf_counter()
        writer.sendall(head % len(body) + body)
        waiting = {key.fileobj for key in selector.get_map().values()}
        delays = []
        while waiting:
            for key, _ in selector.select(timeout=30):
                stream = key.fileobj
                assert isinstance(stream, socket.socket)
                if b"change %d" % number in stream.recv(65_536) and stream in waiting:
                    delays.append(time.perf_counter() - sent)
                    waiting.discard(stream)
    return delays


if __name__ == "__main__":
    main()
