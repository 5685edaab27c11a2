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
from operator import add
from typing import Any, Literal, TextIO

from aiohttp import hdrs, web

from tasksvc.api.proxies import Proxies
from tasksvc.api.redaction import redacted
from tasksvc.background_stream import in_background

LogFormat = Literal["text", "json"]
FLUSH_SECONDS = 0.25
FLUSH_LINES = 256
"""So that putting them together never holds up anybody for long."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of durations, in seconds."""

MAPPED = "::ffff:"
"""How the system shows an IPv4 address where a socket takes IPv6 as well."""

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


Seen = tuple[float, str, str | None, str, str, str, int, float]
"""A request that was answered: when, its id, from where, the caller, method, path, status, and seconds that it took."""


class RequestLog:
    """Writes a line for each request, a batch at a time, and never waits for it."""

    def __init__(self, form: LogFormat, stream: TextIO | None = None) -> None:
        """`stream`: standard error where none is given."""
        self._show = _as_json if form == "json" else _as_text
        self._stream = in_background(stream or sys.stderr, LogFormatter(form).note)
        self._waiting: list[Seen] = []

    def add(self, seen: Seen) -> None:
        """Takes in a request, which is written within FLUSH_SECONDS."""
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        waiting.append(seen)
        if len(waiting) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what was taken."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._stream.write("".join([self._show(*seen) for seen in waiting]))


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
    at: float, name: str, remote: str | None, caller: str, method: str, path: str, status: int, seconds: float
) -> str:
    path = redacted(path)
    if not path.isascii():  # and what is, has no control characters: HTTP's parser refuses them
        path = ascii(path)
    return f"{_time(at)} INFO {method} {path} {status} {seconds * 1000:.1f}ms {remote} {caller} [{name}]\n"


def _as_json(
    at: float, name: str, remote: str | None, caller: str, method: str, path: str, status: int, seconds: float
) -> str:
    line = {
        "level": "INFO",
        "at": _time(at),
        "request_id": name,
        "remote": remote,
        "caller": caller,
        "method": method,
        "path": redacted(path),
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
        """One record, with the id of the request that it belongs to, and in JSON what it has as `fields`."""
        try:
            message = record.getMessage()
        except Exception as error:  # the arguments don't fit the text
            message = f"{record.msg!r} could not be put together with {record.args!r}: {error!r}"
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        if self._form == "json":
            line = {
                "level": record.levelname,
                "at": _time(record.created),
                "request_id": request_id.get(),
                "logger": record.name,
                "message": message,
                **getattr(record, "fields", {}),
            }
            return json.dumps(line)
        return f"{_time(record.created)} {record.levelname} {record.name}: {message} [{request_id.get()}]"

    def note(self, lost: int) -> str:
        """The line in place of `lost` lines that could not be written."""
        message = "Lines of this log that could not be written: %d"
        record = logging.LogRecord("tasksvc", logging.WARNING, __file__, 0, message, (lost,), None)
        in_nobodys_name = contextvars.Context()  # and not in that of a request that is answered meanwhile
        return in_nobodys_name.run(self.format, record) + "\n"


class Durations:
    """How long some requests took."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        """How many took as long as each of BUCKETS, and longer than all."""
        self.seconds = 0.0
        """All together."""


class Figures:
    """Counts and durations of the requests."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, int], Durations] = defaultdict(Durations)
        """By route, method and status."""
        self.store_errors: Counter[str] = Counter()
        """By kind."""

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Takes in one request."""
        durations = self.requests[route, method, status]
        durations.buckets[bisect_left(BUCKETS, seconds)] += 1
        durations.seconds += seconds

    def by_route(self) -> dict[tuple[str, str], Durations]:
        """By route and method, whatever the status."""
        found: defaultdict[tuple[str, str], Durations] = defaultdict(Durations)
        for (route, method, _), durations in self.requests.items():
            total = found[route, method]
            total.buckets = list(map(add, total.buckets, durations.buckets))
            total.seconds += durations.seconds
        return found


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
            remote = (
                request.remote if self._proxies is None else self._proxies.client_of(request.remote, request.headers)
            )
            if remote is not None and remote.startswith(MAPPED):
                remote = remote[len(MAPPED) :]
            self._log.add((time.time(), name, remote, caller, method, request.raw_path, status, seconds))

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
            for (route, method, status), durations in figures.requests.items():
                requests.add_metric([route, method, str(status)], sum(durations.buckets))
            yield requests
            seconds = HistogramMetricFamily(
                "tasksvc_request_seconds", "How long requests took.", labels=["route", "method"]
            )
            bounds = [*map(str, BUCKETS), "+Inf"]
            for key, durations in figures.by_route().items():
                totals = list(zip(bounds, itertools.accumulate(durations.buckets), strict=True))
                seconds.add_metric(list(key), totals, durations.seconds)
            yield seconds
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
