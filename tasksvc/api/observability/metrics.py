"""Metrics of requests, in the text format of Prometheus."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import add
from typing import Any

from tasksvc.api.plugins.extensions import Metric

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of durations, in seconds."""


class Histogram:
    """How long some requests took."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        """Requests by the first of BUCKETS that they didn't exceed; the last element counts those that exceeded all."""
        self.seconds = 0.0
        """Seconds of all requests together."""


class Metrics:
    """Counts and durations of the requests."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, int], Histogram] = defaultdict(Histogram)
        """Requests by route, method and status."""
        self.store_errors: Counter[str] = Counter()
        """Errors of the store by the names of their classes."""

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Takes in one request."""
        durations = self.requests[route, method, status]
        durations.buckets[bisect_left(BUCKETS, seconds)] += 1
        durations.seconds += seconds

    def by_route(self) -> dict[tuple[str, str], Histogram]:
        """Durations by route and method, whatever the status."""
        found: defaultdict[tuple[str, str], Histogram] = defaultdict(Histogram)
        for (route, method, _), durations in self.requests.items():
            total = found[route, method]
            total.buckets = list(map(add, total.buckets, durations.buckets))
            total.seconds += durations.seconds
        return found


def render_prometheus(
    metrics: Metrics, gauges: dict[str, tuple[str, float]], of_plugins: Sequence[Metric]
) -> tuple[bytes, str]:
    """Returns the metrics as Prometheus reads them, and the content type.  `gauges`: help and value by name."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    class Collector:
        def collect(self) -> Any:
            requests = CounterMetricFamily(
                "tasksvc_requests", "Requests that were answered.", labels=["route", "method", "status"]
            )
            for (route, method, status), durations in metrics.requests.items():
                requests.add_metric([route, method, str(status)], sum(durations.buckets))
            yield requests
            seconds = HistogramMetricFamily(
                "tasksvc_request_seconds", "How long requests took.", labels=["route", "method"]
            )
            bounds = [*map(str, BUCKETS), "+Inf"]
            for key, durations in metrics.by_route().items():
                totals = list(zip(bounds, itertools.accumulate(durations.buckets), strict=True))
                seconds.add_metric(list(key), totals, durations.seconds)
            yield seconds
            errors = CounterMetricFamily("tasksvc_store_errors", "Errors of the store.", labels=["kind"])
            for kind, count in metrics.store_errors.items():
                errors.add_metric([kind], count)
            yield errors
            for name, (text, value) in gauges.items():
                yield GaugeMetricFamily(f"tasksvc_{name}", text, value)
            for metric in of_plugins:
                family_of = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = family_of(f"tasksvc_{metric.name}", metric.text, labels=metric.labels)
                for labels, value in metric.values.items():
                    family.add_metric(labels, value)
                yield family

    registry = CollectorRegistry()
    registry.register(Collector())
    ProcessCollector(registry=registry)  # memory, descriptors and processor time, where the system tells
    return generate_latest(registry), CONTENT_TYPE_LATEST
