"""What the service answers to those who operate it: health and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter

from aiohttp import hdrs, web

from tasksvc.api.observability.metrics import render_prometheus
from tasksvc.api.observability.observer import Observer
from tasksvc.api.openapi.decorators import Refusal, operation, responses
from tasksvc.api.pipeline.in_flight import InFlight
from tasksvc.api.plugins.extensions import Metric
from tasksvc.api.responses.problems import problem
from tasksvc.api.responses.raw import RawResponse, json_response
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.problems import HealthOut
from tasksvc.application.callers import Scope
from tasksvc.application.runtime import Runtime
from tasksvc.domain.errors import StoreUnavailable

NOT_READY = Refusal(503, "not-ready", "The service isn't ready: `detail` says why, and Retry-After when to try again.")


class HealthHandlers:
    """Handles the routes below /health, and /metrics."""

    def __init__(
        self, runtime: Runtime, in_flight: InFlight, observer: Observer, of_plugins: Callable[[], Sequence[Metric]]
    ) -> None:
        """Takes what returns the metrics of plugins."""
        self._runtime, self._in_flight, self._observer = runtime, in_flight, observer
        self._of_plugins = of_plugins
        self._timeouts = runtime.timeouts

    @operation("Check liveness", tag="health", responses=responses({200: ("The process is alive.", HealthOut, [])}))
    async def live(self, request: web.Request) -> RawResponse:
        return json_response({"status": "ok"})

    @operation(
        "Check readiness",
        tag="health",
        description="The service is ready if the store can be reached and the service isn't shutting down.",
        responses=responses({200: ("The service is ready.", HealthOut, [])}, NOT_READY),
    )
    async def ready(self, request: web.Request) -> RawResponse | web.Response:
        if self._runtime.leaving:
            return problem(503, "not-ready", "The service is shutting down.", headers={"Retry-After": "5"})
        if perf_counter() - self._in_flight.write_timed_out_at < self._timeouts.unanswered_write:
            return problem(503, "not-ready", "The store left a write without an answer.", headers={"Retry-After": "5"})
        try:
            async with asyncio.timeout(self._timeouts.readiness):
                await self._runtime.ping()
        except (StoreUnavailable, TimeoutError) as error:
            detail = str(error) or "The store does not answer."
            return problem(503, "not-ready", detail, headers={"Retry-After": "1"})
        return json_response({"status": "ok"})

    @operation(
        "Metrics",
        tag="health",
        description="Requests, durations, the store and the streams of changes, in the text format of Prometheus.",
        produces="text/plain",
        responses=responses({200: ("The metrics.", None, [])}),
    )
    async def metrics(self, request: web.Request) -> web.Response:
        gauges = {
            "requests_in_flight": ("Requests that are being answered.", float(len(self._in_flight))),
            "feed_streams": (
                "Streams of changes that are open; one of several workspaces counts for each of them.",
                float(self._runtime.feeds.streams),
            ),
            "event_loop_tasks": ("Tasks of the event loop.", float(len(asyncio.all_tasks()))),
            **{
                f"store_{name}": ("Of the store, by its own account.", float(value))
                for name, value in self._runtime.statistics().items()
            },
        }
        body, content_type = render_prometheus(self._observer.metrics, gauges, self._of_plugins())
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    def routes(self) -> list[RouteGroup]:
        """Returns the routes; metrics need a token that may read."""
        return self._routes(Scope.READ, documented=True)

    def routes_for_operators(self) -> list[RouteGroup]:
        """Returns the routes for a port that only operators reach: they need no token, and aren't part of the API."""
        return self._routes(None, documented=False)

    def _routes(self, scope: Scope | None, *, documented: bool) -> list[RouteGroup]:
        # Probes name the address of what they probe, and what they learn isn't secret.
        probes = [Route("GET", "/health/live", self.live, None), Route("GET", "/health/ready", self.ready, None)]
        return [
            RouteGroup(probes, documented=documented, origin_checked=False),
            RouteGroup([Route("GET", "/metrics", self.metrics, scope)], documented=documented),
        ]
