"""What is seen of the requests: a line for each in the log, and figures over all of them.

Both cost little: a line is put together when a batch of them is written, and the figures are plain
numbers until somebody asks for them.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
import logging
import os
import re
import sys
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import Any, Literal, TextIO

from aiohttp import hdrs, web

from tasksvc.api.proxies import Proxies

LogFormat = Literal["text", "json"]
FLUSH_SECONDS = 0.25
FLUSH_LINES = 256
"""So that putting them together never holds up anybody for long."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of durations, in seconds."""

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
"""Of the request that is being answered; in every log line that is written meanwhile."""

_GIVEN_ID = re.compile(r"[\x21-\x7e]{1,128}").fullmatch
_id_prefix = os.urandom(6).hex()
_next_id = itertools.count(1).__next__


def id_for(request: web.BaseRequest) -> str:
    """The X-Request-ID that came, if it can be used, or a new one."""
    given = request.headers.get("X-Request-ID")
    if given is not None and _GIVEN_ID(given):
        return given
    return f"{_id_prefix}-{_next_id():x}"


class RequestLog:
    """Writes a line for each request, a batch at a time."""

    def __init__(self, form: LogFormat, stream: TextIO | None = None) -> None:
        self._show = _as_json if form == "json" else _as_text
        self._stream = stream or sys.stderr
        self._lines: list[str] = []
        self._lost = 0

    def add(
        self, name: str, remote: str | None, caller: str, method: str, path: str, status: int, seconds: float
    ) -> None:
        """A request that was answered just now, `name` being its id; it is written within FLUSH_SECONDS."""
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(self._show(_time(time.time()), name, remote, caller, method, path, status, seconds))
        if len(self._lines) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what was taken.  A log that cannot be written is no reason to fail the requests that are in it."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        text = "".join(lines)
        if self._lost:
            text = f"{_time(time.time())} WARNING {self._lost} lines of this log could not be written\n{text}"
        try:
            self._stream.write(text)
            self._stream.flush()
            self._lost = 0
        except (OSError, ValueError):  # a full disk, a pipe that nobody reads, a stream that is closed
            self._lost += len(lines)


_second = 0
_time_of_second = ""


def _time(at: float) -> str:
    """RFC 3339, in UTC, with milliseconds.  All but those is the same for a second, so it is kept."""
    global _second, _time_of_second
    second = int(at)
    if second != _second:
        _second, _time_of_second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{_time_of_second}.{int((at - second) * 1000):03d}Z"


def _as_text(
    at: str, name: str, remote: str | None, caller: str, method: str, path: str, status: int, seconds: float
) -> str:
    if not path.isascii():  # and what is, has no control characters: HTTP's parser refuses them
        path = ascii(path)
    return f"{at} INFO {method} {path} {status} {seconds * 1000:.1f}ms {remote} {caller} [{name}]\n"


def _as_json(
    at: str, name: str, remote: str | None, caller: str, method: str, path: str, status: int, seconds: float
) -> str:
    line = {
        "level": "INFO",
        "at": at,
        "request_id": name,
        "remote": remote,
        "caller": caller,
        "method": method,
        "path": path,
        "status": status,
        "ms": round(seconds * 1000, 3),
    }
    return json.dumps(line) + "\n"


class LogFormatter(logging.Formatter):
    """The form of all other lines of the log, which fits that of the requests."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """One record, with the id of the request that it belongs to."""
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        if self._form == "json":
            data = {"level": record.levelname, "at": _time(record.created), "request_id": request_id.get()}
            return json.dumps({**data, "logger": record.name, "message": message})
        return f"{_time(record.created)} {record.levelname} {record.name}: {message} [{request_id.get()}]"


class Figures:
    """Counts and durations of the requests."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """By route, method and status."""
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        """By route and method."""
        self.buckets: dict[tuple[str, str], list[int]] = {}
        """By route and method: how many took as long as each of BUCKETS, and longer than all."""
        self.store_errors: Counter[str] = Counter()
        """By kind."""

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Takes in one request."""
        key = route, method
        self.requests[route, method, status] += 1
        self.seconds[key] += seconds
        buckets = self.buckets.get(key)
        if buckets is None:
            buckets = self.buckets[key] = [0] * (len(BUCKETS) + 1)
        buckets[bisect_left(BUCKETS, seconds)] += 1


class Observer:
    """Sees every request."""

    def __init__(self, log: RequestLog | None, proxies: Proxies | None) -> None:
        self.figures = Figures()
        self._log, self._proxies = log, proxies

    def saw(self, request: web.BaseRequest, route: str, status: int, seconds: float, name: str, caller: str) -> None:
        """Takes in one request that was answered."""
        method = request.method
        self.figures.count(route, method if method in hdrs.METH_ALL else "OTHER", status, seconds)
        if self._log is not None:
            remote = request.remote if self._proxies is None else self._proxies.client_of(request)
            self._log.add(name, remote, caller, method, request.raw_path, status, seconds)

    def close(self) -> None:
        """Writes what is left."""
        if self._log is not None:
            self._log.flush()


def exposition(figures: Figures, gauges: dict[str, tuple[str, float]]) -> tuple[bytes, str]:
    """The figures as Prometheus reads them, and the content type.  `gauges`: help and value by name."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    class Collector:
        def collect(self) -> Any:
            requests = CounterMetricFamily(
                "tasksvc_requests", "Requests that were answered.", labels=["route", "method", "status"]
            )
            for (route, method, status), count in figures.requests.items():
                requests.add_metric([route, method, str(status)], count)
            yield requests
            durations = HistogramMetricFamily(
                "tasksvc_request_seconds", "How long requests took.", labels=["route", "method"]
            )
            for key, buckets in figures.buckets.items():
                bounds = [*map(str, BUCKETS), "+Inf"]
                totals = list(zip(bounds, itertools.accumulate(buckets), strict=True))
                durations.add_metric(list(key), totals, figures.seconds[key])
            yield durations
            errors = CounterMetricFamily("tasksvc_store_errors", "Errors of the store.", labels=["kind"])
            for kind, count in figures.store_errors.items():
                errors.add_metric([kind], count)
            yield errors
            for name, (text, value) in gauges.items():
                yield GaugeMetricFamily(f"tasksvc_{name}", text, value)

    registry = CollectorRegistry()
    registry.register(Collector())
    ProcessCollector(registry=registry)  # memory, descriptors and processor time, where the system tells
    return generate_latest(registry), CONTENT_TYPE_LATEST
