"""What is recorded of each request: a line in the log, and metrics over all of them."""

from __future__ import annotations

import time

from aiohttp import hdrs, web

from tasksvc.api.observability.access_log import MAPPED, RequestLog
from tasksvc.api.observability.metrics import Metrics
from tasksvc.api.pipeline.trusted_proxies import TrustedProxies


class Observer:
    """Records every request in the access log and in the metrics."""

    def __init__(self, log: RequestLog | None, proxies: TrustedProxies | None) -> None:
        self.metrics = Metrics()
        self._log, self._proxies = log, proxies

    def record(
        self,
        request: web.BaseRequest,
        route: str,
        status: int,
        seconds: float,
        name: str,
        caller: str,
        workspace: str,
    ) -> None:
        """Takes in one request that was answered.  The workspace is for the log alone: there may be millions."""
        method = request.method
        self.metrics.count(route, method if method in hdrs.METH_ALL else "OTHER", status, seconds)
        if self._log is not None:
            remote = (
                request.remote
                if self._proxies is None
                else self._proxies.client_address(request.remote, request.headers)
            )
            if remote is not None and remote.startswith(MAPPED):
                remote = remote[len(MAPPED) :]
            self._log.add((time.time(), name, remote, caller, workspace, method, request.raw_path, status, seconds))

    def close(self) -> None:
        """Writes what is left."""
        if self._log is not None:
            self._log.flush()
