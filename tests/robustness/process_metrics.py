"""Measures what a service holds, to find leaks."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from http_client import Connection, ask
from patience import PATIENCE_SECONDS
from service_process import RunningService

_KEPT = {"threads": min(32, (os.cpu_count() or 1) + 4)}
"""How much more may stay: asyncio starts threads for blocking calls when it needs them, and keeps them."""


class ProcessMetrics(NamedTuple):
    """What a service holds while no other client is connected."""

    requests: int
    streams: int
    tasks: int
    descriptors: int
    threads: int


def figure(text: str, name: str) -> float:
    """Returns the value of a metric without labels, from the text of /metrics."""
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def vitals_of(service: RunningService) -> ProcessMetrics:
    """Returns what the service holds now."""
    text = ask(service.url, "GET", "/metrics").body.decode()
    names = ("tasksvc_requests_in_flight", "tasksvc_feed_streams", "tasksvc_event_loop_tasks", "process_open_fds")
    threads = len(list(Path(f"/proc/{service.process.pid}/task").iterdir()))
    requests, streams, tasks, descriptors = (int(figure(text, name)) for name in names)
    return ProcessMetrics(requests, streams, tasks, descriptors, threads)


def megabytes_of(service: RunningService) -> float:
    """Returns the memory that the service occupies, in MB."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


async def leaked(service: RunningService, before: ProcessMetrics) -> dict[str, tuple[int, int]]:
    """Returns what doesn't return to its value of before, by name: before, and now."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        now = await asyncio.to_thread(vitals_of, service)
        pairs = zip(ProcessMetrics._fields, before, now, strict=True)
        more = {name: (old, new) for name, old, new in pairs if new > old + _KEPT.get(name, 0)}
        if not more or time.monotonic() > end:
            return more
        await asyncio.sleep(0.1)


class LiveClient:
    """A client that writes and reads, from the start of the `async with` block to its end."""

    def __init__(self, port: int, *, pause: float = 0.005) -> None:
        """Prepares a client that rests for `pause` seconds between two requests."""
        self._port, self._pause = port, pause
        self.seconds: list[float] = []
        """The duration of each request, in seconds."""
        self.made: list[int] = []
        """Ids of the tasks that were acknowledged."""

    @property
    def slowest_percent(self) -> float:
        """Returns the 99th percentile, in seconds."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]

    async def __aenter__(self) -> LiveClient:
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._running

    async def _run(self) -> None:
        async with Connection(self._port) as connection:
            while not self._stop.is_set():
                began = time.perf_counter()
                made = await connection.request("POST", "/tasks/", {"description": "live"})
                assert made.status == 201, made
                self.made.append(made.document["id"])
                read = await connection.request("GET", f"/tasks/{self.made[-1]}")
                assert read.status == 200, read
                self.seconds.append((time.perf_counter() - began) / 2)
                await asyncio.sleep(self._pause)
